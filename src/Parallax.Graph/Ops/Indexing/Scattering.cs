using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>How a scattered update meets what is there.</summary>
public enum ScatterReduction
{
    Replace,
    Add,
    Mul,
    Min,
    Max,
}

/// <summary>Inputs: data, indices, updates. The result has the data's shape.</summary>
public abstract record ScatterOp(ScatterReduction Reduction) : Op
{
    public sealed override bool AcceptsNarrowFloats => Reduction == ScatterReduction.Replace;

    public sealed override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => new(CostOf.Elements(inputs[2]), CostOf.Bytes(outputs) + CostOf.Bytes(inputs[2]) * 2);
}

/// <summary>Updates single elements: <c>result[indices[i, j], j] = updates[i, j]</c> for axis 0, and so on.</summary>
public sealed record ScatterElements(long Axis = 0, ScatterReduction Reduction = ScatterReduction.Replace) : ScatterOp(Reduction)
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact indices = context.Tensor(1), updates = context.Tensor(2);
        if (context.Shape(0, 1) is { } shape)
        {
            ShapeRules.Axis(Axis, shape.Rank);
            if (indices.Rank is { } rank && rank != shape.Rank) throw new InvalidModelException($"indices must have rank {shape.Rank}, got {indices}");
        }
        if (indices.Shape is { IsKnown: true } a && updates.Shape is { IsKnown: true } b && a != b) throw new InvalidModelException($"updates must have the shape of the indices {a}, got {b}");
        return ShapeRules.SameAs(context);
    }
}

/// <summary>Updates slices that the k-tuples of indices [.., k] name.</summary>
public sealed record ScatterND(ScatterReduction Reduction = ScatterReduction.Replace) : ScatterOp(Reduction)
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0, 1) is { } shape && context.Shape(1, 1) is { } indices && indices[indices.Rank - 1].TryGetValue(out long depth))
        {
            if (depth < 0 || depth > shape.Rank) throw new InvalidModelException($"indices {indices} do not fit data of shape {shape}");
            var expected = new Shape([.. indices.Dims[..^1], .. shape.Dims[(int)depth..]]);
            if (expected.IsKnown && context.Tensor(2).Shape is { IsKnown: true } updates && updates != expected)
                throw new InvalidModelException($"updates must be {expected}, got {updates}");
        }
        return ShapeRules.SameAs(context);
    }
}

/// <summary>
/// Inputs: past [batch, ..], update (shorter along <paramref name="Axis"/>), write positions by batch (optional: 0). Writes the update into
/// the cache from its position on; <paramref name="Circular"/> wraps around at the end.
/// </summary>
public sealed record TensorScatter(long Axis = -2, bool Circular = false) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0, 2) is { IsKnown: true } past)
        {
            int axis = ShapeRules.Axis(Axis, past.Rank);
            if (axis == 0) throw new InvalidModelException("the axis must not be the batch's");
            if (context.Tensor(1).Shape is { IsKnown: true } update
                && (update.Rank != past.Rank || update.With(axis, past[axis]) != past || update[axis].Value > past[axis].Value))
                throw new InvalidModelException($"an update of shape {update} does not fit a cache of shape {past} along axis {axis}");
        }
        return ShapeRules.SameAs(context);
    }
}
