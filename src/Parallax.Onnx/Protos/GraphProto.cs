namespace Parallax.Onnx;

/// <summary>A named list of nodes with its inputs, outputs and constants: the model's, or the body of If, Loop or Scan.</summary>
public sealed class GraphProto : IWireMessage
{
    public string Name { get; init; } = "";

    public string DocString { get; init; } = "";

    public IReadOnlyList<NodeProto> Nodes { get; init; } = [];

    public IReadOnlyList<TensorProto> Initializers { get; init; } = [];

    public IReadOnlyList<SparseTensorProto> SparseInitializers { get; init; } = [];

    /// <summary>Before IR version 4 these name the initializers too.</summary>
    public IReadOnlyList<ValueInfoProto> Inputs { get; init; } = [];

    public IReadOnlyList<ValueInfoProto> Outputs { get; init; } = [];

    /// <summary>Types of values inside the graph, as far as the exporter knew them.</summary>
    public IReadOnlyList<ValueInfoProto> ValueInfo { get; init; } = [];

    internal static GraphProto Parse(WireReader reader)
    {
        string name = "", docString = "";
        List<NodeProto> nodes = [];
        List<TensorProto> initializers = [];
        List<SparseTensorProto> sparseInitializers = [];
        List<ValueInfoProto> inputs = [], outputs = [], valueInfo = [];
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: nodes.Add(NodeProto.Parse(reader.Message(nameof(NodeProto)))); break;
                case 2: name = reader.String(); break;
                case 5: initializers.Add(TensorProto.Parse(reader.Message(nameof(TensorProto)))); break;
                case 10: docString = reader.Prose(); break;
                case 11: inputs.Add(ValueInfoProto.Parse(reader.Message(nameof(ValueInfoProto)))); break;
                case 12: outputs.Add(ValueInfoProto.Parse(reader.Message(nameof(ValueInfoProto)))); break;
                case 13: valueInfo.Add(ValueInfoProto.Parse(reader.Message(nameof(ValueInfoProto)))); break;
                case 15: sparseInitializers.Add(SparseTensorProto.Parse(reader.Message(nameof(SparseTensorProto)))); break;
                default: reader.Skip(); break;
            }
        return new()
        {
            Name = name,
            DocString = docString,
            Nodes = nodes,
            Initializers = initializers,
            SparseInitializers = sparseInitializers,
            Inputs = inputs,
            Outputs = outputs,
            ValueInfo = valueInfo,
        };
    }

    public void Write(WireWriter writer)
    {
        writer.Messages(1, Nodes);
        writer.String(2, Name);
        writer.Messages(5, Initializers);
        writer.String(10, DocString);
        writer.Messages(11, Inputs);
        writer.Messages(12, Outputs);
        writer.Messages(13, ValueInfo);
        writer.Messages(15, SparseInitializers);
    }

    public override string ToString() => $"{Name}({string.Join(", ", Inputs)}) -> ({string.Join(", ", Outputs)}), {Nodes.Count} nodes";
}

/// <summary>An operator defined by other operators, called by nodes of its domain and name.</summary>
public sealed class FunctionProto : IWireMessage
{
    public required string Name { get; init; }

    public string Domain { get; init; } = "";

    /// <summary>Tells functions of one domain and name apart; nodes name it too.</summary>
    public string Overload { get; init; } = "";

    public string DocString { get; init; } = "";

    public IReadOnlyList<string> Inputs { get; init; } = [];

    public IReadOnlyList<string> Outputs { get; init; } = [];

    /// <summary>Names of the attributes that have no default.</summary>
    public IReadOnlyList<string> Attributes { get; init; } = [];

    /// <summary>Attributes with their defaults.</summary>
    public IReadOnlyList<AttributeProto> AttributeDefaults { get; init; } = [];

    public IReadOnlyList<NodeProto> Nodes { get; init; } = [];

    public IReadOnlyList<OperatorSetId> OpsetImport { get; init; } = [];

    public IReadOnlyList<ValueInfoProto> ValueInfo { get; init; } = [];

    internal static FunctionProto Parse(WireReader reader)
    {
        string name = "", domain = "", overload = "", docString = "";
        List<string> inputs = [], outputs = [], attributes = [];
        List<AttributeProto> defaults = [];
        List<NodeProto> nodes = [];
        List<OperatorSetId> opsetImport = [];
        List<ValueInfoProto> valueInfo = [];
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: name = reader.String(); break;
                case 4: inputs.Add(reader.String()); break;
                case 5: outputs.Add(reader.String()); break;
                case 6: attributes.Add(reader.String()); break;
                case 7: nodes.Add(NodeProto.Parse(reader.Message(nameof(NodeProto)))); break;
                case 8: docString = reader.Prose(); break;
                case 9: opsetImport.Add(OperatorSetId.Parse(reader.Message(nameof(OperatorSetId)))); break;
                case 10: domain = reader.String(); break;
                case 11: defaults.Add(AttributeProto.Parse(reader.Message(nameof(AttributeProto)))); break;
                case 12: valueInfo.Add(ValueInfoProto.Parse(reader.Message(nameof(ValueInfoProto)))); break;
                case 13: overload = reader.String(); break;
                default: reader.Skip(); break;
            }
        return new()
        {
            Name = name,
            Domain = domain,
            Overload = overload,
            DocString = docString,
            Inputs = inputs,
            Outputs = outputs,
            Attributes = attributes,
            AttributeDefaults = defaults,
            Nodes = nodes,
            OpsetImport = opsetImport,
            ValueInfo = valueInfo,
        };
    }

    public void Write(WireWriter writer)
    {
        writer.String(1, Name);
        writer.Strings(4, Inputs);
        writer.Strings(5, Outputs);
        writer.Strings(6, Attributes);
        writer.Messages(7, Nodes);
        writer.String(8, DocString);
        writer.Messages(9, OpsetImport);
        writer.String(10, Domain);
        writer.Messages(11, AttributeDefaults);
        writer.Messages(12, ValueInfo);
        writer.String(13, Overload);
    }

    public override string ToString() => $"{Domain}.{Name}({string.Join(", ", Inputs)}) -> ({string.Join(", ", Outputs)}), {Nodes.Count} nodes";
}

/// <summary>A value's name and, as far as it is known, its type.</summary>
public sealed record ValueInfoProto(string Name, TypeProto? Type = null, string DocString = "") : IWireMessage
{
    internal static ValueInfoProto Parse(WireReader reader)
    {
        string name = "", docString = "";
        TypeProto? type = null;
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: name = reader.String(); break;
                case 2: type = TypeProto.Parse(reader.Message(nameof(TypeProto))); break;
                case 3: docString = reader.Prose(); break;
                default: reader.Skip(); break;
            }
        return new(name, type, docString);
    }

    public void Write(WireWriter writer)
    {
        writer.String(1, Name);
        writer.Message(2, Type);
        writer.String(3, DocString);
    }

    public override string ToString() => Type is null ? Name : $"{Name}: {Type}";
}
