using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Inputs: data, k. Outputs: the k largest (or smallest) elements along <paramref name="Axis"/> in order, and their indices; of equal ones the lower index comes first.</summary>
public sealed record TopK(long Axis = -1, bool Largest = true) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (context.Shape(0, 1) is not { } shape) return [new TensorFact(data.Type), new TensorFact(DType.Int64)];
        int axis = ShapeRules.Axis(Axis, shape.Rank);
        Dim k = Contents.TryGetScalar(context, 1, out Dim known) ? known : FreshDim.Of("k");
        if (k.TryGetValue(out long count) && (count < 0 || shape[axis].TryGetValue(out long length) && count > length))
            throw new InvalidModelException($"k is {count} for axis {axis} of {shape}");
        return [new TensorFact(data.Type, shape.With(axis, k)), new TensorFact(DType.Int64, shape.With(axis, k))];
    }
}

/// <summary>What <see cref="Cumulative"/> accumulates.</summary>
public enum CumulativeKind
{
    Sum,
    Product,
}

/// <summary>Inputs: data, axis (scalar). Running sums or products; without the element itself where <paramref name="Exclusive"/>; from the end where <paramref name="Reverse"/>.</summary>
public sealed record Cumulative(CumulativeKind Kind, bool Exclusive = false, bool Reverse = false) : Op
{
    public override string Name => Kind == CumulativeKind.Sum ? "CumSum" : "CumProd";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0, 1) is { } shape && Contents.TryGetScalar(context, 1, out Dim axis) && axis.IsKnown) ShapeRules.Axis(axis.Value, shape.Rank);
        return ShapeRules.SameAs(context);
    }
}

/// <summary>
/// Inputs: boxes [batch, boxes, 4], scores [batch, classes, boxes], most boxes a class (optional: 0), overlap threshold (optional: 0),
/// score threshold (optional: none). Output [selected, 3]: batch, class, box.
/// </summary>
/// <param name="CenterBoxes">Whether a box is center x, center y, width, height instead of two corners y, x.</param>
public sealed record NonMaxSuppression(bool CenterBoxes = false) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        context.Shape(0, 3, 3);
        context.Shape(1, 3, 3);
        return [new TensorFact(DType.Int64, [FreshDim.Of("selected"), 3])];
    }
}
