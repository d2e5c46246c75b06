using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>
/// Writes a network node by node, as an exporter does: values, nodes and weights are named by the module that they belong to
/// (<c>/encoder/layers.0/fc1/MatMul</c>, <c>encoder.layers.0.fc1.weight</c>).
/// </summary>
internal sealed class NetBuilder(string name, int seed)
{
    private const int Opset = 17, IrVersion = 8;

    private readonly List<NodeProto> nodes = [];
    private readonly List<TensorProto> initializers = [];
    private readonly List<ValueInfoProto> inputs = [], outputs = [];
    private readonly Dictionary<string, int> namesUsed = [];
    private readonly Dictionary<string, NetValue> constants = [];
    private readonly Stack<string> modules = new();

    /// <summary>Elements of all weights made so far.</summary>
    public long Parameters { get; private set; }

    /// <summary>Everything made until the result is disposed belongs to module <paramref name="module"/> of the current one.</summary>
    public IDisposable Module(string module)
    {
        modules.Push(module);
        return new ModuleEnd(modules);
    }

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
        Parameters += tensor.ElementCount;
        initializers.Add(TensorProto.From(tensor, full));
        return new NetValue(this, full);
    }

    /// <summary>A weight whose values the architecture fixes.</summary>
    public NetValue Weight(string weight, float[] values, params ReadOnlySpan<long> dims)
    {
        Parameters += values.Length;
        initializers.Add(TensorProto.From(Tensor.From(values, dims), Path('.') + weight));
        return new NetValue(this, Path('.') + weight);
    }

    /// <summary>A tensor that the architecture fixes; small ones of equal contents are one initializer.</summary>
    public NetValue Constant<T>(T[] values, params ReadOnlySpan<long> dims) where T : unmanaged
    {
        string key = values.Length <= 16 ? $"{typeof(T).Name}[{string.Join(',', dims.ToArray())}]{string.Join(',', values)}" : "";
        if (key.Length > 0 && constants.TryGetValue(key, out NetValue? known)) return known;
        string constant = $"{Unique($"/{Path('/')}Constant")}_output_0";
        initializers.Add(TensorProto.From(Tensor.From(values, dims), constant));
        var value = new NetValue(this, constant);
        if (key.Length > 0) constants.Add(key, value);
        return value;
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

    private string Path(char separator) => string.Concat(modules.Reverse().Select(m => m + separator));

    /// <summary>As exporters count: <c>Add</c>, <c>Add_1</c>, <c>Add_2</c>.</summary>
    private string Unique(string wanted)
    {
        int count = namesUsed.GetValueOrDefault(wanted);
        namesUsed[wanted] = count + 1;
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
