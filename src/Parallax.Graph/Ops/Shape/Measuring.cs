using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>ONNX's Shape: the dims of the input from <paramref name="Start"/> up to, not including, <paramref name="End"/>; negative ones count from the end.</summary>
public sealed record ShapeOf(long Start = 0, long? End = null) : Op
{
    public override string Name => "Shape";

    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Tensor(0).Shape is not { } shape) return [new TensorFact(DType.Int64, [FreshDim.Of("shape")])];
        (int start, int end) = Bounds(shape.Rank);
        ImmutableArray<Dim> dims = shape.Dims[start..end];
        return [Contents.Fact(DType.Int64, [dims.Length], dims)];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => default;

    /// <summary>First axis, and one past the last, for a rank.</summary>
    public (int Start, int End) Bounds(int rank)
    {
        int start = Clamp(Start), end = Clamp(End ?? rank);
        return (start, Math.Max(start, end));

        int Clamp(long axis) => (int)Math.Clamp(axis < 0 ? axis + rank : axis, 0, rank);
    }
}

/// <summary>ONNX's Size: the number of elements of the input.</summary>
public sealed record SizeOf : Op
{
    public override string Name => "Size";

    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [context.Tensor(0).Shape is { } shape ? Contents.Fact(DType.Int64, Shape.Scalar, [shape.Elements]) : new TensorFact(DType.Int64, Shape.Scalar)];

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => default;
}
