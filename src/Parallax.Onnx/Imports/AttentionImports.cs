using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class AttentionImports
{
    internal static readonly OpImport[] All =
    [
        new("Attention", 23.., n => new Attention(
            n.Int("q_num_heads", 0), n.Int("kv_num_heads", 0), n.Has("scale") ? n.Float("scale") : null, n.Bool("is_causal", false), n.Float("softcap", 0f),
            (AttentionScores)n.Int("qk_matmul_output_mode", 0), n.Int("left_window_size", -1), n.Int("right_window_size", -1))),
        new("RotaryEmbedding", 23.., n => new RotaryEmbedding(n.Bool("interleaved", false), n.Int("rotary_embedding_dim", 0), n.Int("num_heads", 0))),
        new("LinearAttention", 1.., n => new LinearAttention(UpdateOf(n), n.Int("q_num_heads"), n.Int("kv_num_heads"), n.Float("scale", 0f))),
        new("CausalConvWithState", 1.., n => new CausalConvWithState(IsSilu(n))),
        new("FlexAttention", 1.., FlexAttention, "ai.onnx.preview"),
    ];

    private static LinearUpdate UpdateOf(ImportNode n) => n.String("update_rule", "gated_delta") switch
    {
        "linear" => LinearUpdate.Linear,
        "gated" => LinearUpdate.Gated,
        "delta" => LinearUpdate.Delta,
        "gated_delta" => LinearUpdate.GatedDelta,
        var other => throw n.Invalid($"update_rule must be linear, gated, delta or gated_delta, got '{other}'"),
    };

    private static bool IsSilu(ImportNode n) => n.String("activation", "none") switch
    {
        "none" => false,
        "silu" or "swish" => true,
        var other => throw n.Invalid($"activation must be none, silu or swish, got '{other}'"),
    };

    // softmax(modify(scale * Q Kᵀ)), modified again, times V; the modifiers are bodies, whose nodes join the graph.
    private static ImmutableArray<ValueId> FlexAttention(ImportNode n)
    {
        float? scale = n.Has("scale") ? n.Float("scale") : null;
        DType type = n.InputTensor(0).Type;
        if (!n.Has("score_mod") && !n.Has("prob_mod")) return [n.Add("attention", new Attention(Scale: scale), [.. n.Inputs])];
        if (n.InputTensor(0).Shape is not { Rank: 4 } q || n.InputTensor(1).Shape is not { Rank: 4 } k || !q[1].IsKnown || !q[3].IsKnown || !k[1].IsKnown)
            throw n.Unsupported("modifiers with heads or a head size that the model does not say");
        DType precision = n.DType("softmax_precision", type == DType.Float64 ? DType.Float64 : DType.Float32);
        ValueId[] operands = [.. n.Inputs.Take(3).Select(i => type == precision ? i : n.Add("widen", new Cast(precision), i))];
        long group = q[1].Value / k[1].Value;
        if (group > 1)
        {
            ValueId heads = n.Constant(Tensor.From([.. Enumerable.Range(0, (int)q[1].Value).Select(h => h / group)], [q[1].Value]));
            for (int i = 1; i < 3; i++) operands[i] = n.Add("repeat", new Gather(1), operands[i], heads);
        }
        ValueId scores = n.Add("scores", new MatMul(TransposeB: true, Alpha: scale ?? 1 / MathF.Sqrt(q[3].Value)), operands[0], operands[1]);
        ValueId weights = n.Add("softmax", new Softmax(SoftmaxKind.Softmax), Modified(n, "score_mod", scores));
        ValueId result = n.Add("weigh", new MatMul(), Modified(n, "prob_mod", weights), operands[2]);
        return [type == precision ? result : n.Add("narrow", new Cast(type), result)];
    }

    private static ValueId Modified(ImportNode n, string attribute, ValueId value)
    {
        if (!n.Has(attribute)) return value;
        Graph body = n.Body(attribute);
        if (body.Inputs.Count != 1 + n.Captures.Length || body.Outputs.Count != 1) throw n.Invalid($"{attribute} must take and give one tensor");
        var values = new Dictionary<ValueId, ValueId> { [body.Inputs[0]] = value };
        for (int i = 0; i < n.Captures.Length; i++) values[body.Inputs[i + 1]] = n.Captures[i];
        foreach (Node node in body.TopologicalOrder())
        {
            ImmutableArray<ValueId> added = n.AddMany($"{attribute}/{node.Name}", node.Op, node.Outputs.Length, [.. node.Inputs.Select(Outer)]);
            for (int i = 0; i < added.Length; i++)
                if (!node.Outputs[i].IsNone) values[node.Outputs[i]] = added[i];
        }
        return Outer(body.Outputs[0].Value);

        ValueId Outer(ValueId id)
        {
            if (id.IsNone || values.TryGetValue(id, out ValueId outer)) return id.IsNone ? id : values[id];
            return values[id] = n.Constant(body.Constant(id) ?? throw n.Invalid($"{attribute} reads a value that nothing computes"));
        }
    }
}
