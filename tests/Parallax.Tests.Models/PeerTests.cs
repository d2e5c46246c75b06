using Parallax.Onnx;
using Parallax.OrtPeer;
using Parallax.Suite;
using Parallax.Zoo;
using Xunit;

namespace Parallax.Tests.Models;

/// <summary>The zoo's networks here and in ONNX Runtime, from the same file and the same inputs.</summary>
public sealed class PeerTests
{
    private const double Tolerance = 1e-3;

    public static TheoryData<string> Names => [.. ZooCatalog.Entries.Select(e => e.Name)];

    [PeerTheory]
    [MemberData(nameof(Names))]
    public void Outputs_agree(string name)
    {
        ZooEntry entry = ZooCatalog.Find(name);
        string path = Path.Combine(Path.GetTempPath(), $"parallax-test-{Guid.NewGuid():N}.onnx");
        try
        {
            ModelProto model = entry.Build(new ZooOptions());
            model.Save(path);
            Dictionary<string, Tensor> inputs = model.Graph.Inputs.ToDictionary(i => i.Name, i => Input(i, entry));
            using var peer = new OrtSession(OrtSession.FindLibrary(), path, threads: 2);
            using OrtRun run = peer.Run(inputs);
            using var session = new InferenceSession(path, new SessionOptions { Threads = 2 });
            using RunResult result = session.Run(inputs.ToDictionary(i => i.Key, i => (Datum)i.Value));
            foreach (var (output, expected) in run.ToTensors()) AssertClose(output, expected, result[output]);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_library_that_is_not_there_is_named() =>
        Assert.Contains("/nowhere/libonnxruntime.so: no such file", Assert.Throws<InvalidInputException>(() => new OrtSession("/nowhere/libonnxruntime.so", "model.onnx", 1)).Message);

    [Fact]
    public void A_file_that_is_no_library_is_refused()
    {
        string path = typeof(PeerTests).Assembly.Location;
        Assert.StartsWith(path, Assert.Throws<InvalidInputException>(() => new OrtSession(path, "model.onnx", 1)).Message);
    }

    private static void AssertClose(string name, Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.Dims.ToArray(), actual.Dims.ToArray());
        if (expected.DType != DType.Float32)
        {
            Assert.True(expected.ElementCount > 0, $"{name} is empty");
            Assert.Equal(expected.DType, actual.DType);
            Assert.True(expected.Bytes.SequenceEqual(actual.Bytes), $"{name}: not the same {expected.DType}s");
            return;
        }
        Span<float> e = expected.Span<float>(), a = actual.Span<float>();
        float largest = 0;
        foreach (float value in e) largest = Math.Max(largest, Math.Abs(value));
        Assert.True(float.IsFinite(largest) && largest > 0, $"{name}: largest magnitude {largest}");
        for (int i = 0; i < e.Length; i++)
            if (!(Math.Abs(e[i] - a[i]) <= Tolerance * largest)) Assert.Fail($"{name}[{i}]: expected {e[i]}, got {a[i]}");
    }

    private static Tensor Input(ValueInfoProto input, ZooEntry entry)
    {
        var type = (TensorTypeProto)input.Type!;
        long[] dims = [.. type.Shape!.Select(d => d.Value ?? entry.DefaultDims[d.Param!])];
        Tensor tensor = Tensor.Allocate(type.ElemType, dims);
        var random = new Random(1);
        if (type.ElemType == DType.Int64)
            foreach (ref long value in tensor.Span<long>()) value = random.NextInt64(entry.IntegerLimits[input.Name]);
        else
            foreach (ref float value in tensor.Span<float>()) value = random.NextSingle();
        return tensor;
    }
}
