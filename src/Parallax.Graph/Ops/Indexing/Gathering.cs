using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Inputs: data, indices. The slices of the data at the indices along <paramref name="Axis"/>; a negative index counts from the end.</summary>
public sealed record Gather(long Axis = 0) : MovingOp
{
    /// <summary>Whether indices are known to lie within the axis, whatever they are when the graph runs.</summary>
    public bool IsWithin { get; init; }

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0), indices = context.Tensor(1);
        if (context.Shape(0, 1) is not { } shape) return [new TensorFact(data.Type)];
        int axis = ShapeRules.Axis(Axis, shape.Rank);
        if (indices.Shape is not { } at) return [new TensorFact(data.Type)];
        var result = new Shape([.. shape.Dims[..axis], .. at.Dims, .. shape.Dims[(axis + 1)..]]);
        return [shape.Rank == 1 && data.TryGetDims(out ImmutableArray<Dim> contents) && context.TryGetInts(1, out long[] wanted) && at.Rank <= 1
            ? Contents.Fact(data.Type, result, [.. wanted.Select(i => At(contents, i))])
            : new TensorFact(data.Type, result)];
    }

    private static Dim At(ImmutableArray<Dim> contents, long index) => index >= -contents.Length && index < contents.Length
        ? contents[(int)(index < 0 ? index + contents.Length : index)]
        : throw new InvalidModelException($"index {index} is out of range for {contents.Length} elements");
}

/// <summary>Inputs: data, indices of the same rank. <c>result[i, j] = data[indices[i, j], j]</c> for axis 0, and so on.</summary>
public sealed record GatherElements(long Axis = 0) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0), indices = context.Tensor(1);
        if (context.Shape(0, 1) is { } shape)
        {
            ShapeRules.Axis(Axis, shape.Rank);
            if (indices.Rank is { } rank && rank != shape.Rank) throw new InvalidModelException($"indices must have rank {shape.Rank}, got {indices}");
        }
        return [new TensorFact(data.Type, indices.Shape)];
    }
}

/// <summary>Inputs: data, indices [.., k]. Each k-tuple names a slice of the data; the first <paramref name="BatchDims"/> axes of both go together.</summary>
public sealed record GatherND(int BatchDims = 0) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (context.Shape(0, 1) is not { } shape || context.Shape(1, 1) is not { } indices || !indices[indices.Rank - 1].TryGetValue(out long depth)) return [new TensorFact(data.Type)];
        if (BatchDims < 0 || BatchDims >= Math.Min(shape.Rank, indices.Rank) || depth < 0 || depth > shape.Rank - BatchDims)
            throw new InvalidModelException($"indices {indices} with {BatchDims} batch dims do not fit data of shape {shape}");
        return [new TensorFact(data.Type, new Shape([.. indices.Dims[..^1], .. shape.Dims[(BatchDims + (int)depth)..]]))];
    }
}

/// <summary>Inputs: indices, depth, values (off, on). A new axis of length depth that is on at the index and off elsewhere.</summary>
public sealed record OneHot(long Axis = -1) : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(2).Type;
        if (context.Tensor(0).Shape is not { } indices) return [new TensorFact(type)];
        int axis = ShapeRules.Axis(Axis, indices.Rank, endInclusive: true);
        Dim depth = Contents.TryGetScalar(context, 1, out Dim known) ? known : context.Tensor(1).TryGetScalar(out double value) ? (long)value : FreshDim.Of("depth");
        if (depth.TryGetValue(out long number) && number < 0) throw new InvalidModelException($"depth is {number}");
        return [new TensorFact(type, new Shape(indices.Dims.Insert(axis, depth)))];
    }
}

/// <summary>Inputs: data, condition. The slices along <paramref name="Axis"/> (null: the elements) whose condition is true; a short condition leaves out the rest.</summary>
public sealed record Compress(long? Axis = null) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        context.Shape(1, 1, 1);
        if (Axis is not { } given) return [new TensorFact(data.Type, [FreshDim.Of("compress")])];
        if (context.Shape(0, 1) is not { } shape) return [new TensorFact(data.Type)];
        return [new TensorFact(data.Type, shape.With(ShapeRules.Axis(given, shape.Rank), FreshDim.Of("compress")))];
    }
}

/// <summary>The coordinates of the elements that are not zero, one column each, in row-major order.</summary>
public sealed record NonZero : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [new TensorFact(DType.Int64, [context.Tensor(0).Rank is { } rank ? rank : FreshDim.Of("rank"), FreshDim.Of("nonzero")])];
}

/// <summary>
/// Outputs: the different slices along <paramref name="Axis"/> (null: elements), sorted or in order of appearance; index of the first
/// appearance of each; for every slice of the input its place among them; how often each appears.
/// </summary>
public sealed record Unique(long? Axis = null, bool Sorted = true) : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        Dim count = FreshDim.Of("unique");
        Shape? values = [count];
        Dim? all = data.Shape?.Elements;
        if (Axis is { } given)
        {
            int? axis = data.Shape is { } shape ? ShapeRules.Axis(given, shape.Rank) : null;
            values = data.Shape?.With(axis!.Value, count);
            all = axis is { } known ? data.Shape!.Value[known] : null;
        }
        return [new TensorFact(data.Type, values), new TensorFact(DType.Int64, [count]), new TensorFact(DType.Int64, [all ?? FreshDim.Of("elements")]), new TensorFact(DType.Int64, [count])];
    }
}
