using Parallax.Onnx;
using Parallax.Zoo;
using Xunit;

namespace Parallax.Tests.Models;

/// <summary>What the architectures promise, seen in runs of whole networks: masks hide, caches replace recomputation, images of a batch do not mix.</summary>
public sealed class ZooRunTests
{
    private const float Tolerance = 2e-4f;

    [Fact]
    public void Yolo_finds_the_same_with_computed_and_with_constant_anchors()
    {
        Tensor image = RandomTensor(1, 1, 3, 640, 640);
        float[] fixedSize = Run("yolov8n", new ZooOptions(), ("images", image))["output0"];
        float[] anySize = Run("yolov8n", new ZooOptions(Dynamic: true), ("images", image))["output0"];
        AssertClose(fixedSize, anySize, scale: 640);
        float[] scores = fixedSize[(4 * 8400)..];
        Assert.All(scores, s => Assert.InRange(s, 0, 1));
        Assert.InRange(scores.Average(), 0.005, 0.2); // objects are rare, as in trained detectors
        Assert.InRange(scores.Max(), 0.5, 1);
    }

    [Fact]
    public void Yolo_takes_batches_of_images_that_are_not_square()
    {
        Tensor first = RandomTensor(1, 1, 3, 64, 96), second = RandomTensor(2, 1, 3, 64, 96);
        using var session = Open("yolov8n", new ZooOptions(Dynamic: true));
        float[] both = Run(session, ("images", Stack(first, second)))["output0"];
        AssertClose([.. Run(session, ("images", first))["output0"], .. Run(session, ("images", second))["output0"]], both, scale: 96);
        Assert.Equal(2 * 84 * (8 * 12 + 4 * 6 + 2 * 3), both.Length);
    }

    [Fact]
    public void Swin_does_not_mix_the_images_of_a_batch()
    {
        Tensor first = RandomTensor(1, 1, 3, 256, 256), second = RandomTensor(2, 1, 3, 256, 256);
        using var session = Open("swinv2-tiny", new ZooOptions());
        float[] one = Run(session, ("pixel_values", first))["logits"], two = Run(session, ("pixel_values", second))["logits"];
        AssertClose([.. one, .. two], Run(session, ("pixel_values", Stack(first, second)))["logits"]);
        Assert.True(one.Zip(two).Max(p => Math.Abs(p.First - p.Second)) > 0.01, "two images must not give the same");
    }

    [Fact]
    public void Clip_does_not_look_ahead()
    {
        long[] text = [49406, 320, 1125, 539, 2368, 49407];
        using var session = Open("clip-text", new ZooOptions());
        Dictionary<string, float[]> all = Run(session, ("input_ids", Tensor.From(text, [1, 6])));
        Dictionary<string, float[]> start = Run(session, ("input_ids", Tensor.From(text[..4], [1, 4])));
        AssertClose(start["last_hidden_state"], all["last_hidden_state"][..(4 * 512)]);
    }

    [Fact]
    public void Clip_pools_the_token_with_the_largest_id()
    {
        using var session = Open("clip-text", new ZooOptions());
        float[] ended = Run(session, ("input_ids", Tensor.From([5L, 49407, 7, 9], [1, 4])))["text_embeds"];
        AssertClose(ended, Run(session, ("input_ids", Tensor.From([5L, 49407], [1, 2])))["text_embeds"]);
    }

    [Fact]
    public void Distilbert_does_not_see_what_the_mask_hides()
    {
        using var session = Open("distilbert", new ZooOptions());
        long[] text = [101, 2023, 2003, 2204, 102], padded = [.. text, 7, 8, 9];
        float[] plain = Run(session, ("input_ids", Tensor.From(text, [1, 5])), ("attention_mask", Tensor.From([1L, 1, 1, 1, 1], [1, 5])))["logits"];
        float[] hidden = Run(session, ("input_ids", Tensor.From(padded, [1, 8])), ("attention_mask", Tensor.From([1L, 1, 1, 1, 1, 0, 0, 0], [1, 8])))["logits"];
        float[] seen = Run(session, ("input_ids", Tensor.From(padded, [1, 8])), ("attention_mask", Tensor.From([1L, 1, 1, 1, 1, 1, 1, 1], [1, 8])))["logits"];
        AssertClose(plain, hidden);
        Assert.True(plain.Zip(seen).Max(p => Math.Abs(p.First - p.Second)) > 1e-3, "tokens that are seen must matter");
    }

    /// <summary>
    /// Steps with a cache, from an empty one on, against all tokens at once. On encoder states of zero, cross-attention's keys are zero and its values the bias.
    /// </summary>
    [Fact]
    public void Whisper_decodes_the_same_with_and_without_a_cache()
    {
        long[] tokens = [50258, 50259, 1012];
        float[] expected = Run("whisper-tiny-decoder", new ZooOptions(), ("input_ids", Tensor.From(tokens, [1, 3])),
            ("encoder_hidden_states", Tensor.Zeros(DType.Float32, [1, 1500, 384])))["logits"];
        GraphProto full = ZooCatalog.Find("whisper-tiny-decoder").Build(new ZooOptions()).Graph;
        var inputs = new Dictionary<string, Datum>();
        for (int layer = 0; layer < 4; layer++)
        {
            inputs[$"past_key_values.{layer}.encoder.key"] = Tensor.Zeros(DType.Float32, [1, 6, 1500, 64]);
            inputs[$"past_key_values.{layer}.encoder.value"] = Rows(full.Initializers.Single(t => t.Name == $"decoder.layers.{layer}.encoder_attn.v_proj.bias"));
            foreach (string part in (string[])["key", "value"]) inputs[$"past_key_values.{layer}.decoder.{part}"] = Tensor.Zeros(DType.Float32, [1, 6, 0, 64]);
        }
        using var session = Open("whisper-tiny-decoder-kv", new ZooOptions());
        for (int step = 0; step < tokens.Length; step++)
        {
            inputs["input_ids"] = Tensor.From([tokens[step]], [1, 1]);
            using RunResult result = session.Run(inputs);
            AssertClose(expected[(step * 51865)..((step + 1) * 51865)], result["logits"].Span<float>().ToArray(), scale: 10);
            for (int layer = 0; layer < 4; layer++)
                foreach (string part in (string[])["key", "value"])
                    inputs[$"past_key_values.{layer}.decoder.{part}"] = result[$"present.{layer}.decoder.{part}"].Clone();
        }

        static Tensor Rows(TensorProto bias)
        {
            Tensor rows = Tensor.Allocate(DType.Float32, [1, 6, 1500, 64]);
            Span<float> from = bias.ToTensor().Span<float>(), to = rows.Span<float>();
            for (int i = 0; i < to.Length; i += 64) from.Slice(i / (1500 * 64) * 64, 64).CopyTo(to[i..]);
            return rows;
        }
    }

    /// <summary>Few tokens attend to the encoder's rows as they are, many to rows that were projected for them: the first ones must not see a difference.</summary>
    [Fact]
    public void Whisper_decodes_the_first_tokens_as_it_decodes_them_among_many()
    {
        long[] tokens = [.. Enumerable.Range(0, 80).Select(i => 50258L - 600 * i)];
        Tensor states = RandomTensor(3, 1, 1500, 384);
        using var session = Open("whisper-tiny-decoder", new ZooOptions());
        float[] all = Decode(80, projects: false);
        foreach (int count in (int[])[1, 3]) AssertClose(all[..(count * 51865)], Decode(count, projects: true), scale: 10);

        float[] Decode(int count, bool projects)
        {
            var inputs = new Dictionary<string, Datum> { ["input_ids"] = Tensor.From(tokens[..count], [1, count]), ["encoder_hidden_states"] = states };
            Assert.Equal(projects ? 4 : 0, session.Explain(inputs).Fusions.GetValueOrDefault("attend-before-projecting"));
            using RunResult result = session.Run(inputs);
            return result["logits"].Span<float>().ToArray();
        }
    }

    private static InferenceSession Open(string name, ZooOptions options) => new(Importer.Import(ZooCatalog.Find(name).Build(options)));

    private static Dictionary<string, float[]> Run(string name, ZooOptions options, params (string Name, Tensor Value)[] inputs)
    {
        using InferenceSession session = Open(name, options);
        return Run(session, inputs);
    }

    private static Dictionary<string, float[]> Run(InferenceSession session, params (string Name, Tensor Value)[] inputs)
    {
        using RunResult result = session.Run(inputs.ToDictionary(i => i.Name, i => (Datum)i.Value));
        return result.ToDictionary(o => o.Key, o => ((Tensor)o.Value).Span<float>().ToArray());
    }

    private static Tensor RandomTensor(int seed, params long[] dims)
    {
        var random = new Random(seed);
        Tensor tensor = Tensor.Allocate(DType.Float32, dims);
        foreach (ref float value in tensor.Span<float>()) value = random.NextSingle();
        return tensor;
    }

    private static Tensor Stack(Tensor a, Tensor b) => Tensor.From((float[])[.. a.Span<float>(), .. b.Span<float>()], [2, .. a.Dims[1..]]);

    private static void AssertClose(float[] expected, float[] actual, float scale = 1)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            if (!(Math.Abs(expected[i] - actual[i]) <= Tolerance * scale)) Assert.Fail($"element {i}: expected {expected[i]}, got {actual[i]}");
    }
}
