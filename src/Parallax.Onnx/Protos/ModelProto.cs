namespace Parallax.Onnx;

/// <summary>An operator set that a model or function relies on.</summary>
/// <param name="Domain">The empty string is ONNX's own domain, <c>ai.onnx</c>.</param>
public sealed record OperatorSetId(string Domain, long Version) : IWireMessage
{
    internal static OperatorSetId Parse(WireReader reader)
    {
        string domain = "";
        long version = 0;
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: domain = reader.String(); break;
                case 2: version = reader.Int64(); break;
                default: reader.Skip(); break;
            }
        return new(domain, version);
    }

    public void Write(WireWriter writer)
    {
        writer.String(1, Domain);
        writer.Int64(2, Version);
    }
}

/// <summary>A key and its value, in metadata and in the place of external data.</summary>
public sealed record StringStringEntry(string Key, string Value) : IWireMessage
{
    internal static StringStringEntry Parse(WireReader reader)
    {
        string key = "", value = "";
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: key = reader.String(); break;
                case 2: value = reader.Prose(); break;
                default: reader.Skip(); break;
            }
        return new(key, value);
    }

    public void Write(WireWriter writer)
    {
        writer.String(1, Key);
        writer.String(2, Value);
    }
}

/// <summary>
/// An ONNX file: the message as it is written, before any meaning is given to it. Training information, device configurations,
/// quantization annotations and the metadata of single nodes and values are not kept. Tensor data stay where they are in the file.
/// </summary>
public sealed class ModelProto : IWireMessage
{
    public long IrVersion { get; init; }

    public string ProducerName { get; init; } = "";

    public string ProducerVersion { get; init; } = "";

    public string Domain { get; init; } = "";

    public long ModelVersion { get; init; }

    public string DocString { get; init; } = "";

    public required GraphProto Graph { get; init; }

    public IReadOnlyList<OperatorSetId> OpsetImport { get; init; } = [];

    public IReadOnlyList<StringStringEntry> MetadataProps { get; init; } = [];

    public IReadOnlyList<FunctionProto> Functions { get; init; } = [];

    /// <summary>Reads the model of <paramref name="source"/>, whose bytes must stay valid as long as tensors of the model are used.</summary>
    /// <exception cref="InvalidModelException">The bytes are not an ONNX model.</exception>
    public static ModelProto Parse(ModelSource source)
    {
        ModelProto model = Parse(ByteRegion.Of(source.Main), source.Name);
        GC.KeepAlive(source); // spans over mapped memory do not keep the mapping
        return model;
    }

    /// <inheritdoc cref="Parse(ModelSource)"/>
    /// <param name="name">Name of the file, for messages.</param>
    public static ModelProto Parse(ByteRegion bytes, string name)
    {
        long irVersion = 0, modelVersion = 0;
        string producerName = "", producerVersion = "", domain = "", docString = "";
        GraphProto? graph = null;
        List<OperatorSetId> opsetImport = [];
        List<StringStringEntry> metadata = [];
        List<FunctionProto> functions = [];
        var reader = new WireReader(bytes, name, nameof(ModelProto));
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: irVersion = reader.Int64(); break;
                case 2: producerName = reader.Prose(); break;
                case 3: producerVersion = reader.Prose(); break;
                case 4: domain = reader.String(); break;
                case 5: modelVersion = reader.Int64(); break;
                case 6: docString = reader.Prose(); break;
                case 7: graph = GraphProto.Parse(reader.Message(nameof(GraphProto))); break;
                case 8: opsetImport.Add(OperatorSetId.Parse(reader.Message(nameof(OperatorSetId)))); break;
                case 14: metadata.Add(StringStringEntry.Parse(reader.Message(nameof(StringStringEntry)))); break;
                case 25: functions.Add(FunctionProto.Parse(reader.Message(nameof(FunctionProto)))); break;
                default: reader.Skip(); break;
            }
        return new()
        {
            IrVersion = irVersion,
            ProducerName = producerName,
            ProducerVersion = producerVersion,
            Domain = domain,
            ModelVersion = modelVersion,
            DocString = docString,
            Graph = graph ?? throw new InvalidModelException($"{name}: expected an ONNX model, but there is no graph in it"),
            OpsetImport = opsetImport,
            MetadataProps = metadata,
            Functions = functions,
        };
    }

    public void Write(WireWriter writer)
    {
        writer.Int64(1, IrVersion);
        writer.String(2, ProducerName);
        writer.String(3, ProducerVersion);
        writer.String(4, Domain);
        writer.Int64(5, ModelVersion);
        writer.String(6, DocString);
        writer.Message(7, Graph);
        writer.Messages(8, OpsetImport);
        writer.Messages(14, MetadataProps);
        writer.Messages(25, Functions);
    }

    /// <summary>The file's bytes; at most 2 GiB.</summary>
    public byte[] ToBytes() => WireWriter.ToBytes(this);

    /// <inheritdoc cref="WireWriter.Write(IWireMessage, Stream)"/>
    public void Save(Stream stream) => WireWriter.Write(this, stream);

    /// <inheritdoc cref="WireWriter.Write(IWireMessage, string)"/>
    public void Save(string path) => WireWriter.Write(this, path);

    public override string ToString() =>
        $"{ProducerName} {ProducerVersion} IR {IrVersion}, {string.Join(", ", OpsetImport.Select(o => $"{(o.Domain.Length == 0 ? "ai.onnx" : o.Domain)} {o.Version}"))}: {Graph}";
}
