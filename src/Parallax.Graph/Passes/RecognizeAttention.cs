using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>MatMul(Softmax(scores), v) = Attention(q, k, v, mask)</c> for float32 <see cref="ScoreExpression"/>s of [batch, heads, rows, size], of [heads, rows, size]
/// that are views of those, or of [heads, rows, size] with one head a batch item. One result differs: a query that masks hide from all keys by -∞ gives
/// zeros, not NaN.
/// </summary>
public sealed class RecognizeAttention : IPass
{
    public string Name => "recognize-attention";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not MatMul { TransposeA: false, TransposeB: false, Alpha: 1f, Activation.Kind: ActivationKind.None } || node.Inputs.Length > 2) return null;
        if (SoftmaxOf(graph, node.Inputs[0]) is not { } softmax || graph.TensorFact(softmax.Inputs[0])?.Shape is not { } shape) return null;
        if (shape.Rank is not (3 or 4) || ShapeRules.Axis(((Softmax)softmax.Op).Axis, shape.Rank) != shape.Rank - 1) return null;
        if (ScoreExpression.Of(graph, softmax.Inputs[0]) is not { } scores || !Fits(graph, scores, node.Inputs[1], shape)) return null;
        return (shape.Rank == 3 ? WithHeadsApart(graph, node, scores, shape) : null) ?? Build(graph, node, scores, shape);
    }

    /// <summary>The softmax whose result the value is, or is but for NaN that were replaced by zeros, and which nobody else reads.</summary>
    private static Node? SoftmaxOf(Graph graph, ValueId id)
    {
        static bool IsPlain(Op? op) => op is Softmax { Kind: SoftmaxKind.Softmax };
        if (graph.Producer(id) is not { } node || !graph.HasSingleUse(id)) return null;
        if (node.Op is not Where) return IsPlain(node.Op) ? node : null;
        ValueId probabilities = node.Inputs[2];
        if (graph.Producer(node.Inputs[0]) is not { Op: Unary { Function: UnaryFunction.IsNaN } } test || test.Inputs[0] != probabilities || !Match.IsScalar(graph, node.Inputs[1], 0)) return null;
        return !graph.IsOutput(probabilities) && graph.Consumers(probabilities).Count == 2 && graph.HasSingleUse(node.Inputs[0]) && IsPlain(graph.Producer(probabilities)?.Op)
            ? graph.Producer(probabilities)
            : null;
    }

    /// <summary>Products broadcast their batches, attention does not.</summary>
    private static bool Fits(Graph graph, ScoreExpression scores, ValueId v, Shape shape)
    {
        if (graph.TensorFact(scores.Query) is not { Type: DType.Float32, Shape: { } q } || graph.TensorFact(scores.Key)?.Shape is not { } k || graph.TensorFact(v)?.Shape is not { } value) return false;
        if (q.Rank != shape.Rank || k.Rank != shape.Rank || value.Rank != shape.Rank) return false;
        for (int i = 0; i < shape.Rank - 2; i++)
            if (q[i] != k[i] || q[i] != value[i]) return false;
        return value[^2] == shape[^1] && k[^(scores.KeyIsTransposed ? 1 : 2)] == shape[^1];
    }

    private static Patch? Build(Graph graph, Node node, ScoreExpression scores, Shape shape)
    {
        var patch = new Patch(graph);
        if (!TryMask(graph, patch, node.Name, scores, shape, out ValueId mask)) return null;
        return patch.Replace(node.Outputs[0], Attend(patch, node, scores, scores.Query, scores.Key, node.Inputs[1], mask, heads: shape.Rank == 3 ? 1 : 0));
    }

    /// <summary>Where q, k or v are [batch * heads, rows, size] made of [batch, heads, rows, size], attention of what they are made of.</summary>
    private static Patch? WithHeadsApart(Graph graph, Node node, ScoreExpression scores, Shape shape)
    {
        if (scores.KeyIsTransposed) return null;
        ValueId[] operands = [scores.Query, scores.Key, node.Inputs[1]];
        if (HeadsOf(graph, operands) is not var (batch, heads)) return null;
        var apart = new Shape([batch, heads, .. shape.Dims[1..]]);
        if (scores.Cut is { } cut && cut != apart) return null;
        // What made one of the operands of the result's shape makes the result.
        ValueId[] alike = [.. new[] { scores.Query, node.Inputs[1] }.Where(i => Match.SameShape(graph, i, node.Outputs[0]) && graph.Producer<Reshape>(i) is not null)];
        var patch = new Patch(graph);
        if (alike.Length == 0 || !TryMask(graph, patch, node.Name, scores with { Cut = null }, apart, out ValueId mask)) return null;
        for (int i = 0; i < operands.Length; i++)
        {
            if (Apart(graph, patch, $"{node.Name}/heads{i}", operands[i], batch, heads) is not { } own) return null;
            operands[i] = own;
        }
        ValueId result = Attend(patch, node, scores, operands[0], operands[1], operands[2], mask, heads: 0);
        Node reshape = graph.Producer(alike[0])!;
        return patch.Replace(node.Outputs[0], patch.Add($"{node.Name}/folded", reshape.Op, result, reshape.Inputs[1]));
    }

    /// <summary>Batch items and heads of the first operand that tells.</summary>
    private static (Dim Batch, Dim Heads)? HeadsOf(Graph graph, ValueId[] operands)
    {
        foreach (ValueId operand in operands)
            if (Source(graph, operand) is { } source && graph.TensorFact(source)!.Shape is { } shape) return (shape[0], shape[1]);
        return null;
    }

    /// <summary>A [batch * heads, rows, size] as [batch, heads, rows, size]: what it is a view of, or a view of it, as where one row a head was never turned.</summary>
    private static ValueId? Apart(Graph graph, Patch patch, string name, ValueId id, Dim batch, Dim heads)
    {
        if (Source(graph, id) is { } source && graph.TensorFact(source)!.Shape is { } made && made[0] == batch && made[1] == heads) return source;
        if (graph.TensorFact(id)?.Shape is not { } shape || shape[0] != batch * heads) return null;
        if (!heads.TryGetValue(out long headCount) || !shape[1].TryGetValue(out long rows) || !shape[2].TryGetValue(out long size)) return null;
        return patch.Reshape(name, id, -1, headCount, rows, size);
    }

    /// <summary>The [batch, heads, rows, size] that a [batch * heads, rows, size] is a view of.</summary>
    private static ValueId? Source(Graph graph, ValueId id)
    {
        if (graph.Producer<Reshape>(id) is not { } reshape || graph.TensorFact(id)?.Shape is not { } folded) return null;
        return graph.TensorFact(reshape.Inputs[0])?.Shape is { Rank: 4 } shape && shape[2] == folded[1] && shape[3] == folded[2] ? reshape.Inputs[0] : null;
    }

    private static ValueId Attend(Patch patch, Node node, ScoreExpression scores, ValueId q, ValueId k, ValueId v, ValueId mask, int heads)
    {
        int rank = ((TensorFact)patch.Fact(q)).Rank!.Value;
        if (scores.KeyIsTransposed) k = patch.Add($"{node.Name}/key", new Transpose([.. Enumerable.Range(0, rank - 2), rank - 1, rank - 2]), k);
        var inputs = new List<ValueId> { q, k, v, mask };
        if (!scores.Factor.IsNone)
        {
            while (inputs.Count < Attention.FactorInput) inputs.Add(ValueId.None);
            inputs.Add(patch.Reshape($"{node.Name}/factors", scores.Factor, -1));
        }
        while (inputs[^1].IsNone) inputs.RemoveAt(inputs.Count - 1);
        return patch.Add(node.Name, new Attention(heads, heads, (float)scores.Scale)
        {
            HiddenScore = scores.Condition is { } condition ? condition.Score : float.NegativeInfinity,
            NormEpsilon = (float?)scores.NormEpsilon,
        }, [.. inputs]);
    }

    /// <summary>One mask of all that is added or hides, in the form that attention over scores of a shape takes; false where there is none.</summary>
    private static bool TryMask(Graph graph, Patch patch, string name, ScoreExpression scores, Shape shape, out ValueId mask)
    {
        mask = ValueId.None;
        if (scores.Condition is { } condition)
        {
            if (!scores.Masks.IsEmpty || scores.Cut is not null || !HasForm(graph.TensorFact(condition.Value), DType.Bool, shape)) return false;
            mask = condition.HidesWhere ? patch.Add($"{name}/seen", new Unary(UnaryFunction.Not), condition.Value) : condition.Value;
            return true;
        }
        foreach (ValueId addend in scores.Masks)
        {
            ValueId own = scores.Cut is { } cut ? Uncut(graph, patch, name, addend, cut) : addend;
            if (own.IsNone || !HasForm(patch.Fact(own) as TensorFact, DType.Float32, shape)) return false;
            if (mask.IsNone) mask = own;
            else if (TrySum(patch, name, mask, own, out ValueId sum)) mask = sum;
            else return false;
        }
        return true;
    }

    /// <summary>Whether a mask says something of every key, and of no more batch items, heads and queries than there are.</summary>
    private static bool HasForm(TensorFact? fact, DType type, Shape shape)
    {
        if (fact?.Type != type || fact.Shape is not { Rank: > 0 } mask || mask[^1] != shape[^1]) return false;
        // With one head a batch item there is no axis of heads in the scores, but there is one in what Attention broadcasts to.
        if (mask.Rank > (shape.Rank == 3 ? 2 : 4)) return false;
        // The items of a mask repeat.
        if (mask.Rank == 4 && mask[0].TryGetValue(out long items) && items > 1 && Dim.TryDivide(shape[0], items, out _)) mask = mask.With(0, 1);
        for (int i = 1; i <= mask.Rank; i++)
            if (mask[^i] != 1 && mask[^i] != shape[^i]) return false;
        return true;
    }

    /// <summary>A constant mask of [1, items, heads, queries, keys] as one of [items, heads, queries, keys], which repeats along the batch; none where it is no such mask.</summary>
    private static ValueId Uncut(Graph graph, Patch patch, string name, ValueId mask, Shape cut)
    {
        if (cut.Rank != 5 || graph.TensorFact(mask)?.Shape is not { } shape) return ValueId.None;
        if (shape.Rank < 4 || (shape.Rank == 4 && (shape[0] == 1 || shape[0] == cut[1]))) return mask;
        return shape.Rank == 5 && shape[0] == 1 && graph.Constant(mask) is { } constant ? patch.Constant($"{name}/mask", constant.Reshape(constant.Dims[1..])) : ValueId.None;
    }

    /// <summary>The sum of two masks, where that is a constant or no larger than one of them.</summary>
    private static bool TrySum(Patch patch, string name, ValueId a, ValueId b, out ValueId sum)
    {
        sum = ValueId.None;
        var (first, second) = ((TensorFact)patch.Fact(a), (TensorFact)patch.Fact(b));
        Shape? shape = ShapeRules.Broadcast(first.Shape, second.Shape);
        bool isConstant = first.Constant is not null && second.Constant is not null;
        if (!isConstant && shape != first.Shape && shape != second.Shape) return false;
        sum = patch.Add($"{name}/mask", new Binary(BinaryFunction.Add), a, b);
        return true;
    }
}
