using System.Text;
using Parallax.Onnx;
using Xunit;

namespace Parallax.Tests.Onnx;

public class RoundTripTests
{
    [Fact]
    public void WhatIsReadIsWrittenAgain()
    {
        byte[] bytes = OnnxSamples.Everything().ToBytes();
        ModelProto read = OnnxSamples.Parse(bytes);
        Assert.Equal(bytes, read.ToBytes());
    }

    [Fact]
    public void EveryFieldOfTheModelArrives()
    {
        ModelProto model = OnnxSamples.Parse(OnnxSamples.Everything().ToBytes());
        Assert.Equal((10, "parallax", "1", "d", 3, "doc"), (model.IrVersion, model.ProducerName, model.ProducerVersion, model.Domain, model.ModelVersion, model.DocString));
        Assert.Equal([new("", 21), new("com.example", 1)], model.OpsetImport);
        Assert.Equal([new("k", "v")], model.MetadataProps);
        Assert.Equal(("g", "graph", 1, 4, 1), (model.Graph.Name, model.Graph.DocString, model.Graph.Nodes.Count, model.Graph.Initializers.Count, model.Graph.SparseInitializers.Count));
        Assert.Equal(
            ["x: Float32[batchx3x?x0]", "any: Int64", "scalar: Bool[]", "seq: sequence(Float32[batchx3x?x0])", "opt: optional(sequence(Float32[batchx3x?x0]))",
                "map: map(String, Float32[batchx3x?x0])", "sparse: sparse Float32[2x3]", "opaque: opaque(d.n)", "untyped"],
            model.Graph.Inputs.Select(i => i.ToString()));
        Assert.Equal(("IMAGE", "an image"), (model.Graph.Inputs[0].Type!.Denotation, model.Graph.Inputs[0].DocString));
        Assert.Equal(("y", "z"), (model.Graph.Outputs[0].Name, model.Graph.ValueInfo[0].Name));
        NodeProto node = model.Graph.Nodes[0];
        Assert.Equal(("Op", "com.example", "o", "n", "node"), (node.OpType, node.Domain, node.Overload, node.Name, node.DocString));
        Assert.Equal(["x", "", "w"], node.Inputs);
        FunctionProto function = Assert.Single(model.Functions);
        Assert.Equal(("Op", "com.example", "o", "f"), (function.Name, function.Domain, function.Overload, function.DocString));
        Assert.Equal(["a", "b"], function.Inputs);
        Assert.Equal(["c"], function.Outputs);
        Assert.Equal(["slope"], function.Attributes);
        Assert.Equal(2f, Assert.Single(function.AttributeDefaults).Float);
        Assert.Equal("Add", Assert.Single(function.Nodes).OpType);
        Assert.Equal(21, Assert.Single(function.OpsetImport).Version);
        Assert.Equal("c", Assert.Single(function.ValueInfo).Name);
    }

    [Fact]
    public void EveryKindOfAttributeArrives()
    {
        NodeProto node = OnnxSamples.Parse(OnnxSamples.Everything().ToBytes()).Graph.Nodes[0];
        AttributeProto A(string name) => node.Attribute(name)!;
        Assert.Equal((1.5f, 0f, -7L, 0L), (A("f").Float, A("f0").Float, A("i").Int, A("i0").Int));
        Assert.Equal(("text", ""), (A("s").Text, A("s0").Text));
        Assert.Equal([0xFF, 0, 0x80], A("bytes").Bytes.Window(0).ToArray());
        Assert.Throws<InvalidModelException>(() => A("bytes").Text);
        Assert.Equal([1f, -2.5f, 3f], A("t").Tensor.ToTensor().Span<float>().ToArray());
        Assert.Equal("body", A("g").Graph.Name);
        Assert.Equal([0f, 4, 0, 0, 0, 5], A("sp").SparseTensor.ToTensor().Span<float>().ToArray());
        Assert.Equal("Float32[batchx3x?x0]", A("tp").TypeProto.ToString());
        Assert.Equal([1f, float.NaN, -0f], A("floats").Floats);
        Assert.Equal([1, -1, long.MinValue], A("ints").Ints);
        Assert.Equal(["a", "", "ü"], A("strings").Strings);
        Assert.Equal((2, 1, 1, 1), (A("tensors").Tensors.Count, A("graphs").Graphs.Count, A("sparses").SparseTensors.Count, A("types").TypeProtos.Count));
        Assert.Equal(("slope", AttributeType.Float), (A("alpha").RefAttrName, A("alpha").Type));
        Assert.Empty(A("none").Ints);
        Assert.Contains("refers to 'slope'", Assert.Throws<InvalidModelException>(() => A("alpha").Float).Message);
        Assert.Contains("must be of type Int, but is Float", Assert.Throws<InvalidModelException>(() => A("f").Int).Message);
    }

    [Fact]
    public void PackedAndUnpackedListsReadTheSame()
    {
        byte[] name = OnnxSamples.Delimited(1, (byte)'a'), type = OnnxSamples.Number(20, (int)AttributeType.Ints);
        byte[] unpacked = [.. name, .. OnnxSamples.Number(8, 300), .. OnnxSamples.Number(8, -1), .. type];
        byte[] packed = [.. name, .. OnnxSamples.Delimited(8, [.. OnnxSamples.Varint(300), .. OnnxSamples.Varint(ulong.MaxValue)]), .. type];
        foreach (byte[] attribute in new[] { unpacked, packed })
        {
            byte[] model = OnnxSamples.Delimited(7, OnnxSamples.Delimited(1, OnnxSamples.Delimited(5, attribute)));
            Assert.Equal([300, -1], OnnxSamples.Parse(model).Graph.Nodes[0].Attributes[0].Ints);
        }
    }

    [Fact]
    public void AnAttributeWithoutTypeIsWhatItHolds()
    {
        byte[] attribute = [.. OnnxSamples.Delimited(1, (byte)'a'), .. OnnxSamples.Number(3, 5)];
        byte[] model = OnnxSamples.Delimited(7, OnnxSamples.Delimited(1, OnnxSamples.Delimited(5, attribute)));
        AttributeProto read = OnnxSamples.Parse(model).Graph.Nodes[0].Attributes[0];
        Assert.Equal((AttributeType.Int, 5), (read.Type, read.Int));
    }

    [Fact]
    public void UnknownFieldsAndGroupsArePassedOver()
    {
        byte[] group = [.. OnnxSamples.Tag(900, WireType.StartGroup), .. OnnxSamples.Number(1, 5), .. OnnxSamples.Tag(2, WireType.StartGroup),
            .. OnnxSamples.Delimited(3, 1, 2), .. OnnxSamples.Tag(2, WireType.EndGroup), .. OnnxSamples.Tag(900, WireType.EndGroup)];
        byte[] unknown = [.. OnnxSamples.Number(1000, 1), .. OnnxSamples.Delimited(1001, 1, 2, 3), .. OnnxSamples.Tag(1002, WireType.Fixed32), 1, 2, 3, 4,
            .. OnnxSamples.Tag((1 << 29) - 1, WireType.Fixed64), 1, 2, 3, 4, 5, 6, 7, 8, .. group];
        byte[] bytes = OnnxSamples.Everything().ToBytes();
        Assert.Equal(bytes, OnnxSamples.Parse([.. unknown, .. bytes, .. unknown]).ToBytes());
    }

    [Fact]
    public void LargeDataGoStraightToTheStream()
    {
        float[] values = new float[100_000];
        for (int i = 0; i < values.Length; i++) values[i] = i;
        using var stream = new MemoryStream();
        new ModelProto { Graph = new() { Initializers = [TensorProto.From(Tensor.From(values, [values.Length]), "w")] } }.Save(stream);
        stream.Position = 0;
        using ModelSource source = ModelSource.FromStream(stream);
        Assert.Equal(values, ModelProto.Parse(source).Graph.Initializers[0].ToTensor().Span<float>().ToArray());
    }

    [Fact]
    public void AFileAppearsWholeOrNotAtAll()
    {
        string folder = Directory.CreateTempSubdirectory("parallax").FullName;
        try
        {
            string path = Path.Combine(folder, "m.onnx");
            ModelProto model = OnnxSamples.Everything();
            model.Save(path);
            Assert.Equal(model.ToBytes(), File.ReadAllBytes(path));
            var broken = new ModelProto { Graph = new() { Initializers = [new() { IsSegment = true }] } };
            Assert.Throws<NotSupportedException>(() => broken.Save(path));
            Assert.Equal(model.ToBytes(), File.ReadAllBytes(path));
            Assert.Equal([path], Directory.GetFiles(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void SequencesAndOptionalsRoundTrip()
    {
        Tensor a = Tensor.From([1f, 2f], [2]), b = Tensor.From([3f], [1, 1]);
        var sequence = new TensorSequence(DType.Float32, [a, b]);
        var tensorType = new TensorTypeProto(DType.Float32);
        Datum RoundTrip(Datum value, TypeProto type)
        {
            using var stream = new MemoryStream();
            DatumFile.Write(value, stream, "v");
            return DatumFile.Read(ByteRegion.Copy(stream.ToArray()), "v.pb", type);
        }

        Assert.Equal([1f, 2f], Assert.IsType<Tensor>(RoundTrip(a, tensorType)).Span<float>().ToArray());
        var read = Assert.IsType<TensorSequence>(RoundTrip(sequence, new SequenceTypeProto(tensorType)));
        Assert.Equal(DType.Float32, read.ElementType);
        Assert.Equal(["Float32[2]", "Float32[1x1]"], read.Items.Select(i => i.ToString()!));
        var empty = Assert.IsType<TensorSequence>(RoundTrip(new TensorSequence(DType.Int64, []), new SequenceTypeProto(new TensorTypeProto(DType.Int64))));
        Assert.Equal((DType.Int64, 0), (empty.ElementType, empty.Items.Count));
        var optional = Assert.IsType<OptionalDatum>(RoundTrip(new OptionalDatum(sequence), new OptionalTypeProto(new SequenceTypeProto(tensorType))));
        Assert.Equal(2, Assert.IsType<TensorSequence>(optional.Value).Items.Count);
        Assert.Equal([1f, 2f], ((Tensor)((OptionalDatum)RoundTrip(new OptionalDatum(a), new OptionalTypeProto(tensorType))).Value!).Span<float>().ToArray());
        Assert.Null(Assert.IsType<OptionalDatum>(RoundTrip(OptionalDatum.None, new OptionalTypeProto(tensorType))).Value);
        var nested = (TensorSequence)RoundTrip(new TensorSequence(DType.Float32, [sequence]), new SequenceTypeProto(new SequenceTypeProto(tensorType)));
        Assert.Equal(2, Assert.IsType<TensorSequence>(Assert.Single(nested.Items)).Items.Count);
    }

    [Fact]
    public void TextOfProseMayBeDamagedButNamesMayNot()
    {
        byte[] graph = OnnxSamples.Delimited(7);
        Assert.Equal("\uFFFD", OnnxSamples.Parse([.. OnnxSamples.Delimited(2, 0xFF), .. graph]).ProducerName);
        var error = Assert.Throws<InvalidModelException>(() => OnnxSamples.Parse(OnnxSamples.Delimited(7, OnnxSamples.Delimited(2, 0xFF))));
        Assert.Equal("test.onnx: byte 4, GraphProto field 2: expected UTF-8 text", error.Message);
        Assert.Equal("ü", OnnxSamples.Parse([.. OnnxSamples.Delimited(2, Encoding.UTF8.GetBytes("ü")), .. graph]).ProducerName);
    }
}
