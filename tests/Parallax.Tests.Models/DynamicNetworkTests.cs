using Parallax.Onnx;
using Parallax.Zoo;
using Xunit;

namespace Parallax.Tests.Models;

/// <summary>Whole networks with loops and with shapes that follow from data: the same bits on every schedule, for every caller.</summary>
public sealed class DynamicNetworkTests
{
    private const int PromptTokens = 4, Steps = 32;

    [Fact]
    public void Whisper_writes_the_prompt_and_a_text_that_depends_on_the_speech()
    {
        using InferenceSession session = Open("whisper-tiny");
        long[] first = Tokens(session, 1), second = Tokens(session, 2);
        Assert.Equal(Steps + 1, first.Length);
        Assert.Equal([50258, 50259, 50359, 50363], first[..PromptTokens]);
        Assert.Equal(first.Length, first.Distinct().Count());
        Assert.All(first, t => Assert.InRange(t, 0, 51864));
        Assert.Equal(first, Tokens(session, 1));
        Assert.NotEqual(first, second);
    }

    [Theory]
    [InlineData(192, 256)]
    [InlineData(160, 128)]
    public void Yolo_keeps_boxes_that_do_not_overlap(int height, int width)
    {
        using InferenceSession session = Open("yolov8n-nms");
        using RunResult result = session.Run(new() { ["images"] = RandomTensor(1, [1, 3, height, width]) });
        float[] boxes = result["boxes"].Span<float>().ToArray(), scores = result["scores"].Span<float>().ToArray();
        long[] classes = result["classes"].Span<long>().ToArray();
        Assert.InRange(scores.Length, 2, 300);
        Assert.Equal(4 * scores.Length, boxes.Length);
        Assert.Equal(scores.Length, classes.Length);
        Assert.Equal(scores.OrderDescending(), scores);
        Assert.All(scores, s => Assert.InRange(s, 0.25f, 1));
        Assert.All(classes, c => Assert.InRange(c, 0, 79));
        for (int a = 0; a < scores.Length; a++)
            for (int b = 0; b < a; b++)
                if (classes[a] == classes[b]) Assert.InRange(Overlap(boxes.AsSpan(4 * a, 4), boxes.AsSpan(4 * b, 4)), 0, 0.4501);
    }

    [Fact]
    public void Yolo_finds_nothing_in_a_black_image_and_says_so()
    {
        using InferenceSession session = Open("yolov8n-nms");
        using RunResult result = session.Run(new() { ["images"] = Tensor.Zeros(DType.Float32, [1, 3, 32, 32]) });
        Assert.Equal([0, 4], result["boxes"].Dims.ToArray());
        Assert.Equal(result["scores"].Dims.ToArray(), result["classes"].Dims.ToArray());
    }

    /// <summary>Intersection over union.</summary>
    private static double Overlap(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double width = Math.Min(a[2], b[2]) - Math.Max(a[0], b[0]), height = Math.Min(a[3], b[3]) - Math.Max(a[1], b[1]);
        double both = Math.Max(0, width) * Math.Max(0, height);
        return both / ((a[2] - a[0]) * (double)(a[3] - a[1]) + (b[2] - b[0]) * (double)(b[3] - b[1]) - both);
    }

    private static InferenceSession Open(string name, SessionOptions? options = null) => new(Importer.Import(ZooCatalog.Find(name).Build(new ZooOptions())), options);

    private static long[] Tokens(InferenceSession session, int seed)
    {
        using RunResult result = session.Run(Speech(seed));
        return result["tokens"].Span<long>().ToArray();
    }

    private static Dictionary<string, Datum> Speech(int seed) => new() { ["input_features"] = RandomTensor(seed, [1, 80, 3000], scale: seed) };

    private static Tensor RandomTensor(int seed, long[] dims, float scale = 1)
    {
        var random = new Random(seed);
        Tensor tensor = Tensor.Allocate(DType.Float32, dims);
        foreach (ref float value in tensor.Span<float>()) value = scale * random.NextSingle();
        return tensor;
    }
}
