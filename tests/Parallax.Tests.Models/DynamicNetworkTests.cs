using System.Diagnostics;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Suite;
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

    [Fact]
    public void Yolo_gives_the_same_bits_in_every_mode_with_one_to_four_threads()
    {
        byte[] model = ZooCatalog.Find("yolov8n-nms").Build(new ZooOptions()).ToBytes();
        Dictionary<string, Datum> image = Image(3, 192, 256);
        CheckBits(options => new InferenceSession(model, options), image, EveryModeAndWidth());
    }

    [Fact]
    public void Whisper_gives_the_same_bits_in_every_mode()
    {
        byte[] model = ZooCatalog.Find("whisper-tiny").Build(new ZooOptions()).ToBytes();
        SessionOptions[] options = [.. Enum.GetValues<ScheduleMode>().Select((mode, i) => new SessionOptions { Mode = mode, Threads = i % 4 + 1 })];
        CheckBits(o => new InferenceSession(model, o), Speech(3), options);
    }

    [SharedFact("models", "silero_vad")]
    public void A_trained_voice_detector_gives_the_same_bits_in_every_mode_with_one_to_four_threads()
    {
        string folder = Path.Combine(SharedData.Path("models")!, "silero_vad");
        Dictionary<string, Datum> inputs = Directory.GetFiles(Path.Combine(folder, "inputs"), "*.npy").ToDictionary(f => Path.GetFileNameWithoutExtension(f), f => (Datum)Npy.Read(f));
        CheckBits(options => new InferenceSession(Path.Combine(folder, "model.onnx"), options), inputs, EveryModeAndWidth());
    }

    [Fact]
    public async Task Eight_callers_detect_in_images_of_different_sizes()
    {
        using InferenceSession session = Open("yolov8n-nms", new SessionOptions { Threads = 2 });
        Dictionary<string, Datum>[] images = [.. Enumerable.Range(0, 8).Select(i => Image(i, 160 + 32 * (i % 3), 128 + 32 * (i / 3)))];
        await CheckCallers(session, images, runs: 3);
    }

    [Fact]
    public async Task Eight_callers_decode_at_once()
    {
        using InferenceSession session = Open("whisper-tiny", new SessionOptions { Threads = 2 });
        Dictionary<string, Datum>[] speech = [Speech(1), Speech(2)];
        await CheckCallers(session, [.. Enumerable.Range(0, 8).Select(i => speech[i % 2])], runs: 1);
    }

    /// <summary>Cancelled early, in the middle and late: either that is what the caller learns, or the run was over. What comes next is right.</summary>
    [Fact]
    public void Decoding_can_be_cancelled_at_any_time()
    {
        using InferenceSession session = Open("whisper-tiny");
        Dictionary<string, Datum> speech = Speech(1);
        byte[] expected = Run(session, speech);
        var clock = Stopwatch.StartNew();
        Assert.Equal(expected, Run(session, speech));
        TimeSpan whole = clock.Elapsed;
        int cancelled = 0;
        foreach (double part in new[] { 0.01, 0.5, 0.7, 0.8, 0.9 })
        {
            using var cancellation = new CancellationTokenSource();
            // On its own thread: a timer's call waits for a thread of the pool, and other tests may hold all of them.
            var canceller = new Thread(() =>
            {
                Thread.Sleep(whole * part);
                cancellation.Cancel();
            });
            canceller.Start();
            try
            {
                Assert.Equal(expected, Run(session, speech, cancellation.Token));
            }
            catch (OperationCanceledException)
            {
                cancelled++;
            }
            finally
            {
                canceller.Join();
            }
        }
        Assert.True(cancelled > 0, "no run was cancelled");
        Assert.Equal(expected, Run(session, speech));
    }

    private static IEnumerable<SessionOptions> EveryModeAndWidth() =>
        from mode in Enum.GetValues<ScheduleMode>() from threads in Enumerable.Range(1, 4) select new SessionOptions { Mode = mode, Threads = threads };

    private static void CheckBits(Func<SessionOptions, InferenceSession> open, Dictionary<string, Datum> inputs, IEnumerable<SessionOptions> all)
    {
        byte[]? expected = null;
        foreach (SessionOptions options in all)
        {
            using InferenceSession session = open(options);
            byte[] first = Run(session, inputs);
            expected ??= first;
            Assert.NotEmpty(expected);
            Assert.True(first.AsSpan().SequenceEqual(expected), $"{options.Mode}, {options.Threads} threads: the first run differs");
            Assert.True(Run(session, inputs).AsSpan().SequenceEqual(expected), $"{options.Mode}, {options.Threads} threads: the second run differs");
        }
    }

    /// <summary>Each caller's results against those of a run alone, before and after.</summary>
    private static async Task CheckCallers(InferenceSession session, Dictionary<string, Datum>[] inputs, int runs)
    {
        byte[][] expected = [.. inputs.Distinct().Select(i => Run(session, i))];
        Dictionary<string, Datum>[] distinct = [.. inputs.Distinct()];
        await Task.WhenAll(inputs.Select(mine => Task.Run(() =>
        {
            for (int run = 0; run < runs; run++) Assert.Equal(expected[Array.IndexOf(distinct, mine)], Run(session, mine));
        })));
        for (int i = 0; i < distinct.Length; i++) Assert.Equal(expected[i], Run(session, distinct[i]));
    }

    private static byte[] Run(InferenceSession session, Dictionary<string, Datum> inputs, CancellationToken cancellation = default)
    {
        using RunResult result = session.Run(inputs, cancellation);
        return [.. result.SelectMany(o => ((Tensor)o.Value).Bytes.ToArray())];
    }

    private static Dictionary<string, Datum> Image(int seed, int height, int width) => new() { ["images"] = RandomTensor(seed, [1, 3, height, width]) };

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
