namespace Parallax.Onnx;

/// <summary>
/// A tensor as a file holds it. The data are windows of the file; <see cref="ToTensor"/> gives them their meaning and checks them.
/// </summary>
public sealed class TensorProto : IWireMessage
{
    public string Name { get; init; } = "";

    public string DocString { get; init; } = "";

    public long[] Dims { get; init; } = [];

    public DType DataType { get; init; }

    /// <summary>The elements as they lie in memory, little-endian; empty where they are given in another way.</summary>
    public ByteRegion RawData { get; init; }

    /// <summary>
    /// The packed form of the typed field that belongs to <see cref="DataType"/> (<c>float_data</c>, <c>int32_data</c>, <c>int64_data</c>,
    /// <c>double_data</c> or <c>uint64_data</c>).
    /// </summary>
    public ByteRegion TypedData { get; init; }

    /// <summary>The elements of a string tensor, in UTF-8.</summary>
    public IReadOnlyList<ByteRegion> StringData { get; init; } = [];

    /// <summary>Whether the data lie in another file, said by <see cref="ExternalData"/>.</summary>
    public bool IsExternal { get; init; }

    /// <summary>The keys <c>location</c>, <c>offset</c> and <c>length</c>, and perhaps others.</summary>
    public IReadOnlyList<StringStringEntry> ExternalData { get; init; } = [];

    /// <summary>Whether this is one part of a tensor in several messages, which no known writer makes and which cannot be read.</summary>
    public bool IsSegment { get; init; }

    /// <summary>
    /// The tensor itself. It lies over the file's own bytes, which must then stay valid and must not be written to, except where
    /// they are not aligned to the element's size or are encoded.
    /// </summary>
    /// <param name="source">Where external data are found; null where there can be none.</param>
    /// <param name="role">What the tensor is to the model, for messages.</param>
    /// <exception cref="InvalidModelException">The data disagree with the type and dims, or cannot be had.</exception>
    public Tensor ToTensor(ModelSource? source = null, string role = "initializer") => TensorDecoder.Decode(this, source, role);

    /// <summary>The message for <paramref name="tensor"/>, over its bytes.</summary>
    public static TensorProto From(Tensor tensor, string name = "") => new()
    {
        Name = name,
        Dims = tensor.Dims.ToArray(),
        DataType = tensor.DType,
        RawData = tensor.Storage is null ? default : new ByteRegion(tensor.Storage, tensor.ByteOffset, tensor.ByteCount),
        StringData = tensor.DType == DType.String ? [.. tensor.Strings.ToArray().Select(ByteRegion.Utf8)] : [],
    };

    internal static TensorProto Parse(WireReader reader)
    {
        string name = "", docString = "";
        List<long> dims = [];
        var type = DType.Undefined;
        PackedField floats = default, int32s = default, int64s = default, doubles = default, uint64s = default;
        ByteRegion raw = default;
        List<ByteRegion>? strings = null;
        List<StringStringEntry>? external = null;
        bool isExternal = false, isSegment = false;
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: reader.Int64s(dims); break;
                case 2: type = reader.DType(); break;
                case 3: reader.Skip(); isSegment = true; break;
                case 4: reader.Packed(WireType.Fixed32, ref floats); break;
                case 5: reader.Packed(WireType.Varint, ref int32s); break;
                case 6: (strings ??= []).Add(reader.Bytes()); break;
                case 7: reader.Packed(WireType.Varint, ref int64s); break;
                case 8: name = reader.String(); break;
                case 9: raw = reader.Bytes(); break;
                case 10: reader.Packed(WireType.Fixed64, ref doubles); break;
                case 11: reader.Packed(WireType.Varint, ref uint64s); break;
                case 12: docString = reader.Prose(); break;
                case 13: (external ??= []).Add(StringStringEntry.Parse(reader.Message(nameof(StringStringEntry)))); break;
                case 14: isExternal = reader.Int64() == 1; break;
                default: reader.Skip(); break;
            }
        PackedField typed = TypedField(type) switch { 4 => floats, 5 => int32s, 7 => int64s, 10 => doubles, 11 => uint64s, _ => default };
        return new()
        {
            Name = name,
            DocString = docString,
            Dims = [.. dims],
            DataType = type,
            RawData = raw,
            TypedData = typed.Region,
            StringData = strings ?? [],
            IsExternal = isExternal,
            ExternalData = external ?? [],
            IsSegment = isSegment,
        };
    }

    public void Write(WireWriter writer)
    {
        if (IsSegment) throw new NotSupportedException($"tensor '{Name}' is a segment, which cannot be written");
        writer.Int64s(1, Dims);
        writer.Int64(2, (long)DataType);
        if (TypedField(DataType) is var field and not 0) writer.Bytes(field, TypedData);
        foreach (ByteRegion text in StringData) writer.AlwaysBytes(6, text);
        writer.String(8, Name);
        writer.Bytes(9, RawData);
        writer.String(12, DocString);
        writer.Messages(13, ExternalData);
        writer.Int64(14, IsExternal ? 1 : 0);
    }

    public override string ToString() => $"{Name}: {DataType}{Shape.ToString(Dims)}";

    /// <summary>Number of the typed field that holds elements of <paramref name="type"/>; 0 where there is none.</summary>
    internal static int TypedField(DType type) => type switch
    {
        DType.Float32 or DType.Complex64 => 4,
        DType.Float64 or DType.Complex128 => 10,
        DType.Int64 => 7,
        DType.UInt32 or DType.UInt64 => 11,
        DType.Undefined or DType.String => 0,
        _ => 5,
    };
}

/// <summary>A tensor given by its elements other than zero.</summary>
public sealed class SparseTensorProto : IWireMessage
{
    /// <summary>The elements other than zero; its name is the name of the sparse tensor.</summary>
    public required TensorProto Values { get; init; }

    /// <summary>Where the values belong: <c>[count]</c> row-major positions or <c>[count x rank]</c> coordinates.</summary>
    public required TensorProto Indices { get; init; }

    public long[] Dims { get; init; } = [];

    /// <summary>The same tensor with its zeros; at most 2 GiB.</summary>
    /// <inheritdoc cref="TensorProto.ToTensor"/>
    public Tensor ToTensor(ModelSource? source = null, string role = "sparse initializer") => SparseDecoder.Decode(this, source, role);

    internal static SparseTensorProto Parse(WireReader reader)
    {
        TensorProto? values = null, indices = null;
        List<long> dims = [];
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: values = TensorProto.Parse(reader.Message(nameof(TensorProto))); break;
                case 2: indices = TensorProto.Parse(reader.Message(nameof(TensorProto))); break;
                case 3: reader.Int64s(dims); break;
                default: reader.Skip(); break;
            }
        return new()
        {
            Values = values ?? throw reader.Malformed("a sparse tensor's values"),
            Indices = indices ?? throw reader.Malformed("a sparse tensor's indices"),
            Dims = [.. dims],
        };
    }

    public void Write(WireWriter writer)
    {
        writer.Message(1, Values);
        writer.Message(2, Indices);
        writer.Int64s(3, Dims);
    }
}
