using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>What the softmax of attention is taken of: <c>hide(scale * factor of the head * q kᵀ + masks)</c>, read upward from the softmax.</summary>
internal sealed record ScoreExpression
{
    private const int MaxSteps = 12;

    internal ValueId Query { get; private init; }

    internal ValueId Key { get; private init; }

    /// <summary>Whether the key is [.., size, keys].</summary>
    internal bool KeyIsTransposed { get; private init; }

    internal double Scale { get; private init; } = 1;

    /// <summary>Added to the scores.</summary>
    internal ImmutableArray<ValueId> Masks { get; private init; } = [];

    /// <summary>A bool value and which of its elements hide; the condition comes after all masks that are added.</summary>
    internal (ValueId Value, bool HidesWhere, float Score)? Condition { get; private init; }

    /// <summary>A factor for each head, of a shape that ends in [heads, 1, 1].</summary>
    internal ValueId Factor { get; private init; } = ValueId.None;

    /// <summary>What rows of q and k are at least divided by; null where they are not divided by their lengths.</summary>
    internal double? NormEpsilon { get; private init; }

    /// <summary>The shape that masks broadcast to, where it has one more axis than the scores: their first one, cut in two.</summary>
    internal Shape? Cut { get; init; }

    internal static ScoreExpression? Of(Graph graph, ValueId scores) =>
        graph.TensorFact(scores)?.Shape is { } shape ? Of(graph, scores, shape, isCut: false, isScaled: false, MaxSteps) : null;

    private static ScoreExpression? Of(Graph graph, ValueId id, Shape shape, bool isCut, bool isScaled, int steps)
    {
        if (steps == 0 || graph.Producer(id) is not { } node || !graph.HasSingleUse(id)) return null;
        if (Product(graph, node) is { } product) return isCut || !Match.HasShape(graph, id, shape) ? null : OfProduct(graph, product, shape, isScaled);
        if (node.Op is Reshape) return OfReshape(graph, node, shape, isCut, isScaled, steps);
        if (node.Op is Where) return isScaled ? null : OfCondition(graph, node, shape, isCut, steps);
        ScoreExpression? inner = null;
        ValueId other;
        if (Match.TryScaling(graph, node, out ValueId x, out double scale))
            return Of(graph, x, shape, isCut, isScaled: true, steps - 1) is { } scaled ? scaled with { Scale = scaled.Scale * scale } : null;
        if (Match.IsBinary(node, BinaryFunction.Mul))
            return Match.TrySplit(node, i => (inner = Of(graph, i, shape, isCut, isScaled: true, steps - 1)) is not null, out _, out other)
                && inner!.Factor.IsNone && IsPerHead(graph, other, shape) ? inner with { Factor = other } : null;
        if (isScaled || !Match.IsBinary(node, BinaryFunction.Add)) return null;
        if (!Match.TrySplit(node, i => Match.SameShape(graph, i, id) && (inner = Of(graph, i, shape, isCut, isScaled, steps - 1)) is not null, out _, out other)) return null;
        return inner!.Condition is null && IsClear(graph, other, shape, isCut) ? inner with { Masks = inner.Masks.Add(other) } : null;
    }

    /// <summary>Whether a mask tells heads from batch items: [batch * heads, queries, keys] does not.</summary>
    private static bool IsClear(Graph graph, ValueId mask, Shape shape, bool isCut) => isCut || shape.Rank > 3 || graph.TensorFact(mask)?.Rank <= 2;

    /// <summary>A reshape to the scores' shape from one whose first axis is cut in two, or back from there.</summary>
    private static ScoreExpression? OfReshape(Graph graph, Node node, Shape shape, bool isCut, bool isScaled, int steps)
    {
        if (graph.TensorFact(node.Inputs[0])?.Shape is not { } from) return null;
        if (isCut) return from == shape ? Of(graph, node.Inputs[0], shape, isCut: false, isScaled, steps - 1) : null;
        if (from.Rank != shape.Rank + 1) return null;
        for (int i = 1; i < shape.Rank; i++)
            if (from[i + 1] != shape[i]) return null;
        return Of(graph, node.Inputs[0], shape, isCut: true, isScaled, steps - 1) is { Cut: null } inner ? inner with { Cut = from } : null;
    }

    private static ScoreExpression? OfCondition(Graph graph, Node node, Shape shape, bool isCut, int steps)
    {
        for (int hidden = 1; hidden <= 2; hidden++)
        {
            ValueId rest = node.Inputs[3 - hidden];
            if (!IsClear(graph, node.Inputs[0], shape, isCut) || !Match.TryScalar(graph, node.Inputs[hidden], out double score) || !Match.SameShape(graph, rest, node.Outputs[0])) continue;
            if (Of(graph, rest, shape, isCut, isScaled: false, steps - 1) is not { Condition: null } inner) continue;
            return inner with { Condition = (node.Inputs[0], hidden == 1, (float)score) };
        }
        return null;
    }

    private static bool IsPerHead(Graph graph, ValueId id, Shape shape)
    {
        if (graph.TensorFact(id) is not { Type: DType.Float32, Shape: { Rank: 3 or 4 } factor } || shape.Rank != 4) return false;
        return factor[^1] == 1 && factor[^2] == 1 && factor[^3] == shape[1] && (factor.Rank == 3 || factor[0] == 1);
    }

    private static Node? Product(Graph graph, Node node) =>
        node.Op is MatMul { TransposeA: false, Activation.Kind: ActivationKind.None } && node.Inputs.Length <= 4 ? node : null;

    private static ScoreExpression? OfProduct(Graph graph, Node product, Shape shape, bool isScaled)
    {
        // A mask of one shape with the scores, or a constant one of the keys, was added to the product before.
        ImmutableArray<ValueId> masks = [.. product.Inputs.Skip(2).Where(i => !i.IsNone)];
        if (isScaled && masks.Length > 0 || masks.Any(m => !IsClear(graph, m, shape, isCut: false))) return null;
        var op = (MatMul)product.Op;
        double scale = op.Alpha;
        ValueId q = Unscaled(graph, product.Inputs[0], ref scale), k = Unscaled(graph, product.Inputs[1], ref scale);
        // A key that is stored transposed is worth turning where a transpose made it: the two become one.
        if (!op.TransposeB && graph.Producer<Transpose>(k) is null) return null;
        var scores = new ScoreExpression { Query = q, Key = k, KeyIsTransposed = !op.TransposeB, Scale = scale, Masks = masks };
        if (!op.TransposeB || UnitRows(graph, q) is not { } query || UnitRows(graph, k) is not { } key || query.Epsilon != key.Epsilon) return scores;
        return scores with { Query = query.Rows, Key = key.Rows, NormEpsilon = query.Epsilon };
    }

    private static ValueId Unscaled(Graph graph, ValueId id, ref double scale)
    {
        if (graph.Producer(id) is not { } node || !graph.HasSingleUse(id)) return id;
        if (!Match.TryScaling(graph, node, out ValueId x, out double factor) || !Match.SameShape(graph, x, id)) return id;
        scale *= factor;
        return x;
    }

    /// <summary><c>x / max(length of x's rows, epsilon)</c></summary>
    private static (ValueId Rows, double Epsilon)? UnitRows(Graph graph, ValueId id)
    {
        if (Match.Binary(graph, id, BinaryFunction.Div) is not { } quotient || graph.TensorFact(quotient.Inputs[0])?.Rank is not { } rank) return null;
        if (graph.Producer(quotient.Inputs[1]) is not { } bounded || !TryLowerBound(graph, bounded, out ValueId length, out double epsilon) || !(epsilon > 0)) return null;
        if (graph.Producer(length) is not { Op: Reduce { Kind: ReduceKind.L2, KeepDims: true } reduce } node || node.Inputs[0] != quotient.Inputs[0] || node.Inputs.Length < 2) return null;
        return graph.TensorFact(node.Inputs[1])?.TryGetInts(out long[] axes) == true && reduce.Axes(axes, rank).AsSpan().SequenceEqual([rank - 1])
            ? (quotient.Inputs[0], epsilon)
            : null;
    }

    private static bool TryLowerBound(Graph graph, Node node, out ValueId x, out double bound)
    {
        (x, bound) = (ValueId.None, 0);
        if (node.Op is Clip && node.Inputs.Length > 1 && (node.Inputs.Length < 3 || node.Inputs[2].IsNone))
        {
            x = node.Inputs[0];
            return Match.TryScalar(graph, node.Inputs[1], out bound);
        }
        double least = 0;
        bool found = Match.IsBinary(node, BinaryFunction.Max) && Match.TrySplit(node, i => Match.TryScalar(graph, i, out least), out _, out x);
        bound = least;
        return found;
    }
}
