using Parallax.Onnx;
using Parallax.Runtime;
using Xunit;

namespace Parallax.Tests.Onnx;

public sealed class ModelSourceTests : IDisposable
{
    private readonly string outside = Directory.CreateTempSubdirectory("parallax").FullName;
    private readonly string folder;

    public ModelSourceTests()
    {
        folder = Path.Combine(outside, "model");
        Directory.CreateDirectory(Path.Combine(folder, "sub"));
        File.WriteAllBytes(Path.Combine(folder, "w.bin"), [9, 9, 9, 9, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]);
        File.WriteAllBytes(Path.Combine(folder, "sub", "w.bin"), [0, 0, 0x40, 0x40]);
        File.WriteAllBytes(Path.Combine(folder, "empty.bin"), []);
        File.WriteAllBytes(Path.Combine(outside, "secret.bin"), new byte[64]);
    }

    public void Dispose() => Directory.Delete(outside, recursive: true);

    private static TensorProto External(string location, long count, params (string Key, string Value)[] more) => new()
    {
        Name = "w",
        DataType = DType.Float32,
        Dims = [count],
        IsExternal = true,
        ExternalData = [new("location", location), .. more.Select(m => new StringStringEntry(m.Key, m.Value))],
    };

    private string Save(params TensorProto[] initializers)
    {
        string path = Path.Combine(folder, "model.onnx");
        new ModelProto { Graph = new() { Name = "g", Initializers = initializers } }.Save(path);
        return path;
    }

    private string Refused(TensorProto tensor)
    {
        using ModelSource source = MappedFile.OpenModel(Save(tensor));
        TensorProto read = ModelProto.Parse(source).Graph.Initializers[0];
        return Assert.Throws<InvalidModelException>(() => read.ToTensor(source)).Message;
    }

    [Theory, InlineData(0), InlineData(1), InlineData(2), InlineData(3)]
    public void LargeWeightsLieWhereTheFileHasThem(int shift)
    {
        float[] values = [.. Enumerable.Range(0, 100_000).Select(i => i * 0.5f)];
        string path = Path.Combine(folder, "large.onnx");
        new ModelProto { Graph = new() { Name = new string('g', 1 + shift), Initializers = [TensorProto.From(Tensor.From(values, [100_000]), "w")] } }.Save(path);
        using ModelSource source = MappedFile.OpenModel(path);
        Tensor tensor = ModelProto.Parse(source).Graph.Initializers[0].ToTensor(source);
        Assert.IsType<MappedFile>(tensor.Storage);
        Assert.Equal(values, tensor.Span<float>().ToArray());
        tensor.Storage.Release(tensor.ByteOffset, tensor.ByteCount);
        Assert.Equal(values, tensor.Span<float>().ToArray());
    }

    [Theory, InlineData(true), InlineData(false)]
    public void ExternalDataAreFoundBesideTheModel(bool mapped)
    {
        string path = Save(External("w.bin", 2, ("offset", "4"), ("length", "8")), External("sub/w.bin", 1), External("sub/../w.bin", 1, ("offset", "8")));
        using ModelSource source = mapped ? MappedFile.OpenModel(path) : ModelSource.FromFile(path);
        IReadOnlyList<TensorProto> tensors = ModelProto.Parse(source).Graph.Initializers;
        Tensor a = tensors[0].ToTensor(source), b = tensors[1].ToTensor(source), c = tensors[2].ToTensor(source);
        Assert.Equal([1f, 2f], a.Span<float>().ToArray());
        Assert.Equal([3f], b.Span<float>().ToArray());
        Assert.Equal([2f], c.Span<float>().ToArray());
        Assert.Same(a.Storage, c.Storage);
    }

    [Fact]
    public void AModelIsReadInPlaceFromItsMapping()
    {
        string path = Path.Combine(folder, "everything.onnx");
        OnnxSamples.Everything().Save(path);
        using ModelSource source = MappedFile.OpenModel(path);
        Assert.Equal(File.ReadAllBytes(path), source.Main.Slice(0, (int)source.Main.ByteCount).ToArray());
        Assert.Equal(File.ReadAllBytes(path), ModelProto.Parse(source).ToBytes());
    }

    [Theory]
    [InlineData("../secret.bin"), InlineData("sub/../../secret.bin"), InlineData("link.bin"), InlineData("links/secret.bin"), InlineData("hop.bin"), InlineData("..")]
    public void APathThatLeavesTheFolderIsRefused(string location)
    {
        if (OperatingSystem.IsWindows() && location.Contains("link") || location == "hop.bin" && OperatingSystem.IsWindows()) return; // links need rights there
        if (!OperatingSystem.IsWindows())
        {
            File.CreateSymbolicLink(Path.Combine(folder, "link.bin"), Path.Combine(outside, "secret.bin"));
            Directory.CreateSymbolicLink(Path.Combine(folder, "links"), "..");
            File.CreateSymbolicLink(Path.Combine(folder, "hop.bin"), "link.bin");
        }
        Assert.Equal($"initializer 'w': expected a file in the model's folder, but '{location}' leaves it", Refused(External(location, 1)));
    }

    [Fact]
    public void AnAbsolutePathIsRefused()
    {
        string path = Path.Combine(folder, "w.bin");
        Assert.Equal($"initializer 'w': expected a path relative to the model's folder, got '{path}'", Refused(External(path, 1)));
        Assert.Contains("relative to the model's folder", Refused(External("C:\\w.bin", 1)));
        Assert.Contains("expected the path of a file", Refused(External("", 1)));
        Assert.Contains("expected the path of a file", Refused(External("w\0.bin", 1)));
    }

    [Fact]
    public void ALinkWithinTheFolderIsFollowed()
    {
        if (OperatingSystem.IsWindows()) return; // links need rights there
        File.CreateSymbolicLink(Path.Combine(folder, "inner.bin"), "sub/w.bin");
        using ModelSource source = MappedFile.OpenModel(Save(External("inner.bin", 1), External("sub/w.bin", 1)));
        Tensor[] tensors = [.. ModelProto.Parse(source).Graph.Initializers.Select(t => t.ToTensor(source))];
        Assert.Equal(3f, tensors[0].Span<float>()[0]);
        Assert.Same(tensors[0].Storage, tensors[1].Storage);
        File.CreateSymbolicLink(Path.Combine(folder, "round.bin"), "round.bin");
        Assert.Contains("too many symbolic links", Refused(External("round.bin", 1)));
    }

    [Fact]
    public void TheFileMustHoldTheData()
    {
        Assert.Equal("initializer 'w': float32[9408] needs 37632 bytes, the file holds 12 ('w.bin')", Refused(External("w.bin", 9408)));
        Assert.Equal("initializer 'w': float32[2] needs 8 bytes, the file holds 4 ('w.bin' from byte 8)", Refused(External("w.bin", 2, ("offset", "8"))));
        Assert.Contains("the file holds 0", Refused(External("w.bin", 2, ("offset", "9223372036854775807"))));
        Assert.Contains("expected a number of bytes as external offset, got '-1'", Refused(External("w.bin", 2, ("offset", "-1"))));
        Assert.Contains("needs 8 bytes, the length given is 4", Refused(External("w.bin", 2, ("length", "4"))));
        Assert.Contains("expected the location", Refused(new() { Name = "w", DataType = DType.Int8, Dims = [1], IsExternal = true }));
        Assert.Equal($"initializer 'w': {Path.Combine(folder, "none.bin")}: no such file", Refused(External("none.bin", 1)));
        Assert.Equal($"initializer 'w': {Path.Combine(folder, "sub")}: expected a file, but this is a folder", Refused(External("sub", 1)));
        Assert.Equal($"initializer 'w': {Path.Combine(folder, "empty.bin")}: expected a model's data, but the file is empty", Refused(External("empty.bin", 1)));
    }

    [Fact]
    public void AModelInMemoryHasNoFilesBesideIt()
    {
        using ModelSource source = ModelSource.FromBytes([1], "m");
        Assert.Equal("initializer 'w': lies in external file 'w.bin', but 'm' was not loaded from a folder",
            Assert.Throws<InvalidModelException>(() => External("w.bin", 1).ToTensor(source)).Message);
        Assert.Throws<InvalidModelException>(() => External("w.bin", 1).ToTensor());
    }

    [Fact]
    public void AMissingEmptyOrWrongFileIsNamed()
    {
        foreach (Func<string, Storage> open in new Func<string, Storage>[] { MappedFile.Open, ModelSource.ReadFile })
        {
            string Fails(string name) => Assert.Throws<InvalidModelException>(() => open(Path.Combine(folder, name))).Message;
            Assert.Equal($"{Path.Combine(folder, "none")}: no such file", Fails("none"));
            Assert.Equal($"{Path.Combine(folder, "sub")}: expected a file, but this is a folder", Fails("sub"));
            Assert.Equal($"{Path.Combine(folder, "empty.bin")}: expected a model's data, but the file is empty", Fails("empty.bin"));
        }
    }

    [Fact]
    public void AMappingRefusesWindowsOutsideAndAfterItsEnd()
    {
        MappedFile file = MappedFile.Open(Path.Combine(folder, "w.bin"));
        Assert.Equal(12, file.ByteCount);
        Assert.Equal([0x80, 0x3F], file.Slice(6, 2).ToArray());
        Assert.Equal(0, file.Slice(12, 0).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Slice(12, 1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Slice(-1, 1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Slice(long.MaxValue, 1).Length);
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Slice(0, 1).Length);
    }

    [Fact]
    public void ATensorOfMoreThanTwoGiBIsReadInPlace()
    {
        const long bytes = 5L << 29;
        byte[] length = OnnxSamples.Varint(bytes);
        byte[] tail = [.. OnnxSamples.Delimited(8, (byte)'w'), .. OnnxSamples.Number(1, bytes), .. OnnxSamples.Number(2, (int)DType.UInt8)];
        byte[] head = [.. OnnxSamples.Tag(9, WireType.Length), .. length];
        byte[] start = [.. OnnxSamples.Tag(5, WireType.Length), .. OnnxSamples.Varint((ulong)(head.Length + bytes + tail.Length)), .. head];
        byte[] graph = [.. OnnxSamples.Tag(7, WireType.Length), .. OnnxSamples.Varint((ulong)(start.Length + bytes + tail.Length)), .. start];
        string path = Path.Combine(folder, "large.onnx");
        using (FileStream file = File.Create(path)) // sparse: the zeros take no room on most file systems
        {
            file.Write(graph);
            file.Seek(bytes - 1, SeekOrigin.Current);
            file.WriteByte(7);
            file.Write(tail);
            file.Write(OnnxSamples.Number(1, 10));
        }
        using ModelSource source = MappedFile.OpenModel(path);
        ModelProto model = ModelProto.Parse(source);
        Tensor tensor = Assert.Single(model.Graph.Initializers).ToTensor();
        Assert.Equal((10, bytes), (model.IrVersion, tensor.ByteCount));
        Assert.Same(source.Main, tensor.Storage);
        Assert.Equal(7, tensor.Storage!.Slice(tensor.ByteOffset + bytes - 1, 1)[0]);
    }
}
