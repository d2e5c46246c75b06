using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>MatMul(Softmax(scale * MatMul(q, kᵀ) + mask), v) = Attention(q, k, v, mask)</c> for float32 of [batch, heads, rows, size], or [heads, rows, size] with one
/// head a batch item. Scales of q and k go into the scale. One result differs: a query that the mask hides from all keys by -∞ gives zeros, not NaN.
/// </summary>
public sealed class RecognizeAttention : IPass
{
    public string Name => "recognize-attention";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not MatMul { TransposeA: false, TransposeB: false, Alpha: 1f } || !IsPlain(node, inputs: 2)) return null;
        if (Match.OnlyUse<Softmax>(graph, node.Inputs[0], s => s.Kind == SoftmaxKind.Softmax) is not { } softmax) return null;
        if (Scores.Of(graph, softmax.Inputs[0]) is not { } scores || graph.TensorFact(softmax.Inputs[0])?.Shape is not { } shape) return null;
        if (shape.Rank is not (3 or 4) || ShapeRules.Axis(((Softmax)softmax.Op).Axis, shape.Rank) != shape.Rank - 1) return null;
        if (!HasMask(graph, scores, shape) || !Fits(graph, scores, node.Inputs[1], shape)) return null;
        var patch = new Patch(graph);
        ValueId k = scores.KeyIsTransposed ? patch.Add($"{node.Name}/key", new Transpose(SwapLast(shape.Rank)), scores.Key) : scores.Key;
        int heads = shape.Rank == 3 ? 1 : 0;
        var attention = new Attention(heads, heads, (float)scores.Scale);
        ValueId[] inputs = scores.Mask.IsNone ? [scores.Query, k, node.Inputs[1]] : [scores.Query, k, node.Inputs[1], scores.Mask];
        return patch.Replace(node.Outputs[0], patch.Add(node.Name, attention, inputs.AsSpan()));
    }

    private static bool IsPlain(Node product, int inputs) => ((IFusible)product.Op).Activation.Kind == ActivationKind.None && product.Inputs.Length <= inputs;

    private static ImmutableArray<int> SwapLast(int rank) => [.. Enumerable.Range(0, rank - 2), rank - 1, rank - 2];

    /// <summary>The mask must say something of every key, and of no more batch items, heads and queries than there are.</summary>
    private static bool HasMask(Graph graph, Scores scores, Shape shape)
    {
        if (scores.Mask.IsNone) return true;
        if (graph.TensorFact(scores.Mask) is not { Type: DType.Float32, Shape: { Rank: > 0 } mask } || mask[^1] != shape[^1]) return false;
        // With one head a batch item there is no axis of heads in the scores, but there is one in what Attention broadcasts to.
        return mask.Rank <= (shape.Rank == 3 ? 2 : 4) && ShapeRules.Broadcast(mask, shape) == shape;
    }

    /// <summary>Products broadcast their batches, attention does not.</summary>
    private static bool Fits(Graph graph, Scores scores, ValueId v, Shape shape)
    {
        if (graph.TensorFact(scores.Query) is not { Type: DType.Float32, Shape: { } q } || graph.TensorFact(scores.Key)?.Shape is not { } k || graph.TensorFact(v)?.Shape is not { } value) return false;
        if (q.Rank != shape.Rank || k.Rank != shape.Rank || value.Rank != shape.Rank) return false;
        for (int i = 0; i < shape.Rank - 2; i++)
            if (q[i] != k[i] || q[i] != value[i]) return false;
        return value[^2] == shape[^1] && k[^(scores.KeyIsTransposed ? 1 : 2)] == shape[^1];
    }

    /// <summary>What the softmax is taken of.</summary>
    private sealed record Scores(ValueId Query, ValueId Key, bool KeyIsTransposed, double Scale, ValueId Mask)
    {
        internal static Scores? Of(Graph graph, ValueId id)
        {
            if (Product(graph, id) is { } bare) return OfProduct(graph, bare, ValueId.None);
            if (Match.Binary(graph, id, BinaryFunction.Add) is not { } sum) return null;
            if (!Match.TrySplit(sum, i => Product(graph, i) is { Inputs.Length: 2 }, out ValueId product, out ValueId mask) || !Match.SameShape(graph, product, id)) return null;
            return OfProduct(graph, Product(graph, product)!, mask);
        }

        private static Node? Product(Graph graph, ValueId id) =>
            Match.OnlyUse<MatMul>(graph, id, m => !m.TransposeA) is { } node && IsPlain(node, inputs: 4) ? node : null;

        private static Scores? OfProduct(Graph graph, Node product, ValueId mask)
        {
            // A mask of one shape with the scores, or a constant one of the keys, was added to the product before.
            foreach (ValueId addend in product.Inputs.Skip(2))
            {
                if (addend.IsNone) continue;
                if (!mask.IsNone) return null;
                mask = addend;
            }
            var op = (MatMul)product.Op;
            double scale = op.Alpha;
            ValueId q = Unscaled(graph, product.Inputs[0], ref scale), k = Unscaled(graph, product.Inputs[1], ref scale);
            // A key that is stored transposed is worth turning where a transpose made it: the two become one.
            if (!op.TransposeB && graph.Producer<Transpose>(k) is null) return null;
            return new Scores(q, k, !op.TransposeB, scale, mask);
        }

        private static ValueId Unscaled(Graph graph, ValueId id, ref double scale)
        {
            if (graph.Producer(id) is not { } node || !graph.HasSingleUse(id)) return id;
            if (!Match.TryScaling(graph, node, out ValueId x, out double factor) || !Match.SameShape(graph, x, id)) return id;
            scale *= factor;
            return x;
        }
    }
}
