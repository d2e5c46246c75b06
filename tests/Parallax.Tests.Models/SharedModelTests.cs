using Parallax.Cli.Models;
using Parallax.Onnx;
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

    private const float QuantizedStep = 0.15309951f; // scale of the last QuantizeLinear

    /// <summary>
    /// The expected scores are those of products that saturate in pairs at 16 bits, as the processor that made them did; what the operators mean is up to four steps
    /// of the scores' scale away from them (<c>docs/conformance.md</c>). So the file is compared with a reference that saturates, and the model with one that does not.
    /// </summary>
    [SharedFact("models", "mobilenetv2_qdq")]
    public void Quantized_mobilenet_computes_exactly_what_its_operators_mean()
    {
        (Dictionary<string, float[]> got, Dictionary<string, float[]> want) = Run("mobilenetv2_qdq");
        using Tensor image = Npy.Read(SharedData.Path("models", "mobilenetv2_qdq", "inputs", "image.npy")!);
        using ImportedModel model = Importer.Import(ModelSource.FromBytes(File.ReadAllBytes(SharedData.Path("models", "mobilenetv2_qdq", "model.onnx")!)));
        Assert.All(Steps(new QuantizedReference(model.Graph, SaturatesPairs: true).Run(image), want["scores"]), s => Assert.Equal(0, s));
        Assert.All(Steps(got["scores"], new QuantizedReference(model.Graph, SaturatesPairs: false).Run(image)), s => Assert.Equal(0, s));
        Assert.All(Steps(got["scores"], want["scores"]), s => Assert.InRange(s, -4, 4));
        Assert.Equal(TopFive(want["scores"]).Take(2), TopFive(got["scores"]).Take(2));
    }

    /// <summary>In float32 a sum within rounding of the middle between two integers may fall to either, and the layers behind carry that on.</summary>
    [SharedFact("models", "mobilenetv2_qdq")]
    public void Quantized_mobilenet_computed_in_float_is_at_most_two_steps_away()
    {
        byte[] model = File.ReadAllBytes(SharedData.Path("models", "mobilenetv2_qdq", "model.onnx")!);
        using Tensor image = Npy.Read(SharedData.Path("models", "mobilenetv2_qdq", "inputs", "image.npy")!);
        float[][] scores = [.. new[] { 0, int.MaxValue }.Select(rewrites =>
        {
            using var session = new InferenceSession(model, new SessionOptions { MaxRewrites = rewrites });
            Assert.Equal(rewrites > 0, session.Fusions.ContainsKey("fuse-quantized-products"));
            using RunResult result = session.Run(new() { ["image"] = image });
            return result["scores"].Span<float>().ToArray();
        })];
        int[] steps = Steps(scores[0], scores[1]);
        Assert.All(steps, s => Assert.InRange(s, -2, 2));
        Assert.InRange(steps.Count(s => Math.Abs(s) <= 1), 950, 1000);
    }

    private static int[] Steps(float[] scores, float[] expected) => [.. scores.Zip(expected, (a, b) => (int)MathF.Round((a - b) / QuantizedStep))];

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
