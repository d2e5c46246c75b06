using System.Collections.Immutable;
using Parallax.Graphs;

namespace Parallax.Onnx;

/// <summary>Imports the nodes of one graph, body or function into one <see cref="GraphBuilder"/>.</summary>
internal sealed class GraphImporter
{
    private const int MaxFunctionDepth = 64;

    private readonly GraphBuilder builder;
    private readonly ImportEnvironment environment;
    private readonly string prefix;
    private readonly Dictionary<string, ValueId> values = new(StringComparer.Ordinal);

    private GraphImporter(GraphBuilder builder, ImportEnvironment environment, string prefix)
    {
        this.builder = builder;
        this.environment = environment;
        this.prefix = prefix;
    }

    internal static Graph ImportModel(GraphProto proto, ImportEnvironment environment)
    {
        var builder = new GraphBuilder(proto.Name);
        var importer = new GraphImporter(builder, environment, "");
        importer.AddInitializers(proto);
        foreach (ValueInfoProto input in proto.Inputs)
        {
            if (importer.values.ContainsKey(input.Name)) continue; // an initializer is its default, and nothing overrides it
            importer.values[input.Name] = builder.Input(input.Name, TypeFacts.Of(input.Type, input.Name));
        }
        importer.AddNodes(proto.Nodes);
        importer.AddOutputs(proto, declare: true);
        return builder.Build();
    }

    /// <summary>A body's graph: its formal inputs, then the captured values. Shapes that the file states for the inputs are not trusted.</summary>
    private Graph ImportBody(GraphProto proto, IReadOnlyList<string> captures, IReadOnlyList<Fact?> formal, string name)
    {
        try
        {
            return ImportBody(proto, captures, formal, name, withShapes: true);
        }
        catch (InvalidModelException)
        {
            // A branch that never runs may contradict what it captures, such as the 3-d case of a 2-d input. Without shapes it stands as it is.
            return ImportBody(proto, captures, formal, name, withShapes: false);
        }
    }

    private Graph ImportBody(GraphProto proto, IReadOnlyList<string> captures, IReadOnlyList<Fact?> formal, string name, bool withShapes)
    {
        var bodyBuilder = new GraphBuilder(name);
        var importer = new GraphImporter(bodyBuilder, environment, "");
        importer.AddInitializers(proto);
        for (int i = 0; i < proto.Inputs.Count; i++)
        {
            ValueInfoProto input = proto.Inputs[i];
            importer.values[input.Name] = bodyBuilder.Input(input.Name, BodyInput(TypeFacts.Of(input.Type, input.Name), i < formal.Count ? formal[i] : null));
        }
        foreach (string capture in captures)
        {
            Fact fact = builder.Fact(values[capture]);
            importer.values[capture] = bodyBuilder.Input(capture, fact is not TensorFact tensor ? fact : withShapes ? tensor.WithoutContents() : new TensorFact(tensor.Type));
        }
        foreach ((string key, ValueId id) in values)
            if (builder.Fact(id) is TensorFact { Constant: { } constant } && !importer.values.ContainsKey(key))
                importer.constants[key] = constant;
        foreach ((string key, Tensor constant) in constants) importer.constants.TryAdd(key, constant);
        importer.AddNodes(proto.Nodes);
        importer.AddOutputs(proto, declare: false);
        return bodyBuilder.Build();
    }

    /// <summary>What a body's input is taken to be: the type that the file states, else that of what it will get.</summary>
    private static Fact BodyInput(Fact declared, Fact? given)
    {
        Fact fact = declared is TensorFact { Type: DType.Undefined } && given is not null ? given : declared;
        // An iteration's number or condition: some bodies want a scalar, some a list of one.
        bool one = given is TensorFact { Shape.Rank: 0 } && declared is TensorFact { Shape.Rank: 1 };
        return one ? declared : fact is TensorFact tensor ? new TensorFact(tensor.Type) : fact;
    }

    /// <summary>Constants of the graphs around, which a body takes in as its own when it reads them.</summary>
    private readonly Dictionary<string, Tensor> constants = new(StringComparer.Ordinal);

    private void AddInitializers(GraphProto proto)
    {
        foreach (TensorProto initializer in proto.Initializers)
            values[initializer.Name] = builder.Constant(initializer.Name, initializer.ToTensor(environment.Source));
        foreach (SparseTensorProto initializer in proto.SparseInitializers)
            values[initializer.Values.Name] = builder.Constant(initializer.Values.Name, initializer.ToTensor(environment.Source));
    }

    private void AddOutputs(GraphProto proto, bool declare)
    {
        foreach (ValueInfoProto output in proto.Outputs)
        {
            ValueId id = Find(output.Name, $"output '{output.Name}' of graph '{proto.Name}'");
            if (declare && output.Type is not null && builder.Fact(id) is TensorFact { Constant: null }) builder.Declare(id, TypeFacts.Of(output.Type, output.Name));
            builder.Output(output.Name, id);
        }
    }

    private void AddNodes(IReadOnlyList<NodeProto> nodes)
    {
        int index = 0;
        foreach (NodeProto node in NodeOrder.Sort(nodes, values.ContainsKey))
        {
            string name = prefix + (node.Name.Length > 0 ? node.Name : $"{node.OpType}_{index}");
            index++;
            if (environment.Functions.Find(node) is { } function) InlineFunction(node, function, name);
            else AddNode(node, name);
        }
    }

    private void AddNode(NodeProto node, string name)
    {
        int opset = environment.Opsets.Version(node.Domain);
        OpImport rule = OpCatalog.Find(node.Domain, node.OpType, opset)
            ?? throw new UnsupportedModelException($"{name}: {node.OpType} of opset {opset} is not supported", [node.OpType]);
        List<string> captured = FreeNames(node).Where(n => values.TryGetValue(n, out ValueId id) && builder.Fact(id) is not TensorFact { Constant: not null }).ToList();
        var importNode = new ImportNode(name, node.OpType, opset,
            node.Inputs.Map(i => i.Length == 0 ? ValueId.None : Find(i, $"{name} ({node.OpType}): input '{i}'")),
            [.. node.Outputs.Select(o => o.Length == 0 ? null : o)],
            Attributes(node, name), builder,
            (attribute, formal) => ImportBody(
                Resolve(node.Attribute(attribute), name)?.Graph ?? throw new InvalidModelException($"{name} ({node.OpType}): attribute '{attribute}' is missing"),
                captured, formal, $"{name}/{attribute}"),
            captured.Map(c => values[c]));
        ImmutableArray<ValueId> outputs;
        if (rule.Create is { } create)
        {
            Op op = create(importNode);
            outputs = builder.Add(name, op, [.. importNode.Inputs], importNode.OutputNames);
        }
        else outputs = rule.Expand!(importNode);
        for (int i = 0; i < node.Outputs.Count; i++)
        {
            if (node.Outputs[i].Length == 0) continue;
            if (i >= outputs.Length) throw new InvalidModelException($"{name} ({node.OpType}): has {node.Outputs.Count} outputs, the operator gives {outputs.Length}");
            if (!values.TryAdd(node.Outputs[i], outputs[i])) throw new InvalidModelException($"{name} ({node.OpType}): value '{node.Outputs[i]}' is defined twice");
        }
    }

    private void InlineFunction(NodeProto node, FunctionProto function, string name)
    {
        if (environment.FunctionDepth >= MaxFunctionDepth) throw new InvalidModelException($"{name}: function {function.Name} calls itself");
        var attributes = function.AttributeDefaults.ToDictionary(a => a.Name);
        foreach (AttributeProto attribute in node.Attributes)
            if (Resolve(attribute, name) is { } resolved) attributes[attribute.Name] = resolved;
        var inner = new GraphImporter(builder, environment with
        {
            Opsets = OpsetTable.Of(function.OpsetImport),
            FunctionAttributes = attributes,
            FunctionDepth = environment.FunctionDepth + 1,
        }, $"{name}/");
        for (int i = 0; i < function.Inputs.Count; i++)
            inner.values[function.Inputs[i]] = i < node.Inputs.Count && node.Inputs[i].Length > 0 ? Find(node.Inputs[i], $"{name}: input '{node.Inputs[i]}'") : ValueId.None;
        inner.AddNodes(function.Nodes);
        for (int i = 0; i < node.Outputs.Count; i++)
        {
            if (node.Outputs[i].Length == 0) continue;
            if (i >= function.Outputs.Count) throw new InvalidModelException($"{name}: function {function.Name} has {function.Outputs.Count} outputs, the node asks for {node.Outputs.Count}");
            values[node.Outputs[i]] = inner.Find(function.Outputs[i], $"output '{function.Outputs[i]}' of function {function.Name}");
        }
    }

    private ValueId Find(string name, string what)
    {
        if (values.TryGetValue(name, out ValueId id)) return id;
        if (!constants.TryGetValue(name, out Tensor? constant)) throw new InvalidModelException($"{what} is not defined");
        return values[name] = builder.Constant(name, constant);
    }

    /// <summary>An attribute, looked up in the function call around where it refers to one; null where that has none.</summary>
    private AttributeProto? Resolve(AttributeProto? attribute, string node)
    {
        if (attribute is null || attribute.RefAttrName.Length == 0) return attribute;
        if (environment.FunctionAttributes is null) throw new InvalidModelException($"{node}: attribute '{attribute.Name}' refers to '{attribute.RefAttrName}' outside of a function");
        return environment.FunctionAttributes.TryGetValue(attribute.RefAttrName, out AttributeProto? found) ? found.Renamed(attribute.Name) : null;
    }

    private Dictionary<string, object> Attributes(NodeProto node, string name)
    {
        var attributes = new Dictionary<string, object>(StringComparer.Ordinal);
        foreach (AttributeProto raw in node.Attributes)
        {
            if (Resolve(raw, name) is not { } attribute) continue;
            attributes[attribute.Name] = attribute.Type switch
            {
                AttributeType.Float => attribute.Float,
                AttributeType.Int => attribute.Int,
                AttributeType.String => attribute.Text,
                AttributeType.Tensor => attribute.Tensor.ToTensor(environment.Source, $"{name}: attribute '{attribute.Name}'"),
                AttributeType.SparseTensor => attribute.SparseTensor.ToTensor(environment.Source, $"{name}: attribute '{attribute.Name}'"),
                AttributeType.Graph => attribute.Graph,
                AttributeType.Floats => attribute.Floats,
                AttributeType.Ints => attribute.Ints,
                AttributeType.Strings => attribute.Strings.ToArray(),
                AttributeType.Tensors => attribute.Tensors.Select(t => t.ToTensor(environment.Source, $"{name}: attribute '{attribute.Name}'")).ToArray(),
                AttributeType.TypeProto => TypeFacts.Of(attribute.TypeProto, attribute.Name),
                _ => throw new InvalidModelException($"{name} ({node.OpType}): attribute '{attribute.Name}' of type {attribute.Type} is not expected"),
            };
        }
        return attributes;
    }

    /// <summary>Names that a node's bodies read from the graph around, in order of appearance.</summary>
    private static List<string> FreeNames(NodeProto node)
    {
        var free = new List<string>();
        foreach (GraphProto body in UnsupportedOperators.Bodies(node)) Collect(body, [], free);
        return free;

        static void Collect(GraphProto body, HashSet<string> outerDefined, List<string> free)
        {
            var defined = new HashSet<string>(outerDefined, StringComparer.Ordinal);
            defined.UnionWith(body.Inputs.Select(i => i.Name));
            defined.UnionWith(body.Initializers.Select(i => i.Name));
            defined.UnionWith(body.SparseInitializers.Select(i => i.Values.Name));
            defined.UnionWith(body.Nodes.SelectMany(n => n.Outputs));
            foreach (NodeProto inner in body.Nodes)
            {
                foreach (string input in inner.Inputs) Use(input);
                foreach (GraphProto nested in UnsupportedOperators.Bodies(inner)) Collect(nested, defined, free);
            }
            foreach (ValueInfoProto output in body.Outputs) Use(output.Name);

            void Use(string name)
            {
                if (name.Length > 0 && !defined.Contains(name) && !free.Contains(name)) free.Add(name);
            }
        }
    }
}

/// <summary>Types of the file as facts.</summary>
internal static class TypeFacts
{
    internal static Fact Of(TypeProto? type, string name) => type switch
    {
        null => new TensorFact(DType.Undefined),
        SequenceTypeProto sequence => new SequenceFact(Of(sequence.ElemType, name)),
        OptionalTypeProto optional => new OptionalFact(Of(optional.ElemType, name)),
        TensorTypeProto tensor => new TensorFact(tensor.ElemType, tensor.Shape is null ? null : ShapeOf(tensor.Shape, name)),
        _ => throw new UnsupportedModelException($"'{name}': values of type {type} are not supported", [$"{type}"]),
    };

    private static Shape ShapeOf(IReadOnlyList<DimensionProto> dims, string name)
    {
        var shape = new Dim[dims.Count];
        for (int i = 0; i < shape.Length; i++) shape[i] = DimOf(dims[i], name, i);
        return Shape.Create(shape);
    }

    private static Dim DimOf(DimensionProto dim, string name, int axis) => dim switch
    {
        { Value: >= 0 and long value } => value,
        { Param: { Length: > 0 } param } => Dim.Symbol(Identifier(param)),
        _ => Dim.Symbol($"{Identifier(name)}_{axis}"), // unknown: a symbol of its own
    };

    /// <summary>Dimension names are free text; as symbols of an expression they must not look like arithmetic.</summary>
    private static string Identifier(string text) => text.Replace('*', '_').Replace('(', '_').Replace(')', '_').Replace(' ', '_');
}

/// <summary>Puts nodes so that producers come first. Files should be so already; some are not.</summary>
internal static class NodeOrder
{
    /// <exception cref="InvalidModelException">The nodes form a cycle.</exception>
    internal static IEnumerable<NodeProto> Sort(IReadOnlyList<NodeProto> nodes, Predicate<string> defined)
    {
        var producer = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < nodes.Count; i++)
            foreach (string output in nodes[i].Outputs)
                if (output.Length > 0 && !defined(output)) producer.TryAdd(output, i);
        var state = new byte[nodes.Count]; // 0 new, 1 being visited, 2 done
        var order = new List<NodeProto>(nodes.Count);
        var stack = new Stack<(int Node, IEnumerator<int> Needs)>();
        for (int start = 0; start < nodes.Count; start++)
        {
            if (state[start] != 0) continue;
            Push(start);
            while (stack.TryPeek(out var top))
            {
                if (!top.Needs.MoveNext())
                {
                    state[top.Node] = 2;
                    order.Add(nodes[top.Node]);
                    stack.Pop();
                }
                else if (state[top.Needs.Current] == 1)
                    throw new InvalidModelException(
                        $"the graph has a cycle through node '{nodes[top.Needs.Current].Name}' ({nodes[top.Needs.Current].OpType}) "
                        + $"and node '{nodes[top.Node].Name}' ({nodes[top.Node].OpType})");
                else if (state[top.Needs.Current] == 0) Push(top.Needs.Current);
            }
        }
        return order;

        void Push(int node)
        {
            state[node] = 1;
            stack.Push((node, Needs(nodes[node]).GetEnumerator()));
        }

        IEnumerable<int> Needs(NodeProto node)
        {
            foreach (string input in node.Inputs.Concat(UnsupportedOperators.Bodies(node).SelectMany(BodyReads)))
                if (producer.TryGetValue(input, out int index)) yield return index;
        }

        // A superset of what the body captures: names that it defines itself do no harm.
        static IEnumerable<string> BodyReads(GraphProto body)
        {
            HashSet<string> own = [.. body.Nodes.SelectMany(n => n.Outputs), .. body.Inputs.Select(i => i.Name)];
            return body.Nodes.SelectMany(n => n.Inputs.Concat(UnsupportedOperators.Bodies(n).SelectMany(BodyReads))).Concat(body.Outputs.Select(o => o.Name)).Where(n => !own.Contains(n));
        }
    }
}
