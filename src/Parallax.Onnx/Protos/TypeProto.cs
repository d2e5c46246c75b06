namespace Parallax.Onnx;

/// <summary>A dimension as a file states it: a number, a name, or neither (unknown).</summary>
public readonly record struct DimensionProto(long? Value, string? Param = null) : IWireMessage
{
    public static implicit operator DimensionProto(long value) => new(value);

    public static implicit operator DimensionProto(string param) => new(null, param);

    internal static DimensionProto Parse(WireReader reader)
    {
        long? value = null;
        string? param = null;
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: (value, param) = (reader.Int64(), null); break;
                case 2: (value, param) = (null, reader.String()); break;
                default: reader.Skip(); break;
            }
        return new(value, param);
    }

    public void Write(WireWriter writer)
    {
        if (Value is { } value) writer.AlwaysInt64(1, value);
        else if (Param is not null) writer.AlwaysString(2, Param);
    }

    public override string ToString() => Value?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? (Param is null or "" ? "?" : Param);
}

/// <summary>The type of a value, as a file states it.</summary>
public abstract record TypeProto : IWireMessage
{
    /// <summary>What the value means (an image, say), where the exporter says so.</summary>
    public string Denotation { get; init; } = "";

    /// <summary>Null where the message names no kind of type.</summary>
    internal static TypeProto? Parse(WireReader reader)
    {
        TypeProto? type = null;
        string denotation = "";
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: type = TensorTypeProto.Parse(reader.Message(nameof(TensorTypeProto)), sparse: false); break;
                case 4: type = new SequenceTypeProto(ParseElement(reader.Message(nameof(SequenceTypeProto)))); break;
                case 5: type = MapTypeProto.ParseMap(reader.Message(nameof(MapTypeProto))); break;
                case 6: denotation = reader.Prose(); break;
                case 7: type = OpaqueTypeProto.ParseOpaque(reader.Message(nameof(OpaqueTypeProto))); break;
                case 8: type = TensorTypeProto.Parse(reader.Message(nameof(SparseTensorTypeProto)), sparse: true); break;
                case 9: type = new OptionalTypeProto(ParseElement(reader.Message(nameof(OptionalTypeProto)))); break;
                default: reader.Skip(); break;
            }
        return type is null || denotation.Length == 0 ? type : type with { Denotation = denotation };
    }

    public void Write(WireWriter writer)
    {
        WriteKind(writer);
        writer.String(6, Denotation);
    }

    private protected abstract void WriteKind(WireWriter writer);

    private static TypeProto? ParseElement(WireReader reader)
    {
        TypeProto? element = null;
        while (reader.Next())
            if (reader.Field == 1) element = Parse(reader.Message(nameof(TypeProto)));
            else reader.Skip();
        return element;
    }
}

/// <summary>A dense tensor. A null shape means that not even the rank is known.</summary>
public record TensorTypeProto(DType ElemType, IReadOnlyList<DimensionProto>? Shape = null) : TypeProto
{
    internal static TypeProto Parse(WireReader reader, bool sparse)
    {
        var elemType = DType.Undefined;
        List<DimensionProto>? shape = null;
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: elemType = reader.DType(); break;
                case 2: shape = ParseShape(reader.Message("TensorShapeProto")); break;
                default: reader.Skip(); break;
            }
        return sparse ? new SparseTensorTypeProto(elemType, shape) : new TensorTypeProto(elemType, shape);
    }

    private protected override void WriteKind(WireWriter writer) => WriteTensor(writer, 1);

    private protected void WriteTensor(WireWriter writer, int field) => writer.Message(field, w =>
    {
        w.Int64(1, (long)ElemType);
        if (Shape is not null) w.Message(2, shape => shape.Messages(1, Shape.Select(d => (IWireMessage)d)));
    });

    private static List<DimensionProto> ParseShape(WireReader reader)
    {
        List<DimensionProto> dims = [];
        while (reader.Next())
            if (reader.Field == 1) dims.Add(DimensionProto.Parse(reader.Message("Dimension")));
            else reader.Skip();
        return dims;
    }

    public sealed override string ToString() =>
        $"{(this is SparseTensorTypeProto ? "sparse " : "")}{ElemType}{(Shape is null ? "" : $"[{string.Join('x', Shape)}]")}";
}

/// <summary>A sparse tensor.</summary>
public sealed record SparseTensorTypeProto(DType ElemType, IReadOnlyList<DimensionProto>? Shape = null) : TensorTypeProto(ElemType, Shape)
{
    private protected override void WriteKind(WireWriter writer) => WriteTensor(writer, 8);
}

/// <summary>A sequence; its element type is null where the file does not say.</summary>
public sealed record SequenceTypeProto(TypeProto? ElemType) : TypeProto
{
    private protected override void WriteKind(WireWriter writer) => writer.Message(4, w => w.Message(1, ElemType));

    public override string ToString() => $"sequence({ElemType})";
}

/// <summary>A value that may be absent; its element type is null where the file does not say.</summary>
public sealed record OptionalTypeProto(TypeProto? ElemType) : TypeProto
{
    private protected override void WriteKind(WireWriter writer) => writer.Message(9, w => w.Message(1, ElemType));

    public override string ToString() => $"optional({ElemType})";
}

/// <summary>A map from integers or strings.</summary>
public sealed record MapTypeProto(DType KeyType, TypeProto? ValueType) : TypeProto
{
    internal static MapTypeProto ParseMap(WireReader reader)
    {
        var key = DType.Undefined;
        TypeProto? value = null;
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: key = reader.DType(); break;
                case 2: value = Parse(reader.Message(nameof(TypeProto))); break;
                default: reader.Skip(); break;
            }
        return new(key, value);
    }

    private protected override void WriteKind(WireWriter writer) => writer.Message(5, w =>
    {
        w.Int64(1, (long)KeyType);
        w.Message(2, ValueType);
    });

    public override string ToString() => $"map({KeyType}, {ValueType})";
}

/// <summary>A type that only the domain that defines it understands.</summary>
public sealed record OpaqueTypeProto(string Domain, string Name) : TypeProto
{
    internal static OpaqueTypeProto ParseOpaque(WireReader reader)
    {
        string domain = "", name = "";
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: domain = reader.String(); break;
                case 2: name = reader.String(); break;
                default: reader.Skip(); break;
            }
        return new(domain, name);
    }

    private protected override void WriteKind(WireWriter writer) => writer.Message(7, w =>
    {
        w.String(1, Domain);
        w.String(2, Name);
    });

    public override string ToString() => $"opaque({Domain}.{Name})";
}
