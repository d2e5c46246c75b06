namespace Parallax.Onnx;

/// <summary>What a sequence or optional holds. The numbers are those of <c>SequenceProto.DataType</c> and <c>OptionalProto.DataType</c>.</summary>
public enum DataKind
{
    Undefined = 0,
    Tensor = 1,
    SparseTensor = 2,
    Sequence = 3,
    Map = 4,
    Optional = 5,
}

/// <summary>A sequence as a data file holds it. Maps are not kept.</summary>
public sealed class SequenceProto : IWireMessage
{
    public string Name { get; init; } = "";

    public DataKind ElemType { get; init; }

    public IReadOnlyList<TensorProto> Tensors { get; init; } = [];

    public IReadOnlyList<SparseTensorProto> SparseTensors { get; init; } = [];

    public IReadOnlyList<SequenceProto> Sequences { get; init; } = [];

    public IReadOnlyList<OptionalProto> Optionals { get; init; } = [];

    /// <summary>The sequence itself.</summary>
    /// <param name="type">Element type of the tensors inside, for a sequence that is empty.</param>
    public TensorSequence ToSequence(DType type = DType.Undefined)
    {
        List<Datum> items = ElemType switch
        {
            DataKind.Undefined or DataKind.Tensor => [.. Tensors.Select(t => t.ToTensor(role: "element"))],
            DataKind.SparseTensor => [.. SparseTensors.Select(t => t.ToTensor(role: "element"))],
            DataKind.Sequence => [.. Sequences.Select(s => s.ToSequence(type))],
            DataKind.Optional => [.. Optionals.Select(o => o.ToOptional(type))],
            _ => throw new InvalidModelException($"sequence '{Name}': expected tensors, sequences or optionals, got {ElemType}"),
        };
        return new TensorSequence(items.FirstOrDefault() switch
        {
            Tensor tensor => tensor.DType,
            TensorSequence sequence => sequence.ElementType,
            _ => type,
        }, items);
    }

    /// <summary>The message for a sequence, over the bytes of its tensors.</summary>
    public static SequenceProto From(TensorSequence sequence, string name = "") => new()
    {
        Name = name,
        ElemType = sequence.Items.FirstOrDefault() switch { TensorSequence => DataKind.Sequence, OptionalDatum => DataKind.Optional, _ => DataKind.Tensor },
        Tensors = [.. sequence.Items.OfType<Tensor>().Select(t => TensorProto.From(t))],
        Sequences = [.. sequence.Items.OfType<TensorSequence>().Select(s => From(s))],
        Optionals = [.. sequence.Items.OfType<OptionalDatum>().Select(o => OptionalProto.From(o))],
    };

    internal static SequenceProto Parse(WireReader reader)
    {
        string name = "";
        var elemType = DataKind.Undefined;
        List<TensorProto> tensors = [];
        List<SparseTensorProto> sparseTensors = [];
        List<SequenceProto> sequences = [];
        List<OptionalProto> optionals = [];
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: name = reader.String(); break;
                case 2: elemType = (DataKind)reader.Int32(); break;
                case 3: tensors.Add(TensorProto.Parse(reader.Message(nameof(TensorProto)))); break;
                case 4: sparseTensors.Add(SparseTensorProto.Parse(reader.Message(nameof(SparseTensorProto)))); break;
                case 5: sequences.Add(Parse(reader.Message(nameof(SequenceProto)))); break;
                case 7: optionals.Add(OptionalProto.Parse(reader.Message(nameof(OptionalProto)))); break;
                default: reader.Skip(); break;
            }
        return new()
        {
            Name = name,
            ElemType = elemType,
            Tensors = tensors,
            SparseTensors = sparseTensors,
            Sequences = sequences,
            Optionals = optionals,
        };
    }

    public void Write(WireWriter writer)
    {
        writer.String(1, Name);
        writer.Int64(2, (long)ElemType);
        writer.Messages(3, Tensors);
        writer.Messages(4, SparseTensors);
        writer.Messages(5, Sequences);
        writer.Messages(7, Optionals);
    }
}

/// <summary>An optional as a data file holds it: at most one of the values is set. Maps are not kept.</summary>
public sealed class OptionalProto : IWireMessage
{
    public string Name { get; init; } = "";

    public DataKind ElemType { get; init; }

    public TensorProto? Tensor { get; init; }

    public SparseTensorProto? SparseTensor { get; init; }

    public SequenceProto? Sequence { get; init; }

    public OptionalProto? Optional { get; init; }

    /// <summary>The optional itself; empty where no value is set.</summary>
    /// <param name="type">Element type of the tensors inside, for an empty sequence.</param>
    public OptionalDatum ToOptional(DType type = DType.Undefined) => ElemType switch
    {
        DataKind.Map => throw new InvalidModelException($"optional '{Name}': expected a tensor, sequence or optional, got {ElemType}"),
        _ when Tensor is not null => new(Tensor.ToTensor(role: "optional")),
        _ when SparseTensor is not null => new(SparseTensor.ToTensor(role: "optional")),
        _ when Sequence is not null => new(Sequence.ToSequence(type)),
        _ when Optional is not null => new(Optional.ToOptional(type)),
        _ => OptionalDatum.None,
    };

    /// <summary>The message for an optional, over the bytes of its tensors.</summary>
    public static OptionalProto From(OptionalDatum optional, string name = "") => optional.Value switch
    {
        Tensor tensor => new() { Name = name, ElemType = DataKind.Tensor, Tensor = TensorProto.From(tensor) },
        TensorSequence sequence => new() { Name = name, ElemType = DataKind.Sequence, Sequence = SequenceProto.From(sequence) },
        OptionalDatum inner => new() { Name = name, ElemType = DataKind.Optional, Optional = From(inner) },
        _ => new() { Name = name },
    };

    internal static OptionalProto Parse(WireReader reader)
    {
        string name = "";
        var elemType = DataKind.Undefined;
        TensorProto? tensor = null;
        SparseTensorProto? sparseTensor = null;
        SequenceProto? sequence = null;
        OptionalProto? optional = null;
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: name = reader.String(); break;
                case 2: elemType = (DataKind)reader.Int32(); break;
                case 3: tensor = TensorProto.Parse(reader.Message(nameof(TensorProto))); break;
                case 4: sparseTensor = SparseTensorProto.Parse(reader.Message(nameof(SparseTensorProto))); break;
                case 5: sequence = SequenceProto.Parse(reader.Message(nameof(SequenceProto))); break;
                case 7: optional = Parse(reader.Message(nameof(OptionalProto))); break;
                default: reader.Skip(); break;
            }
        return new() { Name = name, ElemType = elemType, Tensor = tensor, SparseTensor = sparseTensor, Sequence = sequence, Optional = optional };
    }

    public void Write(WireWriter writer)
    {
        writer.String(1, Name);
        writer.Int64(2, (long)ElemType);
        writer.Message(3, Tensor);
        writer.Message(4, SparseTensor);
        writer.Message(5, Sequence);
        writer.Message(7, Optional);
    }
}
