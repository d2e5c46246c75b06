using System.Runtime.CompilerServices;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>Attention(q, x Wk, y Wv) = Attention(q Wkᵀ, x, y) Wv</c>, head by head, for the queries of all heads together, where that takes fewer multiplications: a few queries over many rows, as in the first
/// steps of a decoder over what an encoder made. Needs static shapes. A bias of the keys adds the same to all scores of a query, which softmax does not see; that of the values is added to the result, for
/// probabilities sum up to 1. One result differs: a query that a mask hides from all keys by -∞ gives that bias, not zeros.
/// </summary>
public sealed class AttendBeforeProjecting : IPass
{
    /// <summary>So many times fewer multiplications, for attention computes less in the same time than products do.</summary>
    private const double LeastGain = 1.2;

    /// <summary>Weights head by head, the same for all plans of a session.</summary>
    private readonly ConditionalWeakTable<Tensor, Tensor> ofColumns = [], ofRows = [];

    public string Name => "attend-before-projecting";

    /// <summary>Rows times weights [rows' size, heads * size], or transposed.</summary>
    private readonly record struct Projection(ValueId Rows, long Size, Tensor Weights, bool IsTransposed, Tensor? Bias);

    /// <summary>What the attention is over.</summary>
    private readonly record struct Sizes(long Batch, long Heads, long Queries, long Keys, long HeadSize, long ValueSize)
    {
        /// <summary>Multiply-adds with projections ahead of attention, and behind it.</summary>
        internal (double Before, double After) MacsOf(Projection key, Projection value)
        {
            double heads = (double)Batch * Heads, scores = heads * Queries * Keys;
            return (heads * Keys * (HeadSize * key.Size + ValueSize * value.Size) + scores * (HeadSize + ValueSize),
                heads * Queries * (HeadSize * key.Size + ValueSize * value.Size) + scores * (key.Size + value.Size));
        }
    }

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not Attention { Causal: false, LeftWindow: < 0, RightWindow: < 0, NormEpsilon: null } op || !Match.AreNone(node.Outputs, from: 1) || !Match.AreNone(node.Inputs, from: 4)) return null;
        if (SizesOf(graph, node, op) is not { } sizes || !HidesSameKeys(graph, node)) return null;
        if (ProjectionOf(graph, node.Inputs[1], sizes.Heads * sizes.HeadSize) is not { } key || ProjectionOf(graph, node.Inputs[2], sizes.Heads * sizes.ValueSize) is not { } value) return null;
        if (key.Bias is not null && (op.SoftCap != 0 || float.IsFinite(op.HiddenScore))) return null;
        (double before, double after) = sizes.MacsOf(key, value);
        return before >= LeastGain * after ? Build(graph, node, op, sizes, key, value) : null;
    }

    private Patch Build(Graph graph, Node node, Attention op, Sizes sizes, Projection key, Projection value)
    {
        var patch = new Patch(graph);
        (long batch, long heads, long queries, long keys, long headSize, long valueSize) = sizes;
        bool turns = queries > 1, merges = graph.TensorFact(node.Outputs[0])!.Shape!.Value.Rank == 3;
        ValueId query = node.Inputs[0];
        if (graph.TensorFact(query)!.Shape!.Value.Rank == 3)
        {
            query = patch.Reshape($"{node.Name}/query", query, turns ? [batch, queries, heads, headSize] : [batch, heads, queries, headSize]);
            if (turns) query = patch.Add($"{node.Name}/heads", new Transpose([0, 2, 1, 3]), query);
        }
        ValueId asked = patch.Add($"{node.Name}/asked", new MatMul(TransposeB: !key.IsTransposed), query, patch.Constant($"{node.Name}/key-weights", WeightsOf(key, heads)));
        var inputs = new List<ValueId>
        {
            patch.Reshape($"{node.Name}/queries", asked, batch, 1, heads * queries, key.Size),
            patch.Reshape($"{node.Name}/keys", key.Rows, batch, 1, keys, key.Size),
            patch.Reshape($"{node.Name}/values", value.Rows, batch, 1, keys, value.Size),
        };
        if (node.Inputs.Length > 3 && !node.Inputs[3].IsNone) inputs.Add(node.Inputs[3]);
        ValueId mixed = patch.Add(node.Name, op with { QueryHeads = 0, KeyHeads = 0, MergesHeads = false, Scale = op.Scale ?? (float)(1 / Math.Sqrt(headSize)) }, [.. inputs]);
        ValueId result = patch.Add($"{node.Name}/projected", new MatMul(TransposeB: value.IsTransposed), patch.Reshape($"{node.Name}/mixed", mixed, batch, heads, queries, value.Size),
            patch.Constant($"{node.Name}/value-weights", WeightsOf(value, heads)));
        if (merges)
        {
            if (turns) result = patch.Add($"{node.Name}/together", new Transpose([0, 2, 1, 3]), result);
            result = patch.Reshape($"{node.Name}/merged", result, batch, queries, heads * valueSize);
        }
        if (value.Bias is { } bias)
            result = patch.Add($"{node.Name}/bias", new Binary(BinaryFunction.Add), result, patch.Constant($"{node.Name}/value-bias", bias.Reshape(merges ? [heads * valueSize] : [heads, 1, valueSize])));
        return patch.Replace(node.Outputs[0], result);
    }

    private static Sizes? SizesOf(Graph graph, Node node, Attention op)
    {
        if (graph.TensorFact(node.Inputs[0]) is not { Type: DType.Float32, IsStatic: true } q || graph.TensorFact(node.Inputs[1]) is not { IsStatic: true } k || graph.TensorFact(node.Inputs[2]) is not { IsStatic: true } v) return null;
        // Keys of rank 4 were made of something else than one product.
        if (k.Shape!.Value.Rank != 3 || v.Shape!.Value.Rank != 3) return null;
        (Dim batch, Dim heads, Dim queries, Dim size) = Attention.Heads(q.Shape!.Value, op.QueryHeads, "q_num_heads");
        (_, Dim keyHeads, Dim keys, _) = Attention.Heads(k.Shape.Value, op.KeyHeads, "kv_num_heads");
        (_, _, _, Dim valueSize) = Attention.Heads(v.Shape.Value, op.KeyHeads, "kv_num_heads");
        var sizes = new Sizes(batch.Value, heads.Value, queries.Value, keys.Value, size.Value, valueSize.Value);
        return heads == keyHeads && sizes is { Batch: > 0, Queries: > 0, Keys: > 0, HeadSize: > 0, ValueSize: > 0 } ? sizes : null;
    }

    /// <summary>Whether a mask, where there is one, says the same of all heads and queries.</summary>
    private static bool HidesSameKeys(Graph graph, Node node)
    {
        if (node.Inputs.Length <= 3 || node.Inputs[3].IsNone) return true;
        return graph.TensorFact(node.Inputs[3])?.Shape is { } mask && (mask.Rank < 2 || mask[^2] == 1) && (mask.Rank < 3 || mask[^3] == 1);
    }

    /// <summary>The product with constant weights of which a value is nothing but a view; null where somebody else reads it.</summary>
    private static Projection? ProjectionOf(Graph graph, ValueId id, long width)
    {
        Node? node = graph.Producer(id);
        for (; node is { Op.IsView: true } && graph.HasSingleUse(id); node = graph.Producer(id)) id = node.Inputs[0];
        if (node?.Op is not MatMul { TransposeA: false, Alpha: 1f, Activation.Kind: ActivationKind.None } op || !graph.HasSingleUse(id) || node.Inputs.Length > IFusible.ResidualInput) return null;
        if (graph.Constant(node.Inputs[1]) is not { Rank: 2, DType: DType.Float32 } weights || graph.TensorFact(node.Inputs[0]) is not { IsStatic: true, Constant: null } rows) return null;
        ValueId bias = node.Inputs.Length > 2 ? node.Inputs[2] : ValueId.None;
        if (weights.Dims[op.TransposeB ? 0 : 1] != width || rows.Shape!.Value.Rank < 2 || (!bias.IsNone && graph.Constant(bias)?.ElementCount != width)) return null;
        return new Projection(node.Inputs[0], weights.Dims[op.TransposeB ? 1 : 0], weights, op.TransposeB, graph.Constant(bias));
    }

    /// <summary>The weights head by head: [heads, rows' size, size], or [heads, size, rows' size] where they are transposed.</summary>
    private Tensor WeightsOf(Projection projection, long heads)
    {
        ConditionalWeakTable<Tensor, Tensor>.CreateValueCallback make = projection.IsTransposed ? w => w.Reshape([heads, w.Dims[0] / heads, w.Dims[1]]) : w => ColumnsApart(w, heads);
        Tensor kept = (projection.IsTransposed ? ofRows : ofColumns).GetValue(projection.Weights, make);
        // Weights that are read with several numbers of heads are kept for one of them.
        return kept.Dims[0] == heads ? kept : make(projection.Weights);
    }

    private static Tensor ColumnsApart(Tensor weights, long heads)
    {
        int rows = (int)weights.Dims[0], size = (int)(weights.Dims[1] / heads);
        Tensor result = Tensor.Allocate(DType.Float32, [heads, rows, size]);
        ReadOnlySpan<float> from = weights.Span<float>();
        Span<float> to = result.Span<float>();
        for (int head = 0; head < heads; head++)
            for (int row = 0; row < rows; row++, to = to[size..]) from.Slice((row * (int)heads + head) * size, size).CopyTo(to);
        return result;
    }
}
