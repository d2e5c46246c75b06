using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>
/// DistilBERT for sequence classification: input_ids and attention_mask (1 where there is a token), both int64 [batch, sequence], at most 512
/// tokens, to logits [batch, 2].
/// </summary>
internal static class DistilBert
{
    private const int Width = 768, Heads = 12, HeadSize = 64, Hidden = 3072, LayerCount = 6, Vocabulary = 30522, MaxTokens = 512, Labels = 2;
    private const float Epsilon = 1e-12f;

    public static ModelProto Build(ZooOptions options)
    {
        var net = new NetBuilder("distilbert", options.Seed);
        NetValue tokens = net.Input("input_ids", DType.Int64, "batch", "sequence");
        NetValue mask = net.Input("attention_mask", DType.Int64, "batch", "sequence");
        NetValue x;
        using (net.Module("distilbert"))
        {
            x = Embed(tokens);
            for (int i = 0; i < LayerCount; i++)
            {
                using IDisposable _ = net.Module($"transformer.layer.{i}");
                x = (Attend(x, mask) + x).LayerNorm("sa_layer_norm", Width, Epsilon);
                x = (FeedForward(x) + x).LayerNorm("output_layer_norm", Width, Epsilon);
            }
        }
        NetValue first = x.Gather(net.Scalar(0L), 1);
        net.Output("logits", first.Gemm("pre_classifier", Width, Width).Relu().Gemm("classifier", Width, Labels), DType.Float32, "batch", Labels);
        return net.Build("DistilBERT with a sequence classifier and seeded weights");
    }

    private static NetValue Embed(NetValue tokens)
    {
        NetBuilder net = tokens.Net;
        using IDisposable _ = net.Module("embeddings");
        NetValue positions = net.Constant([.. Enumerable.Range(0, MaxTokens).Select(i => (long)i)], 1, MaxTokens).Slice(1, 0, tokens.Size(1));
        NetValue x = tokens.Embedding("word_embeddings", Vocabulary, Width) + positions.Embedding("position_embeddings", MaxTokens, Width, 0.5f);
        return x.LayerNorm("LayerNorm", Width, Epsilon);
    }

    private static NetValue Attend(NetValue x, NetValue mask)
    {
        NetBuilder net = x.Net;
        using IDisposable _ = net.Module("attention");
        NetValue batch = x.Size(0), keys = x.Size(1);
        NetValue query = SplitHeads("q_lin") / MathF.Sqrt(HeadSize);
        NetValue key = SplitHeads("k_lin"), value = SplitHeads("v_lin");
        NetValue scores = query.MatMul(key.Transpose(0, 1, 3, 2));
        NetValue isHidden = net.Node("Equal", [mask, net.Scalar(0L)]).Reshape(batch, 1, 1, keys);
        isHidden = net.Node("Expand", [isHidden, scores.Apply("Shape")]);
        scores = net.Node("Where", [isHidden, net.Scalar(float.MinValue), scores]);
        NetValue mixed = scores.Softmax(-1).MatMul(value).Transpose(0, 2, 1, 3);
        return mixed.Reshape(batch, -1, Width).Linear("out_lin", Width, Width);

        NetValue SplitHeads(string module) => x.Linear(module, Width, Width).Reshape(batch, -1, Heads, HeadSize).Transpose(0, 2, 1, 3);
    }

    private static NetValue FeedForward(NetValue x)
    {
        using IDisposable _ = x.Net.Module("ffn");
        return x.Linear("lin1", Width, Hidden).Gelu("activation").Linear("lin2", Hidden, Width, gain: Layers.GeluGain);
    }
}
