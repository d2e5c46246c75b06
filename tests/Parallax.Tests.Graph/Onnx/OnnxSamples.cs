using Parallax.Onnx;

namespace Parallax.Tests.Onnx;

/// <summary>Small models and the bytes of hand-made messages.</summary>
internal static class OnnxSamples
{
    /// <summary>A model in which every message and every kind of attribute and type occurs.</summary>
    internal static ModelProto Everything()
    {
        TensorProto tensor = TensorProto.From(Tensor.From([1f, -2.5f, 3f], [3]), "w");
        var sparse = new SparseTensorProto
        {
            Values = TensorProto.From(Tensor.From([4f, 5f], [2]), "s"),
            Indices = TensorProto.From(Tensor.From([1L, 5L], [2])),
            Dims = [2, 3],
        };
        var body = new GraphProto { Name = "body", Nodes = [new() { OpType = "Identity", Inputs = ["a"], Outputs = ["b"] }], Outputs = [new("b")] };
        var type = new TensorTypeProto(DType.Float32, ["batch", 3, default, 0L]) { Denotation = "IMAGE" };
        AttributeProto[] attributes =
        [
            new("f", 1.5f), new("f0", 0f), new("i", -7), new("i0", 0L), new("s", "text"), new("s0", ""), new("bytes", ByteRegion.Copy([0xFF, 0, 0x80])),
            new("t", tensor), new("g", body), new("sp", sparse), new("tp", type), new("floats", [1f, float.NaN, -0f]), new("ints", [1L, -1, long.MinValue]),
            new("strings", ["a", "", "ü"]), new("tensors", [tensor, tensor]), new("graphs", [body]), new("sparses", [sparse]),
            new("types", new TypeProto[] { type }), AttributeProto.Reference("alpha", "slope", AttributeType.Float), new("none", Array.Empty<long>()),
        ];
        var values = new ValueInfoProto[]
        {
            new("x", type, "an image"), new("any", new TensorTypeProto(DType.Int64)), new("scalar", new TensorTypeProto(DType.Bool, [])),
            new("seq", new SequenceTypeProto(type)), new("opt", new OptionalTypeProto(new SequenceTypeProto(type))),
            new("map", new MapTypeProto(DType.String, type)), new("sparse", new SparseTensorTypeProto(DType.Float32, [2L, 3L])),
            new("opaque", new OpaqueTypeProto("d", "n")), new("untyped"),
        };
        return new()
        {
            IrVersion = 10,
            ProducerName = "parallax",
            ProducerVersion = "1",
            Domain = "d",
            ModelVersion = 3,
            DocString = "doc",
            OpsetImport = [new("", 21), new("com.example", 1)],
            MetadataProps = [new("k", "v")],
            Graph = new()
            {
                Name = "g",
                DocString = "graph",
                Nodes = [new() { OpType = "Op", Domain = "com.example", Overload = "o", Name = "n", DocString = "node", Inputs = ["x", "", "w"], Outputs = ["y"], Attributes = attributes }],
                Initializers =
                [
                    tensor, TensorProto.From(Tensor.FromStrings(["a", "", "ü"], [3]), "strings"),
                    new() { Name = "typed", DocString = "t", DataType = DType.Int64, Dims = [2], TypedData = ByteRegion.Copy([1, 0x80, 1]) },
                    new() { Name = "external", DataType = DType.Float32, Dims = [4], IsExternal = true, ExternalData = [new("location", "w.bin"), new("offset", "8")] },
                ],
                SparseInitializers = [sparse],
                Inputs = values,
                Outputs = [new("y")],
                ValueInfo = [new("z", type)],
            },
            Functions =
            [
                new()
                {
                    Name = "Op", Domain = "com.example", Overload = "o", DocString = "f", Inputs = ["a", "b"], Outputs = ["c"], Attributes = ["slope"],
                    AttributeDefaults = [new("beta", 2f)], Nodes = [new() { OpType = "Add", Inputs = ["a", "b"], Outputs = ["c"] }],
                    OpsetImport = [new("", 21)], ValueInfo = [new("c", type)],
                },
            ],
        };
    }

    internal static ModelProto Parse(ReadOnlySpan<byte> bytes) => ModelProto.Parse(ByteRegion.Copy(bytes), "test.onnx");

    internal static TensorProto ParseTensor(ReadOnlySpan<byte> bytes) => DatumFile.ReadTensor(ByteRegion.Copy(bytes), "test.pb");

    /// <summary>Decodes everything in a model that can be decoded.</summary>
    internal static void DecodeAll(ModelProto model, ModelSource? source = null)
    {
        Decode(model.Graph);
        foreach (FunctionProto function in model.Functions) DecodeNodes(function.Nodes);

        void Decode(GraphProto graph)
        {
            foreach (TensorProto tensor in graph.Initializers) tensor.ToTensor(source);
            foreach (SparseTensorProto tensor in graph.SparseInitializers) tensor.ToTensor(source);
            DecodeNodes(graph.Nodes);
        }

        void DecodeNodes(IReadOnlyList<NodeProto> nodes)
        {
            foreach (AttributeProto attribute in nodes.SelectMany(n => n.Attributes))
                if (attribute.RefAttrName.Length > 0) continue;
                else if (attribute.Type == AttributeType.Tensor) attribute.Tensor.ToTensor(source, "attribute");
                else if (attribute.Type == AttributeType.Graph) Decode(attribute.Graph);
        }
    }

    /// <summary>A field's tag.</summary>
    internal static byte[] Tag(int field, WireType type) => Varint(((ulong)field << 3) | (uint)type);

    internal static byte[] Varint(ulong value)
    {
        List<byte> bytes = [];
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return [.. bytes];
    }

    /// <summary>A length-delimited field.</summary>
    internal static byte[] Delimited(int field, params byte[] body) => [.. Tag(field, WireType.Length), .. Varint((ulong)body.Length), .. body];

    /// <summary>A varint field.</summary>
    internal static byte[] Number(int field, long value) => [.. Tag(field, WireType.Varint), .. Varint((ulong)value)];
}
