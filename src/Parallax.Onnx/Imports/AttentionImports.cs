using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class AttentionImports
{
    internal static readonly OpImport[] All =
    [
        new("Attention", 23.., n => new Attention(
            n.Int("q_num_heads", 0), n.Int("kv_num_heads", 0), n.Has("scale") ? n.Float("scale") : null, n.Bool("is_causal", false), n.Float("softcap", 0f),
            (AttentionScores)n.Int("qk_matmul_output_mode", 0), n.Int("left_window_size", -1), n.Int("right_window_size", -1))),
    ];
}
