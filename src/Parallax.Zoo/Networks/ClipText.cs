using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>
/// The text encoder of CLIP ViT-B/32: input_ids [batch, sequence], at most 77 tokens, to last_hidden_state [batch, sequence, 512] and
/// text_embeds [batch, 512], the projected state of the token with the largest id, which is the end of the text.
/// </summary>
internal static class ClipText
{
    private const int Width = 512, Heads = 8, Hidden = 2048, LayerCount = 12, Vocabulary = 49408, MaxTokens = 77;

    private static readonly Attention Attention = new(Width, Heads);

    public static ModelProto Build(ZooOptions options)
    {
        var net = new NetBuilder("clip-text", options.Seed);
        NetValue tokens = net.Input("input_ids", DType.Int64, "batch", "sequence");
        NetValue states;
        using (net.Module("text_model")) states = Encode(tokens);
        NetValue embeds = Pool(states, tokens).Linear("text_projection", Width, Width, bias: false);
        net.Output("text_embeds", embeds, DType.Float32, "batch", Width);
        net.Output("last_hidden_state", states, DType.Float32, "batch", "sequence", Width);
        return net.Build("CLIP ViT-B/32's text encoder with seeded weights");
    }

    private static NetValue Encode(NetValue tokens)
    {
        NetBuilder net = tokens.Net;
        NetValue x;
        using (net.Module("embeddings"))
        {
            NetValue positions = net.Constant([.. Enumerable.Range(0, MaxTokens).Select(i => (long)i)], 1, MaxTokens).Slice(1, 0, tokens.Size(1));
            x = tokens.Embedding("token_embedding", Vocabulary, Width) + positions.Embedding("position_embedding", MaxTokens, Width, 0.5f);
        }
        NetValue mask = tokens.Size(1).CausalMask().Unsqueeze(0, 1);
        for (int i = 0; i < LayerCount; i++)
        {
            using IDisposable _ = net.Module($"encoder.layers.{i}");
            NetValue normal = x.LayerNorm("layer_norm1", Width);
            x += Attention.Apply("self_attn", normal, normal, mask);
            using IDisposable mlp = net.Module("mlp");
            x += x.LayerNorm("layer_norm2", Width).Linear("fc1", Width, Hidden).QuickGelu("activation_fn").Linear("fc2", Hidden, Width, gain: Layers.GeluGain);
        }
        return x.LayerNorm("final_layer_norm", Width);
    }

    /// <summary>The state of each text's last token, gathered from all texts' tokens in one row.</summary>
    private static NetValue Pool(NetValue states, NetValue tokens)
    {
        NetBuilder net = tokens.Net;
        NetValue last = tokens.Cast(DType.Int32).Apply("ArgMax", new("axis", -1), new("keepdims", 0), new("select_last_index", 0));
        NetValue rows = net.Range(states.Size(0)) * states.Size(1) + last;
        return states.Reshape(-1, Width).Gather(rows);
    }
}
