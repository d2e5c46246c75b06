using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Softmax, LogSoftmax and Hardmax along an axis.</summary>
/// <param name="Flatten">Whether the axis and all after it count as one, as before opset 13.</param>
public sealed record Softmax(SoftmaxKind Kind, long Axis = -1, bool Flatten = false) : Op
{
    public override string Name => Kind.ToString();

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0) is { } shape && shape.Rank > 0) AxisOf(shape.Rank);
        return ShapeRules.SameAs(context);
    }

    /// <summary>The data as [outer, n, inner], normalized along the middle.</summary>
    public (long Outer, long Count, long Inner) View(ReadOnlySpan<long> dims)
    {
        if (dims.Length == 0) return (1, 1, 1);
        int axis = AxisOf(dims.Length);
        return Flatten
            ? (Shape.Count(dims[..axis]), Shape.Count(dims[axis..]), 1)
            : (Shape.Count(dims[..axis]), dims[axis], Shape.Count(dims[(axis + 1)..]));
    }

    // A flattened softmax may name the end as its axis; negative axes count from the last one all the same.
    private int AxisOf(int rank) => Flatten && Axis == rank ? rank : ShapeRules.Axis(Axis, rank);
}
