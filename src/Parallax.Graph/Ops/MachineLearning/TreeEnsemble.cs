using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>How a decision node compares a feature with its split value.</summary>
public enum TreeMode : byte
{
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,

    /// <summary>Whether the feature is one of a set of values.</summary>
    Member,

    /// <summary>No decision: a leaf of the old table form.</summary>
    Leaf,
}

/// <summary>How the leaves that a row reaches become its results.</summary>
public enum TreeAggregate
{
    Average,
    Sum,
    Min,
    Max,
}

/// <summary>A decision: where the comparison holds go to <paramref name="True"/>, else to <paramref name="False"/>; a negative number is the complement of a leaf.</summary>
/// <param name="MissingIsTrue">Whether NaN goes to <paramref name="True"/>, whatever the comparison says.</param>
/// <param name="Members">The set of a <see cref="TreeMode.Member"/>; default otherwise.</param>
public readonly record struct TreeDecision(int Feature, TreeMode Mode, double Split, int True, int False, bool MissingIsTrue, ImmutableArray<double> Members = default);

/// <summary>What a leaf adds to one target.</summary>
public readonly record struct TreeWeight(int Target, double Weight);

/// <summary>
/// Decision trees over the rows of [N x F], float32 or float64: [N x targets] of the same type. All numbers are computed in double precision.
/// </summary>
/// <param name="Roots">Per tree, its first decision, or the complement of its only leaf.</param>
/// <param name="BaseValues">What each target starts with; empty: zeros.</param>
public sealed record TreeEnsemble(ImmutableArray<TreeDecision> Decisions, ImmutableArray<ImmutableArray<TreeWeight>> Leaves, ImmutableArray<int> Roots,
    int Targets, TreeAggregate Aggregate, ImmutableArray<double> BaseValues) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact rows = context.Tensor(0);
        return [new TensorFact(rows.Type, context.Shape(0, 2, 2) is { } shape ? [shape[0], Targets] : null)];
    }

    /// <summary>A comparison for each level of each tree, as if the trees were balanced.</summary>
    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        long depth = (long)Math.Ceiling(Math.Log2(Math.Max(2.0, (double)Decisions.Length / Math.Max(1, Roots.Length))));
        Dim rows = inputs[0] is TensorFact { Shape: { Rank: 2 } shape } ? shape[0] : 1;
        return new Cost(rows * Roots.Length * depth, CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
    }
}
