using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// The transpose of a convolution: every element of X [N, C, spatial...] adds its multiple of W [C, M/groups, kernel...] to Y [N, M, ...].
/// </summary>
/// <param name="OutputPadding">Extra elements at the end of each spatial axis; empty for none.</param>
/// <param name="OutputShape">Spatial dims of the result, from which the padding follows; empty where the padding is given.</param>
public sealed record ConvTranspose(SpatialWindow Window, long Groups, ImmutableArray<long> OutputPadding, ImmutableArray<long> OutputShape) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(0).Type;
        if (context.Shape(0, 3) is not { } x || context.Shape(1, 3) is not { } w) return [new TensorFact(type)];
        if (w.Rank != x.Rank) throw new InvalidModelException($"X {x} and W {w} must have the same rank");
        if (x[1].IsKnown && w[0].IsKnown && x[1] != w[0]) throw new InvalidModelException($"X has {x[1]} channels, W {w} is for {w[0]}");
        var dims = ImmutableArray.CreateBuilder<Dim>(x.Rank);
        dims.Add(x[0]);
        dims.Add(w[1] * Groups);
        for (int i = 0; i < x.Rank - 2; i++) dims.Add(Output(i, x[i + 2], w));
        return [new TensorFact(type, new Shape(dims.MoveToImmutable()))];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        if (inputs[1] is not TensorFact { Shape: { } w }) return base.Cost(inputs, outputs);
        return new Cost(CostOf.Elements(inputs[0]) * new Shape(w.Dims[1..]).Elements, CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
    }

    /// <summary>Padding that is cut off before and after a spatial axis of <paramref name="input"/> elements.</summary>
    public (long Begin, long End) PadsOf(int axis, long input, Shape weights)
    {
        SpatialWindow window = WindowOver(weights);
        if (OutputShape.IsEmpty && Window.AutoPad is AutoPad.NotSet) return Window.Pads.IsEmpty ? (0, 0) : (Window.Pads[axis], Window.Pads[Window.Pads.Length / 2 + axis]);
        if (OutputShape.IsEmpty && Window.AutoPad is AutoPad.Valid) return (0, 0);
        long total = window.Stride(axis) * (input - 1) + Padding(axis) + window.Extent(axis) - Output(axis, input, weights).Value;
        total = Math.Max(0, total);
        return Window.AutoPad == AutoPad.SameUpper ? (total / 2, total - total / 2) : (total - total / 2, total / 2);
    }

    public SpatialWindow WindowOver(Shape weights) => Window.Kernel.IsEmpty ? Window.WithKernel([.. new Shape(weights.Dims[2..]).ToArray()]) : Window;

    private long Padding(int axis) => OutputPadding.IsEmpty ? 0 : OutputPadding[axis];

    private Dim Output(int axis, Dim input, Shape weights)
    {
        if (!OutputShape.IsEmpty) return OutputShape[OutputShape.Length - (weights.Rank - 2) + axis];
        SpatialWindow window = WindowOver(weights);
        if (Window.AutoPad is AutoPad.SameUpper or AutoPad.SameLower) return input * window.Stride(axis);
        (long begin, long end) = Window.AutoPad == AutoPad.Valid || Window.Pads.IsEmpty ? (0, 0) : (Window.Pads[axis], Window.Pads[Window.Pads.Length / 2 + axis]);
        return (input - 1) * window.Stride(axis) + Padding(axis) + window.Extent(axis) - begin - end;
    }

    public bool Equals(ConvTranspose? other) => other is not null && Window == other.Window && Groups == other.Groups
        && OutputPadding.AsSpan().SequenceEqual(other.OutputPadding.AsSpan()) && OutputShape.AsSpan().SequenceEqual(other.OutputShape.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Window, Groups);
}
