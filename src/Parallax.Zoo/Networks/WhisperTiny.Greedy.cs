using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>Speech to tokens in one model: the encoder, and greedy decoding in a Loop whose cache grows by one token at every iteration.</summary>
internal static partial class WhisperTiny
{
    private const long EndOfText = 50257;
    private const int GreedyTokens = 32;
    private const float Never = -1e6f;

    /// <summary>Start of transcript, English, transcribe, no timestamps.</summary>
    private static readonly long[] Prompt = [50258, 50259, 50359, 50363];

    /// <summary>
    /// input_features [1, 80, 3000] to tokens [1, count]: the prompt and what follows it, up to the end of the text, but at most 33 tokens.
    /// No token comes twice: with weights that were never trained, the decoder would find the last one likeliest for ever.
    /// </summary>
    public static ModelProto BuildGreedy(ZooOptions options)
    {
        var net = new NetBuilder("whisper-tiny", options.Seed);
        NetValue mel = net.Input("input_features", DType.Float32, 1, MelBands, MelFrames);
        NetValue states = Encode(mel);
        (NetValue Key, NetValue Value)[] cross = [.. Enumerable.Range(0, LayerCount).Select(i => CrossCache(states, i))];
        NetValue first = net.Constant([Prompt[0]], 1, 1), empty = net.Constant(Array.Empty<float>(), 1, Heads, 0, HeadSize);
        NetValue?[] operands = [net.Scalar((long)GreedyTokens), net.Scalar(true), first, net.Scalar(0f).Expand(1, 1, Vocabulary), .. Enumerable.Repeat(empty, 2 * LayerCount)];
        NetValue[] results = net.Nodes("Loop", operands.Length - 1, operands, GreedyStep(net, cross).AsAttribute("body"));
        NetValue tokens = net.Concat(1, first, results[^1].Reshape(1, -1));
        net.Output("tokens", tokens, DType.Int64, 1, "count");
        return net.Build("Whisper-Tiny from log-mel to tokens, decoding greedily in a loop, with seeded weights");
    }

    /// <summary>The loop's body: a token and the cache to the next token and the longer cache; goes on until the end of the text.</summary>
    private static NetBuilder GreedyStep(NetBuilder net, (NetValue Key, NetValue Value)[] cross)
    {
        NetBuilder body = net.Body("greedy-step");
        NetValue iteration = body.Input("iteration", DType.Int64);
        body.Input("goes_on", DType.Bool);
        NetValue token = body.Input("token", DType.Int64, 1, 1), penalties = body.Input("penalties", DType.Float32, 1, 1, Vocabulary);
        LayerCache[] caches = [.. cross.Select((c, i) => new LayerCache(Past(i), (body.Capture(c.Key), body.Capture(c.Value))))];
        var (logits, presents) = DecodeOne(token, caches);
        NetValue next = Forced(iteration, (logits + penalties).Apply("ArgMax", new("axis", -1), new("keepdims", 0)));
        NetValue goesOn = body.Node("Not", [body.Node("Equal", [next, body.Scalar(EndOfText)])]).Reshape();
        NetValue part = next.Reshape(1);
        NetValue penalized = body.Node("ScatterElements", [penalties, next.Unsqueeze(0), body.Constant([Never], 1, 1, 1)], new AttributeProto("axis", 2));
        body.Output("goes_on_next", goesOn, DType.Bool);
        body.Output("token_next", next, DType.Int64, 1, 1);
        body.Output("penalties_next", penalized, DType.Float32, 1, 1, Vocabulary);
        for (int i = 0; i < LayerCount; i++)
        {
            body.Output($"present.{i}.key", presents[i].Key, DType.Float32, 1, Heads, "past + 1", HeadSize);
            body.Output($"present.{i}.value", presents[i].Value, DType.Float32, 1, Heads, "past + 1", HeadSize);
        }
        body.Output("token_part", part, DType.Int64, 1);
        return body;

        (NetValue Key, NetValue Value) Past(int layer) =>
            (body.Input($"past.{layer}.key", DType.Float32, 1, Heads, "past", HeadSize), body.Input($"past.{layer}.value", DType.Float32, 1, Heads, "past", HeadSize));
    }

    /// <summary>The prompt's token while there is one for this iteration, else the one that the decoder finds most likely.</summary>
    private static NetValue Forced(NetValue iteration, NetValue likeliest)
    {
        NetBuilder net = iteration.Net;
        NetValue last = net.Scalar(Prompt.Length - 2L);
        NetValue isForced = net.Node("LessOrEqual", [iteration, last]);
        NetValue forced = net.Ints(Prompt[1..]).Gather(net.Node("Min", [iteration, last]));
        return net.Node("Where", [isForced, forced, likeliest]);
    }

    /// <summary>The keys and values of the encoder's states for one layer of the decoder; they are the same at every step.</summary>
    private static (NetValue Key, NetValue Value) CrossCache(NetValue states, int layer)
    {
        using IDisposable decoder = states.Net.Module("decoder"), inner = states.Net.Module($"layers.{layer}"), attention = states.Net.Module("encoder_attn");
        return Attention.Project(states);
    }
}
