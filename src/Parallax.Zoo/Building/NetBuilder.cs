using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>
/// Writes a network node by node, as an exporter does: values, nodes and weights are named by the module that they belong to
/// (<c>/encoder/layers.0/fc1/MatMul</c>, <c>encoder.layers.0.fc1.weight</c>).
/// </summary>
internal sealed class NetBuilder(string name, int seed)
{
    private const int Opset = 17, IrVersion = 8;

    /// <summary>The network that this one is a body of; weights and constants are its.</summary>
    private NetBuilder? outer;

    private readonly List<NodeProto> nodes = [];
    private readonly List<TensorProto> initializers = [];
    private readonly List<ValueInfoProto> inputs = [], outputs = [];
    private readonly Dictionary<string, int> namesUsed = [];
    private readonly Dictionary<string, string> constants = [];
    private readonly Stack<string> modules = new();

    /// <summary>Elements of all weights made so far.</summary>
    public long Parameters { get; private set; }

    /// <summary>Everything made until the result is disposed belongs to module <paramref name="module"/> of the current one.</summary>
    public IDisposable Module(string module)
    {
        modules.Push(module);
        return new ModuleEnd(modules);
    }

    /// <summary>The graph of a control-flow operator: its names are unique in the whole model, and it belongs to the current module.</summary>
    public NetBuilder Body(string body)
    {
        var inner = new NetBuilder(body, seed) { outer = this };
        foreach (string module in modules.Reverse()) inner.modules.Push(module);
        return inner;
    }

    /// <summary>A value of this network or of one around it, as this one sees it.</summary>
    public NetValue Capture(NetValue value) => new(this, value.Name);

    /// <summary>The graph as an attribute of the operator that runs it.</summary>
    public AttributeProto AsAttribute(string attribute) =>
        new(attribute, new GraphProto { Name = name, Nodes = nodes, Initializers = initializers, Inputs = inputs, Outputs = outputs });

    public NetValue Input(string input, DType type, params DimensionProto[] dims)
    {
        inputs.Add(new ValueInfoProto(input, new TensorTypeProto(type, dims)));
        return new NetValue(this, input);
    }

    /// <summary>Makes a node's result an output of the network under the name <paramref name="output"/>. Called after the last use of <paramref name="value"/>.</summary>
    public void Output(string output, NetValue value, DType type, params DimensionProto[] dims)
    {
        int at = nodes.FindLastIndex(n => n.Outputs.Contains(value.Name));
        nodes[at] = Rename(nodes[at], value.Name, output);
        for (int i = at + 1; i < nodes.Count; i++)
            if (nodes[i].Inputs.Contains(value.Name)) nodes[i] = Rename(nodes[i], value.Name, output);
        outputs.Add(new ValueInfoProto(output, new TensorTypeProto(type, dims)));
    }

    public NetValue Node(string type, ReadOnlySpan<NetValue?> operands, params AttributeProto[] attributes) => Nodes(type, 1, operands, attributes)[0];

    public NetValue[] Nodes(string type, int outputCount, ReadOnlySpan<NetValue?> operands, params AttributeProto[] attributes)
    {
        string node = Unique($"/{Path('/')}{type}");
        var results = new NetValue[outputCount];
        for (int i = 0; i < outputCount; i++) results[i] = new NetValue(this, $"{node}_output_{i}");
        var names = new string[operands.Length];
        for (int i = 0; i < names.Length; i++) names[i] = operands[i]?.Name ?? "";
        nodes.Add(new NodeProto { OpType = type, Name = node, Inputs = names, Outputs = [.. results.Select(r => r.Name)], Attributes = attributes });
        return results;
    }

    /// <summary>A trained tensor: seeded numbers of mean <paramref name="mean"/> and standard deviation <paramref name="deviation"/>.</summary>
    public NetValue Weight(string weight, ReadOnlySpan<long> dims, float deviation, float mean = 0)
    {
        string full = Path('.') + weight;
        Tensor tensor = Tensor.Allocate(DType.Float32, dims);
        SeededFloats.Fill(tensor.Span<float>(), seed, full, mean, deviation * MathF.Sqrt(3));
        return AddWeight(tensor, full);
    }

    /// <summary>A weight whose values the architecture fixes.</summary>
    public NetValue Weight(string weight, float[] values, params ReadOnlySpan<long> dims)
    {
        return AddWeight(Tensor.From(values, dims), Path('.') + weight);
    }

    private NetValue AddWeight(Tensor tensor, string full)
    {
        Root.Parameters += tensor.ElementCount;
        Root.initializers.Add(TensorProto.From(tensor, full));
        return new NetValue(this, full);
    }

    /// <summary>A tensor that the architecture fixes; small ones of equal contents are one initializer.</summary>
    public NetValue Constant<T>(T[] values, params ReadOnlySpan<long> dims) where T : unmanaged
    {
        string key = values.Length <= 16 ? $"{typeof(T).Name}[{string.Join(',', dims.ToArray())}]{string.Join(',', values)}" : "";
        if (key.Length > 0 && Root.constants.TryGetValue(key, out string? known)) return new NetValue(this, known);
        string constant = $"{Unique($"/{Path('/')}Constant")}_output_0";
        Root.initializers.Add(TensorProto.From(Tensor.From(values, dims), constant));
        if (key.Length > 0) Root.constants.Add(key, constant);
        return new NetValue(this, constant);
    }

    public NetValue Scalar<T>(T value) where T : unmanaged => Constant([value], []);

    public NetValue Ints(params long[] values) => Constant(values, values.Length);

    public NetValue Concat(int axis, params ReadOnlySpan<NetValue> parts)
    {
        var operands = new NetValue?[parts.Length];
        for (int i = 0; i < operands.Length; i++) operands[i] = parts[i];
        return Node("Concat", operands, new AttributeProto("axis", axis));
    }

    /// <summary>The whole numbers from 0 below <paramref name="limit"/>, a rank-0 int64.</summary>
    public NetValue Range(NetValue limit) => Node("Range", [Scalar(0L), limit, Scalar(1L)]);

    public ModelProto Build(string description) => new()
    {
        IrVersion = IrVersion,
        ProducerName = "Parallax.Zoo",
        DocString = description,
        OpsetImport = [new OperatorSetId("", Opset)],
        MetadataProps = [new StringStringEntry("seed", $"{seed}"), new StringStringEntry("parameters", $"{Parameters}")],
        Graph = new GraphProto { Name = name, Nodes = nodes, Initializers = initializers, Inputs = inputs, Outputs = outputs },
    };

    private NetBuilder Root => outer?.Root ?? this;

    private string Path(char separator) => string.Concat(modules.Reverse().Select(m => m + separator));

    /// <summary>As exporters count: <c>Add</c>, <c>Add_1</c>, <c>Add_2</c>.</summary>
    private string Unique(string wanted)
    {
        int count = Root.namesUsed.GetValueOrDefault(wanted);
        Root.namesUsed[wanted] = count + 1;
        return count == 0 ? wanted : $"{wanted}_{count}";
    }

    private static NodeProto Rename(NodeProto node, string old, string by) => new()
    {
        OpType = node.OpType,
        Name = node.Name,
        Inputs = [.. node.Inputs.Select(n => n == old ? by : n)],
        Outputs = [.. node.Outputs.Select(n => n == old ? by : n)],
        Attributes = node.Attributes,
    };

    private sealed class ModuleEnd(Stack<string> modules) : IDisposable
    {
        public void Dispose() => modules.Pop();
    }
}
