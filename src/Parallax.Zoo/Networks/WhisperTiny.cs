using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>Whisper-Tiny, speech recognition: 4 layers of width 384 with 6 heads in the encoder and in the decoder.</summary>
internal static partial class WhisperTiny
{
    private const int Width = 384, Heads = 6, HeadSize = 64, Hidden = 1536, LayerCount = 4;
    private const int MelBands = 80, MelFrames = 3000, Frames = 1500, Vocabulary = 51865, MaxTokens = 448;

    private static readonly Attention Attention = new(Width, Heads, KeyBias: false);

    /// <summary>input_features [batch, 80, 3000] (30 s of log-mel) to last_hidden_state [batch, 1500, 384].</summary>
    public static ModelProto BuildEncoder(ZooOptions options)
    {
        var net = new NetBuilder("whisper-tiny-encoder", options.Seed);
        NetValue mel = net.Input("input_features", DType.Float32, "batch", MelBands, MelFrames);
        net.Output("last_hidden_state", Encode(mel), DType.Float32, "batch", Frames, Width);
        return net.Build("Whisper-Tiny's encoder with seeded weights");
    }

    /// <summary>input_ids [batch, tokens] and encoder_hidden_states [batch, 1500, 384] to logits [batch, tokens, 51865], without a cache.</summary>
    public static ModelProto BuildDecoder(ZooOptions options)
    {
        var net = new NetBuilder("whisper-tiny-decoder", options.Seed);
        NetValue tokens = net.Input("input_ids", DType.Int64, "batch", "tokens");
        NetValue states = net.Input("encoder_hidden_states", DType.Float32, "batch", Frames, Width);
        net.Output("logits", Decode(tokens, states), DType.Float32, "batch", "tokens", Vocabulary);
        return net.Build("Whisper-Tiny's decoder with seeded weights");
    }

    /// <summary>
    /// One step with a cache: input_ids [batch, 1] and per layer past_key_values.N.decoder.{key,value} [batch, 6, past, 64] and
    /// past_key_values.N.encoder.{key,value} [batch, 6, 1500, 64] to logits [batch, 1, 51865] and present.N.decoder.{key,value} [batch, 6, past + 1, 64].
    /// </summary>
    public static ModelProto BuildCachedDecoder(ZooOptions options)
    {
        var net = new NetBuilder("whisper-tiny-decoder-kv", options.Seed);
        NetValue tokens = net.Input("input_ids", DType.Int64, "batch", 1);
        LayerCache[] pasts = [.. Enumerable.Range(0, LayerCount).Select(i => new LayerCache(Pair(i, "decoder", "past"), Pair(i, "encoder", Frames)))];
        var (logits, presents) = DecodeOne(tokens, pasts);
        net.Output("logits", logits, DType.Float32, "batch", 1, Vocabulary);
        for (int i = 0; i < LayerCount; i++)
        {
            net.Output($"present.{i}.decoder.key", presents[i].Key, DType.Float32, "batch", Heads, "past + 1", HeadSize);
            net.Output($"present.{i}.decoder.value", presents[i].Value, DType.Float32, "batch", Heads, "past + 1", HeadSize);
        }
        return net.Build("Whisper-Tiny's decoder, one step with a cache, with seeded weights");

        (NetValue Key, NetValue Value) Pair(int layer, string kind, DimensionProto length) =>
            (net.Input($"past_key_values.{layer}.{kind}.key", DType.Float32, "batch", Heads, length, HeadSize),
                net.Input($"past_key_values.{layer}.{kind}.value", DType.Float32, "batch", Heads, length, HeadSize));
    }

    /// <summary>The encoder from log-mel to hidden states.</summary>
    public static NetValue Encode(NetValue mel)
    {
        NetBuilder net = mel.Net;
        using IDisposable _ = net.Module("encoder");
        NetValue x = mel.Conv("conv1", MelBands, Width, 3, spatialAxes: 1).Gelu("act");
        x = x.Conv("conv2", Width, Width, 3, stride: 2, spatialAxes: 1, gain: Layers.GeluGain).Gelu("act").Transpose(0, 2, 1);
        using (net.Module("embed_positions")) x += net.Weight("weight", [Frames, Width], 0.5f);
        for (int i = 0; i < LayerCount; i++)
        {
            using IDisposable layer = net.Module($"layers.{i}");
            NetValue normal = x.LayerNorm("self_attn_layer_norm", Width);
            x = FeedForward(x + Attention.Apply("self_attn", normal, normal, null));
        }
        return x.LayerNorm("layer_norm", Width);
    }

    /// <summary>The decoder from all tokens so far to the logits of each one's successor.</summary>
    public static NetValue Decode(NetValue tokens, NetValue states)
    {
        NetBuilder net = tokens.Net;
        NetValue x, table;
        using (net.Module("decoder"))
        {
            (x, table) = Embed(tokens, 0, tokens.Size(1));
            NetValue mask = tokens.Size(1).CausalMask().Unsqueeze(0, 1);
            for (int i = 0; i < LayerCount; i++)
            {
                using IDisposable _ = net.Module($"layers.{i}");
                NetValue normal = x.LayerNorm("self_attn_layer_norm", Width);
                x += Attention.Apply("self_attn", normal, normal, mask);
                x += Attention.Apply("encoder_attn", x.LayerNorm("encoder_attn_layer_norm", Width), states, null);
                x = FeedForward(x);
            }
            x = x.LayerNorm("layer_norm", Width);
        }
        return Logits(x, table);
    }

    /// <summary>The decoder for one token behind those of a cache: its logits, and the cache with its own keys and values.</summary>
    private static (NetValue Logits, List<(NetValue Key, NetValue Value)> Presents) DecodeOne(NetValue token, IReadOnlyList<LayerCache> caches)
    {
        NetBuilder net = token.Net;
        List<(NetValue Key, NetValue Value)> presents = [];
        NetValue x, table;
        using (net.Module("decoder"))
        {
            NetValue past = caches[0].Self.Key.Size(2);
            (x, table) = Embed(token, past, past + token.Size(1));
            for (int i = 0; i < LayerCount; i++)
            {
                using IDisposable _ = net.Module($"layers.{i}");
                NetValue normal = x.LayerNorm("self_attn_layer_norm", Width);
                x += Attention.ApplyTo("self_attn", normal, () =>
                {
                    var (key, value) = Attention.Project(normal);
                    presents.Add((net.Concat(2, caches[i].Self.Key, key), net.Concat(2, caches[i].Self.Value, value)));
                    return presents[^1];
                });
                x += Attention.ApplyTo("encoder_attn", x.LayerNorm("encoder_attn_layer_norm", Width), () => caches[i].Cross);
                x = FeedForward(x);
            }
            x = x.LayerNorm("layer_norm", Width);
        }
        return (Logits(x, table), presents);
    }

    /// <summary>Token and position embeddings added; the positions are those from <paramref name="start"/> below <paramref name="end"/>. Also the tokens' table.</summary>
    private static (NetValue X, NetValue Table) Embed(NetValue tokens, Extent start, Extent end)
    {
        NetBuilder net = tokens.Net;
        NetValue table, positions;
        using (net.Module("embed_tokens")) table = net.Weight("weight", [Vocabulary, Width], 0.25f);
        NetValue x;
        using (net.Module("embed_tokens")) x = table.Gather(tokens);
        using (net.Module("embed_positions")) positions = net.Weight("weight", [MaxTokens, Width], 0.25f).Slice(0, start, end);
        return (x + positions, table);
    }

    private static NetValue FeedForward(NetValue x) =>
        x + x.LayerNorm("final_layer_norm", Width).Linear("fc1", Width, Hidden).Gelu("activation_fn").Linear("fc2", Hidden, Width, gain: Layers.GeluGain);

    /// <summary>The output layer's weights are the token embeddings.</summary>
    private static NetValue Logits(NetValue x, NetValue table)
    {
        using IDisposable _ = x.Net.Module("proj_out");
        return x.MatMul(table.Transpose(1, 0));
    }

    /// <summary>Keys and values of one layer: of the tokens so far, and of the encoder's states.</summary>
    private sealed record LayerCache((NetValue Key, NetValue Value) Self, (NetValue Key, NetValue Value) Cross);
}
