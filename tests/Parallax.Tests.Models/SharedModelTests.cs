using Parallax.Cli.Models;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Models;

/// <summary>Published models, run on given inputs and compared with what a reference computed.</summary>
public sealed class SharedModelTests
{
    [SharedFact("models", "basic_pitch")]
    public void Basic_pitch_hears_notes() => AssertAsExpected("basic_pitch");

    [SharedFact("models", "magika")]
    public void Magika_tells_a_file_type() => AssertAsExpected("magika");

    [SharedFact("models", "silero_vad")]
    public void Silero_hears_speech() => AssertAsExpected("silero_vad");

    [SharedFact("models", "super_resolution")]
    public void Super_resolution_enlarges() => AssertAsExpected("super_resolution");

    [SharedFact("models", "ultraface_rfb320")]
    public void Ultraface_finds_faces() => AssertAsExpected("ultraface_rfb320");

    [SharedFact("models", "yolov8n")]
    public void Yolo_finds_objects() => AssertAsExpected("yolov8n");

    /// <summary>
    /// The reference's 8-bit products were made where pairs of them saturate at 16 bits (AVX2 without VNNI), so its scores are off by up to five steps of
    /// their scale from exact products; the same library on a processor with VNNI is off as much. What can be asked of exact arithmetic is closeness.
    /// </summary>
    [SharedFact("models", "mobilenetv2_qdq")]
    public void Quantized_mobilenet_recognizes_the_same()
    {
        const float Step = 0.15309951f; // scale of the last QuantizeLinear
        (Dictionary<string, float[]> got, Dictionary<string, float[]> want) = Run("mobilenetv2_qdq");
        float[] scores = got["scores"], expected = want["scores"];
        Assert.Equal(TopFive(expected).Take(2), TopFive(scores).Take(2));
        Assert.InRange(TopFive(expected).Intersect(TopFive(scores)).Count(), 4, 5);
        double[] steps = [.. scores.Zip(expected, (a, b) => Math.Round((a - b) / Step))];
        Assert.All(steps, s => Assert.InRange(s, -5, 5));
        Assert.InRange(steps.Count(s => Math.Abs(s) <= 1) / 1000.0, 0.75, 1);
        Assert.InRange(steps.Average(), -0.25, 0.25);
    }

    private static IEnumerable<int> TopFive(float[] scores) => Enumerable.Range(0, scores.Length).OrderByDescending(i => scores[i]).Take(5);

    private static void AssertAsExpected(string model)
    {
        using ReadyModel ready = Load(model);
        using RunResult result = ready.Session.Run(ready.Inputs);
        var expectation = new Expectation(SharedData.Path("models", model, "expected")!, Absolute: 1e-4, Relative: 1e-3);
        Assert.All(expectation.Compare(result), verdict => Assert.True(verdict.Difference is null, $"{verdict.Output}: {verdict.Difference}"));
    }

    private static (Dictionary<string, float[]> Got, Dictionary<string, float[]> Want) Run(string model)
    {
        using ReadyModel ready = Load(model);
        using RunResult result = ready.Session.Run(ready.Inputs);
        return (result.ToDictionary(o => o.Key, o => ((Tensor)o.Value).Span<float>().ToArray()),
            result.ToDictionary(o => o.Key, o => Npy.Read(SharedData.Path("models", model, "expected", $"{o.Key}.npy")!).Span<float>().ToArray()));
    }

    private static ReadyModel Load(string model)
    {
        string folder = SharedData.Path("models", model)!;
        string[] inputs = [.. Directory.EnumerateFiles(Path.Combine(folder, "inputs"), "*.npy").Select(f => $"{Path.GetFileNameWithoutExtension(f)}={f}")];
        return ReadyModel.Load(Path.Combine(folder, "model.onnx"), Cli.Commands.CommonSettings.Default, inputs);
    }
}
