namespace Parallax.Onnx;

/// <summary>A call of an operator or function.</summary>
public sealed class NodeProto : IWireMessage
{
    public required string OpType { get; init; }

    public string Name { get; init; } = "";

    /// <summary>The empty string is ONNX's own domain, <c>ai.onnx</c>.</summary>
    public string Domain { get; init; } = "";

    public string Overload { get; init; } = "";

    public string DocString { get; init; } = "";

    /// <summary>Names of the values; the empty string stands for an optional input that is left out.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];

    /// <summary>Names of the values; the empty string stands for an optional output that nobody wants.</summary>
    public IReadOnlyList<string> Outputs { get; init; } = [];

    public IReadOnlyList<AttributeProto> Attributes { get; init; } = [];

    /// <summary>The attribute of that name, or null.</summary>
    public AttributeProto? Attribute(string name)
    {
        foreach (AttributeProto attribute in Attributes)
            if (attribute.Name == name) return attribute;
        return null;
    }

    internal static NodeProto Parse(WireReader reader)
    {
        string opType = "", name = "", domain = "", overload = "", docString = "";
        List<string> inputs = [], outputs = [];
        List<AttributeProto>? attributes = null;
        while (reader.Next())
            switch (reader.Field)
            {
                case 1: inputs.Add(reader.String()); break;
                case 2: outputs.Add(reader.String()); break;
                case 3: name = reader.String(); break;
                case 4: opType = reader.String(); break;
                case 5: (attributes ??= []).Add(AttributeProto.Parse(reader.Message(nameof(AttributeProto)))); break;
                case 6: docString = reader.Prose(); break;
                case 7: domain = reader.String(); break;
                case 8: overload = reader.String(); break;
                default: reader.Skip(); break;
            }
        return new()
        {
            OpType = opType,
            Name = name,
            Domain = domain,
            Overload = overload,
            DocString = docString,
            Inputs = inputs,
            Outputs = outputs,
            Attributes = attributes ?? [],
        };
    }

    public void Write(WireWriter writer)
    {
        writer.Strings(1, Inputs);
        writer.Strings(2, Outputs);
        writer.String(3, Name);
        writer.String(4, OpType);
        writer.Messages(5, Attributes);
        writer.String(6, DocString);
        writer.String(7, Domain);
        writer.String(8, Overload);
    }

    public override string ToString() =>
        $"{string.Join(", ", Outputs)} = {(Domain.Length == 0 ? "" : Domain + ".")}{OpType}({string.Join(", ", Inputs)})";
}
