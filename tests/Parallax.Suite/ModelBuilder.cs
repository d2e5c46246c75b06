using Parallax.Onnx;

namespace Parallax.Suite;

/// <summary>Writes small ONNX models for tests: nodes by operator name, in the order in which they are added.</summary>
public sealed class ModelBuilder(long opset = 17)
{
    private readonly List<NodeProto> nodes = [];
    private readonly List<TensorProto> initializers = [];
    private readonly List<ValueInfoProto> inputs = [], outputs = [];

    public ModelBuilder Input(string name, DType type, params IReadOnlyList<DimensionProto> dims)
    {
        inputs.Add(new ValueInfoProto(name, new TensorTypeProto(type, dims)));
        return this;
    }

    public ModelBuilder Constant(string name, Tensor tensor)
    {
        initializers.Add(TensorProto.From(tensor, name));
        return this;
    }

    public ModelBuilder Node(string op, string[] from, string[] to, params IReadOnlyList<AttributeProto> attributes)
    {
        nodes.Add(new NodeProto { OpType = op, Name = to.FirstOrDefault(t => t.Length > 0) ?? op, Inputs = from, Outputs = to, Attributes = attributes });
        return this;
    }

    /// <summary>A node of the domain com.microsoft.</summary>
    public ModelBuilder MicrosoftNode(string op, string[] from, string[] to, params IReadOnlyList<AttributeProto> attributes)
    {
        nodes.Add(new NodeProto { OpType = op, Domain = "com.microsoft", Name = to[0], Inputs = from, Outputs = to, Attributes = attributes });
        return this;
    }

    /// <summary>An output whose type the file does not state.</summary>
    public ModelBuilder Output(string name)
    {
        outputs.Add(new ValueInfoProto(name));
        return this;
    }

    public ModelBuilder Output(string name, DType type, params IReadOnlyList<DimensionProto> dims)
    {
        outputs.Add(new ValueInfoProto(name, new TensorTypeProto(type, dims)));
        return this;
    }

    /// <summary>What was added so far as a graph, for the body of a control-flow node.</summary>
    public GraphProto Graph(string name = "test") => new() { Name = name, Nodes = nodes, Initializers = initializers, Inputs = inputs, Outputs = outputs };

    public ModelProto Model() => new() { IrVersion = 8, Graph = Graph(), OpsetImport = [new OperatorSetId("", opset), new OperatorSetId("com.microsoft", 1)] };

    public byte[] Build() => Model().ToBytes();
}
