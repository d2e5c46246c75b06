namespace Parallax.Onnx;

/// <summary>One input or output of a model in a <c>.pb</c> file. Such a file does not say what it holds: the model's type does.</summary>
public static class DatumFile
{
    /// <summary>Reads a file into memory and decodes it.</summary>
    /// <inheritdoc cref="Read(ByteRegion, string, TypeProto)"/>
    public static Datum Read(string path, TypeProto type) => Read(ByteRegion.Of(ModelSource.ReadFile(path)), path, type);

    /// <summary>Decodes the bytes of a file; tensors lie over them.</summary>
    /// <param name="name">Name of the file, for messages.</param>
    /// <param name="type">The type that the model gives to the value.</param>
    /// <exception cref="InvalidModelException">The bytes are not a value of that type.</exception>
    public static Datum Read(ByteRegion bytes, string name, TypeProto type) => type switch
    {
        SparseTensorTypeProto => SparseTensorProto.Parse(new WireReader(bytes, name, nameof(SparseTensorProto))).ToTensor(role: name),
        TensorTypeProto => ReadTensor(bytes, name).ToTensor(role: name),
        SequenceTypeProto => SequenceProto.Parse(new WireReader(bytes, name, nameof(SequenceProto))).ToSequence(ElementType(type)),
        OptionalTypeProto => OptionalProto.Parse(new WireReader(bytes, name, nameof(OptionalProto))).ToOptional(ElementType(type)),
        _ => throw new InvalidModelException($"{name}: expected the value of a tensor, sequence or optional, not of {type}"),
    };

    /// <summary>The message of a file that holds one tensor.</summary>
    public static TensorProto ReadTensor(ByteRegion bytes, string name) => TensorProto.Parse(new WireReader(bytes, name, nameof(TensorProto)));

    /// <summary>Writes a value as the file that <see cref="Read(string, TypeProto)"/> reads; the file appears whole or not at all.</summary>
    public static void Write(Datum value, string path, string name = "") => WireWriter.Write(Message(value, name), path);

    /// <inheritdoc cref="Write(Datum, string, string)"/>
    public static void Write(Datum value, Stream stream, string name = "") => WireWriter.Write(Message(value, name), stream);

    private static IWireMessage Message(Datum value, string name) => value switch
    {
        Tensor tensor => TensorProto.From(tensor, name),
        TensorSequence sequence => SequenceProto.From(sequence, name),
        OptionalDatum optional => OptionalProto.From(optional, name),
        _ => throw new ArgumentException($"a {value.GetType().Name} cannot be written", nameof(value)),
    };

    /// <summary>The element type of the tensors inside a type.</summary>
    private static DType ElementType(TypeProto? type) => type switch
    {
        TensorTypeProto tensor => tensor.ElemType,
        SequenceTypeProto sequence => ElementType(sequence.ElemType),
        OptionalTypeProto optional => ElementType(optional.ElemType),
        _ => DType.Undefined,
    };
}
