using Parallax.Onnx;
using Parallax.Runtime;
using Parallax.Suite;
using Xunit;
using Xunit.Abstractions;

namespace Parallax.Tests.Onnx;

public class SharedModelTests(ITestOutputHelper output)
{
    [SharedFact("models")]
    public void RealModelsParseDecodeAndRoundTrip() => CheckModels("models", atLeast: 7);

    [SharedFact("onnx-backend-tests")]
    public void ConformanceModelsParseDecodeAndRoundTrip() => CheckModels("onnx-backend-tests", atLeast: 1900);

    [SharedFact("onnx-backend-tests")]
    public void ConformanceDataDecodeByTheModelsTypes()
    {
        int count = 0;
        var failures = new List<string>();
        foreach (string path in Files("onnx-backend-tests", "model.onnx"))
        {
            using ModelSource source = MappedFile.OpenModel(path);
            GraphProto graph = ModelProto.Parse(source).Graph;
            foreach (string folder in Directory.GetDirectories(Path.GetDirectoryName(path)!, "test_data_set_*"))
                foreach ((string kind, IReadOnlyList<ValueInfoProto> values) in new[] { ("input", graph.Inputs), ("output", graph.Outputs) })
                    for (int i = 0; i < values.Count; i++)
                    {
                        string file = Path.Combine(folder, $"{kind}_{i}.pb");
                        if (!File.Exists(file)) continue;
                        count++;
                        if (Check(file, values[i].Type!) is { } failure) failures.Add(failure);
                    }
        }
        output.WriteLine($"{count} data files, {failures.Count} failures");
        Assert.Empty(failures);
        Assert.InRange(count, 4000, int.MaxValue);
    }

    /// <summary>Reads a value and writes it again; null where both agree with the type and with each other.</summary>
    private static string? Check(string file, TypeProto type)
    {
        try
        {
            Datum value = DatumFile.Read(file, type);
            using var stream = new MemoryStream();
            DatumFile.Write(value, stream);
            Datum again = DatumFile.Read(ByteRegion.Copy(stream.ToArray()), "again", type);
            if (Describe(value) != Describe(again)) return $"{file}: {value} became {again}";
            return type is TensorTypeProto tensor && ((Tensor)value).DType != tensor.ElemType ? $"{file}: {value}, not {type}" : null;
        }
        catch (ParallaxException error)
        {
            return error.Message;
        }
    }

    private static string Describe(Datum? value) => value switch
    {
        Tensor { DType: DType.String } tensor => $"{tensor}: {string.Join(',', tensor.Strings.ToArray())}",
        Tensor tensor => $"{tensor}: {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(tensor.Bytes))}",
        TensorSequence sequence => $"({string.Join("; ", sequence.Items.Select(Describe))})",
        OptionalDatum optional => $"optional {Describe(optional.Value)}",
        _ => "none",
    };

    private void CheckModels(string folder, int atLeast)
    {
        int count = 0;
        foreach (string path in Files(folder, "model.onnx"))
        {
            using ModelSource source = MappedFile.OpenModel(path);
            ModelProto model = ModelProto.Parse(source);
            OnnxSamples.DecodeAll(model, source);
            byte[] written = model.ToBytes();
            Assert.Equal(written, OnnxSamples.Parse(written).ToBytes());
            Assert.NotEmpty(model.OpsetImport);
            count++;
        }
        output.WriteLine($"{count} models");
        Assert.InRange(count, atLeast, int.MaxValue);
    }

    private static string[] Files(string folder, string name) =>
        [.. Directory.GetFiles(SharedData.Path(folder)!, name, SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
}
