namespace Parallax.Onnx;

/// <summary>What an attribute holds. The numbers are those of ONNX's <c>AttributeProto.AttributeType</c>.</summary>
public enum AttributeType
{
    Undefined = 0,
    Float = 1,
    Int = 2,
    String = 3,
    Tensor = 4,
    Graph = 5,
    Floats = 6,
    Ints = 7,
    Strings = 8,
    Tensors = 9,
    Graphs = 10,
    SparseTensor = 11,
    SparseTensors = 12,
    TypeProto = 13,
    TypeProtos = 14,
}

/// <summary>
/// A named attribute of a node. Which value it has is said by <see cref="Type"/>; reading another one throws
/// <see cref="InvalidModelException"/>. Where <see cref="RefAttrName"/> is set, it stands for the attribute of that name of the calling function's node.
/// </summary>
public sealed class AttributeProto : IWireMessage
{
    private readonly object? value;

    private AttributeProto(string name, AttributeType type, object? value, string refAttrName = "", string docString = "")
    {
        (Name, Type, this.value, RefAttrName, DocString) = (name, type, value, refAttrName, docString);
    }

    public AttributeProto(string name, float value) : this(name, AttributeType.Float, value)
    {
    }

    public AttributeProto(string name, long value) : this(name, AttributeType.Int, value)
    {
    }

    public AttributeProto(string name, string value) : this(name, AttributeType.String, ByteRegion.Utf8(value))
    {
    }

    public AttributeProto(string name, ByteRegion value) : this(name, AttributeType.String, (object)value)
    {
    }

    public AttributeProto(string name, TensorProto value) : this(name, AttributeType.Tensor, value)
    {
    }

    public AttributeProto(string name, GraphProto value) : this(name, AttributeType.Graph, value)
    {
    }

    public AttributeProto(string name, SparseTensorProto value) : this(name, AttributeType.SparseTensor, value)
    {
    }

    public AttributeProto(string name, TypeProto value) : this(name, AttributeType.TypeProto, value)
    {
    }

    public AttributeProto(string name, float[] values) : this(name, AttributeType.Floats, values)
    {
    }

    public AttributeProto(string name, long[] values) : this(name, AttributeType.Ints, values)
    {
    }

    public AttributeProto(string name, IEnumerable<string> values) : this(name, AttributeType.Strings, values.Select(ByteRegion.Utf8).ToList())
    {
    }

    public AttributeProto(string name, IReadOnlyList<TensorProto> values) : this(name, AttributeType.Tensors, values)
    {
    }

    public AttributeProto(string name, IReadOnlyList<GraphProto> values) : this(name, AttributeType.Graphs, values)
    {
    }

    public AttributeProto(string name, IReadOnlyList<SparseTensorProto> values) : this(name, AttributeType.SparseTensors, values)
    {
    }

    public AttributeProto(string name, IReadOnlyList<TypeProto> values) : this(name, AttributeType.TypeProtos, values)
    {
    }

    /// <summary>An attribute of a node in a function's body that takes its value from the function's attribute <paramref name="refAttrName"/>.</summary>
    public static AttributeProto Reference(string name, string refAttrName, AttributeType type) => new(name, type, null, refAttrName);

    public string Name { get; }

    public string RefAttrName { get; }

    public string DocString { get; }

    /// <summary>Where an old file does not state it, it is the kind of the value found.</summary>
    public AttributeType Type { get; }

    public float Float => Get<float>(AttributeType.Float);

    public long Int => Get<long>(AttributeType.Int);

    /// <summary>The bytes of a string, which need not be text.</summary>
    public ByteRegion Bytes => Get<ByteRegion>(AttributeType.String);

    /// <summary>A string that is text.</summary>
    public string Text => ToText(Bytes);

    public TensorProto Tensor => Get<TensorProto>(AttributeType.Tensor);

    public GraphProto Graph => Get<GraphProto>(AttributeType.Graph);

    public SparseTensorProto SparseTensor => Get<SparseTensorProto>(AttributeType.SparseTensor);

    public TypeProto TypeProto => Get<TypeProto>(AttributeType.TypeProto);

    public float[] Floats => Get<float[]>(AttributeType.Floats);

    public long[] Ints => Get<long[]>(AttributeType.Ints);

    public IReadOnlyList<ByteRegion> ByteStrings => Get<IReadOnlyList<ByteRegion>>(AttributeType.Strings);

    public IReadOnlyList<string> Strings => [.. ByteStrings.Select(ToText)];

    public IReadOnlyList<TensorProto> Tensors => Get<IReadOnlyList<TensorProto>>(AttributeType.Tensors);

    public IReadOnlyList<GraphProto> Graphs => Get<IReadOnlyList<GraphProto>>(AttributeType.Graphs);

    public IReadOnlyList<SparseTensorProto> SparseTensors => Get<IReadOnlyList<SparseTensorProto>>(AttributeType.SparseTensors);

    public IReadOnlyList<TypeProto> TypeProtos => Get<IReadOnlyList<TypeProto>>(AttributeType.TypeProtos);

    /// <summary>The same attribute under another name, as where a call of a function is replaced by its body.</summary>
    public AttributeProto Renamed(string name) => new(name, Type, value, RefAttrName, DocString);

    private T Get<T>(AttributeType type) => Type == type && value is T typed
        ? typed
        : throw new InvalidModelException(RefAttrName.Length > 0
            ? $"attribute '{Name}' refers to '{RefAttrName}' of a function, but stands outside of one"
            : $"attribute '{Name}' must be of type {type}, but is {(value is null ? "empty" : Type)}");

    private string ToText(ByteRegion bytes) =>
        bytes.TryGetText(out string text) ? text : throw new InvalidModelException($"attribute '{Name}' must be UTF-8 text");

    internal static AttributeProto Parse(WireReader reader)
    {
        string name = "", refAttrName = "", docString = "";
        var type = AttributeType.Undefined;
        var found = new Found();
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: name = reader.String(); break;
                case 13: docString = reader.Prose(); break;
                case 20: type = ParseType(ref reader); break;
                case 21: refAttrName = reader.String(); break;
                default: found.Take(ref reader); break;
            }
        if (type == AttributeType.Undefined && refAttrName.Length == 0) type = found.First;
        return new(name, type, refAttrName.Length > 0 ? null : found.Value(type), refAttrName, docString);
    }

    private static AttributeType ParseType(ref WireReader reader)
    {
        long code = reader.Int64();
        return code is >= 0 and <= (long)AttributeType.TypeProtos ? (AttributeType)code : throw reader.Malformed($"an attribute type from 0 to 14, not {code}");
    }

    public void Write(WireWriter writer)
    {
        writer.String(1, Name);
        if (value is not null) WriteValue(writer);
        writer.String(13, DocString);
        writer.Int64(20, (long)Type);
        writer.String(21, RefAttrName);
    }

    private void WriteValue(WireWriter writer)
    {
        switch (Type)
        {
            case AttributeType.Float: writer.Single(2, Float); break;
            case AttributeType.Int: writer.Int64(3, Int); break;
            case AttributeType.String: writer.Bytes(4, Bytes); break;
            case AttributeType.Tensor: writer.Message(5, Tensor); break;
            case AttributeType.Graph: writer.Message(6, Graph); break;
            case AttributeType.Floats: writer.Singles(7, Floats); break;
            case AttributeType.Ints: writer.Int64s(8, Ints); break;
            case AttributeType.Strings:
                foreach (ByteRegion bytes in ByteStrings) writer.AlwaysBytes(9, bytes);
                break;
            case AttributeType.Tensors: writer.Messages(10, Tensors); break;
            case AttributeType.Graphs: writer.Messages(11, Graphs); break;
            case AttributeType.TypeProto: writer.Message(14, TypeProto); break;
            case AttributeType.TypeProtos: writer.Messages(15, TypeProtos); break;
            case AttributeType.SparseTensor: writer.Message(22, SparseTensor); break;
            case AttributeType.SparseTensors: writer.Messages(23, SparseTensors); break;
        }
    }

    public override string ToString() => $"{Name}: {Type}{(RefAttrName.Length == 0 ? "" : $" = ref {RefAttrName}")}";

    /// <summary>The value fields of a message. Several may occur, and the type may come after all of them.</summary>
    private struct Found
    {
        private float single;
        private long integer;
        private object? message; // of a field that holds one
        private AttributeType messageType;
        private ByteRegion bytes;
        private List<float>? floats;
        private List<long>? ints;
        private List<ByteRegion>? strings;
        private List<TensorProto>? tensors;
        private List<GraphProto>? graphs;
        private List<SparseTensorProto>? sparseTensors;
        private List<TypeProto>? types;

        /// <summary>The kind of the first value field.</summary>
        internal AttributeType First { get; private set; }

        internal void Take(ref WireReader reader)
        {
            AttributeType kind = Kind(reader.Field);
            if (First == AttributeType.Undefined) First = kind;
            switch (kind)
            {
                case AttributeType.Float: single = reader.Single(); break;
                case AttributeType.Int: integer = reader.Int64(); break;
                case AttributeType.String: bytes = reader.Bytes(); break;
                case AttributeType.Floats: reader.Singles(floats ??= []); break;
                case AttributeType.Ints: reader.Int64s(ints ??= []); break;
                case AttributeType.Strings: (strings ??= []).Add(reader.Bytes()); break;
                case AttributeType.Tensors: (tensors ??= []).Add(TensorProto.Parse(reader.Message(nameof(TensorProto)))); break;
                case AttributeType.Graphs: (graphs ??= []).Add(GraphProto.Parse(reader.Message(nameof(GraphProto)))); break;
                case AttributeType.SparseTensors: (sparseTensors ??= []).Add(SparseTensorProto.Parse(reader.Message(nameof(SparseTensorProto)))); break;
                case AttributeType.TypeProtos: (types ??= []).Add(ParseTypeProto(ref reader)); break;
                case AttributeType.Undefined: reader.Skip(); break;
                default:
                    message = ParseMessage(kind, ref reader);
                    messageType = kind;
                    break;
            }
        }

        internal readonly object? Value(AttributeType type) => type switch
        {
            AttributeType.Undefined => null,
            AttributeType.Float => single, // a number or string of the default value is not written
            AttributeType.Int => integer,
            AttributeType.String => bytes,
            AttributeType.Floats => floats?.ToArray() ?? [],
            AttributeType.Ints => ints?.ToArray() ?? [],
            AttributeType.Strings => strings ?? [],
            AttributeType.Tensors => tensors ?? [],
            AttributeType.Graphs => graphs ?? [],
            AttributeType.SparseTensors => sparseTensors ?? [],
            AttributeType.TypeProtos => types ?? [],
            _ => messageType == type ? message : null,
        };

        private static object ParseMessage(AttributeType kind, ref WireReader reader) => kind switch
        {
            AttributeType.Tensor => TensorProto.Parse(reader.Message(nameof(TensorProto))),
            AttributeType.Graph => GraphProto.Parse(reader.Message(nameof(GraphProto))),
            AttributeType.SparseTensor => SparseTensorProto.Parse(reader.Message(nameof(SparseTensorProto))),
            _ => ParseTypeProto(ref reader),
        };

        private static TypeProto ParseTypeProto(ref WireReader reader)
        {
            long start = reader.Position;
            return Onnx.TypeProto.Parse(reader.Message(nameof(Onnx.TypeProto))) ?? throw reader.Malformed("a type", start);
        }

        private static AttributeType Kind(int field) => field switch
        {
            2 => AttributeType.Float,
            3 => AttributeType.Int,
            4 => AttributeType.String,
            5 => AttributeType.Tensor,
            6 => AttributeType.Graph,
            7 => AttributeType.Floats,
            8 => AttributeType.Ints,
            9 => AttributeType.Strings,
            10 => AttributeType.Tensors,
            11 => AttributeType.Graphs,
            14 => AttributeType.TypeProto,
            15 => AttributeType.TypeProtos,
            22 => AttributeType.SparseTensor,
            23 => AttributeType.SparseTensors,
            _ => AttributeType.Undefined,
        };
    }
}
