using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>What becomes of the losses of single positions.</summary>
public enum LossReduction
{
    None,
    Sum,
    /// <summary>The sum over the sum of the weights of the positions that count.</summary>
    Mean,
}

/// <summary>
/// Inputs: log probabilities [N, C, d...], class indices [N, d...] of int32 or int64, and the weights of the classes [C], optional. The loss of a position is
/// minus the weighted log probability of its class, 0 where the class is <paramref name="IgnoreIndex"/>.
/// </summary>
public sealed record NegativeLogLikelihood(LossReduction Reduction, long? IgnoreIndex) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(0).Type;
        Shape? scores = context.Shape(0, 2), classes = context.Shape(1, 1), weights = context.Has(2) ? context.Shape(2, 1, 1) : null;
        if (scores is { } x && classes is { } t && (x.Rank != t.Rank + 1 || Differ(x[0], t[0]) || Enumerable.Range(1, t.Rank - 1).Any(i => Differ(x[i + 1], t[i]))))
            throw new InvalidModelException($"scores {x} need one class index per position, got {t}");
        if (scores is { } s && weights is { } w && Differ(s[1], w[0])) throw new InvalidModelException($"scores {s} need {s[1]} weights, got {w}");
        return [new TensorFact(type, Reduction == LossReduction.None ? classes : Shape.Scalar)];
    }

    private static bool Differ(Dim a, Dim b) => a.IsKnown && b.IsKnown && a != b;
}
