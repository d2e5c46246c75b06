using Parallax.Onnx;
using Parallax.OpenCL;
using Parallax.Suite;
using Parallax.Zoo;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Whole networks on a device against the CPU.</summary>
public sealed class NetworkTests
{
    [ClTheory]
    [InlineData("yolov8n", "batch=1 height=64 width=96")]
    [InlineData("whisper-tiny-decoder", "batch=1 tokens=5")]
    [InlineData("whisper-tiny-decoder-kv", "batch=1 past=3")]
    [InlineData("clip-text", "batch=2 sequence=6")]
    [InlineData("distilbert", "batch=2 sequence=7")]
    [InlineData("swinv2-tiny", "batch=1")]
    public void Networks_of_the_zoo_agree_with_the_CPU(string name, string dims)
    {
        (byte[] model, Dictionary<string, Datum> inputs) = OfZoo(name, dims);
        ClSessions.AgreesWithCpu(model, inputs, name);
    }

    /// <summary>Three times what was seen: the bounds of layers say little of a network.</summary>
    [HalfTheory]
    [InlineData("yolov8n", "batch=1 height=64 width=96")]
    [InlineData("clip-text", "batch=2 sequence=6")]
    [InlineData("distilbert", "batch=2 sequence=7")]
    public void Networks_with_16_bit_factors_agree_with_the_CPU(string name, string dims)
    {
        (byte[] model, Dictionary<string, Datum> inputs) = OfZoo(name, dims);
        Tensor[] expected = ClSessions.OnCpu(model, inputs);
        using ClBackend backend = ClBackend.Open(HalfApi.FirstDevice);
        foreach ((Precision precision, double tolerance) in ((Precision, double)[])[(Precision.Compact, 2e-3), (Precision.Half, 6e-3)])
        {
            using var session = new InferenceSession(model, ClSessions.On(backend) with { Precision = precision });
            foreach ((Tensor e, Tensor a) in expected.Zip(ClSessions.Run(session, inputs))) ClHarness.AssertCloseByMaximum(e, a, tolerance, $"{name} in {precision}");
            Assert.Empty(session.Warnings);
        }
    }

    /// <summary>Products of a quantized network are integers, which no kernel here computes: it has nothing for a device but transposes around them.</summary>
    [ClFact("models")]
    public void Models_of_others_agree_with_the_CPU()
    {
        foreach (string folder in Directory.EnumerateDirectories(SharedData.Path("models")!).Order(StringComparer.Ordinal))
        {
            byte[] model = File.ReadAllBytes(Path.Combine(folder, "model.onnx"));
            using var session = new InferenceSession(model);
            Dictionary<string, Datum> inputs = session.Inputs.ToDictionary(i => i.Name, i => (Datum)Npy.Read(Directory.EnumerateFiles(Path.Combine(folder, "inputs")).Single(f => Fits(f, i.Name))));
            string name = Path.GetFileName(folder);
            ClSessions.AgreesWithCpu(model, inputs, name);
        }
    }

    private static (byte[] Model, Dictionary<string, Datum> Inputs) OfZoo(string name, string dims)
    {
        ZooEntry entry = ZooCatalog.Find(name);
        Dictionary<string, long> sizes = dims.Split(' ').Select(d => d.Split('=')).ToDictionary(d => d[0], d => long.Parse(d[1]));
        byte[] model = entry.Build(new ZooOptions(Dynamic: true)).ToBytes();
        using var session = new InferenceSession(model);
        return (model, session.Inputs.ToDictionary(i => i.Name, i => Fill(i, sizes, entry)));
    }

    private static bool Fits(string file, string input) => Path.GetFileNameWithoutExtension(file) == string.Concat(input.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' ? c : '_'));

    private static Datum Fill(ValueInfo input, Dictionary<string, long> sizes, ZooEntry entry)
    {
        long[] dims = [.. input.Shape!.Value.Dims.Select(d => d.Substitute(sizes).TryGetValue(out long size) ? size : throw new ArgumentException($"{input}: {d} has no size"))];
        if (input.DType == DType.Float32) return ClSessions.Floats(7, dims);
        var random = new Random(3);
        int limit = (int)entry.IntegerLimits.GetValueOrDefault(input.Name, 2);
        return Tensor.From(Enumerable.Range(0, (int)Shape.Count(dims)).Select(i => i % 4 == 0 ? 1L : random.Next(limit)).ToArray(), dims);
    }
}
