using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;

namespace Parallax.Graphs;

/// <summary>Identity of a value in one graph.</summary>
public readonly record struct ValueId(int Index)
{
    /// <summary>An optional input that is absent, or an output that nobody wants.</summary>
    public static ValueId None => new(-1);

    public bool IsNone => Index < 0;

    public override string ToString() => IsNone ? "-" : $"%{Index}";
}

/// <summary>Identity of a node in one graph.</summary>
public readonly record struct NodeId(int Index)
{
    public override string ToString() => $"#{Index}";
}

/// <summary>An application of an operator.</summary>
/// <param name="Inputs"><see cref="ValueId.None"/> where an optional input is absent.</param>
/// <param name="Outputs"><see cref="ValueId.None"/> where an output is not wanted.</param>
public sealed record Node(NodeId Id, string Name, Op Op, ImmutableArray<ValueId> Inputs, ImmutableArray<ValueId> Outputs)
{
    public override string ToString() => $"{Name} ({Op.Name})";
}

/// <summary>A value: what a node computes, an input of the graph, or a constant.</summary>
public sealed record Value(ValueId Id, string Name, Fact Fact, NodeId? Producer)
{
    /// <summary>The contents, where the value is a constant.</summary>
    public Tensor? Constant => Producer is null ? (Fact as TensorFact)?.Constant : null;
}

/// <summary>A named result of a graph.</summary>
public readonly record struct GraphOutput(string Name, ValueId Value);

/// <summary>
/// A directed acyclic graph of operators. Immutable to its readers: <see cref="GraphBuilder"/> makes one and
/// <see cref="Rewriter"/> makes a rewritten copy. Ids stay valid in a copy; ids of removed nodes are not used again.
/// </summary>
public sealed class Graph
{
    private readonly List<Node?> nodes = [];
    private readonly List<Value?> values = [];
    private readonly List<ReaderList> consumers = [];
    private readonly List<ValueId> inputs = [];
    private readonly List<GraphOutput> outputs = [];
    private readonly HashSet<ValueId> inputSet = [];
    private readonly Dictionary<ValueId, List<int>> outputPositions = [];

    internal Graph(string name) => Name = name;

    internal Graph(Graph other)
    {
        Name = other.Name;
        nodes.AddRange(other.nodes);
        values.AddRange(other.values);
        consumers.AddRange(other.consumers.Select(c => new ReaderList(c)));
        foreach (ValueId input in other.inputs) AddInput(input);
        foreach (GraphOutput output in other.outputs) AddOutput(output.Name, output.Value);
        NodeCount = other.NodeCount;
    }

    public string Name { get; }

    /// <summary>The inputs, in the model's order.</summary>
    public IReadOnlyList<ValueId> Inputs => inputs;

    public IReadOnlyList<GraphOutput> Outputs => outputs;

    /// <summary>The nodes, in no particular order.</summary>
    public IEnumerable<Node> Nodes => nodes.Where(n => n is not null)!;

    public int NodeCount { get; private set; }

    /// <summary>One more than the largest node index ever used: the length of a table by node.</summary>
    public int NodeIdBound => nodes.Count;

    /// <summary>One more than the largest value index ever used: the length of a table by value.</summary>
    public int ValueIdBound => values.Count;

    public IEnumerable<Value> Values => values.Where(v => v is not null)!;

    public Node this[NodeId id] => nodes[id.Index] ?? throw new InvalidOperationException($"node {id} was removed");

    public Value this[ValueId id] => values[id.Index] ?? throw new InvalidOperationException($"value {id} was removed");

    public bool Contains(NodeId id) => nodes[id.Index] is not null;

    public Fact Fact(ValueId id) => this[id].Fact;

    public TensorFact? TensorFact(ValueId id) => id.IsNone ? null : this[id].Fact as TensorFact;

    /// <summary>The contents of a constant; null where the value is not one.</summary>
    public Tensor? Constant(ValueId id) => id.IsNone ? null : this[id].Constant;

    /// <summary>The node that computes a value; null for inputs, constants and absent values.</summary>
    public Node? Producer(ValueId id) => id.IsNone || this[id].Producer is not { } producer ? null : this[producer];

    /// <summary>The producer where its operator is a <typeparamref name="TOp"/>.</summary>
    public Node? Producer<TOp>(ValueId id) where TOp : Op => Producer(id) is { Op: TOp } node ? node : null;

    /// <summary>The nodes that read a value, once per use.</summary>
    public IReadOnlyList<NodeId> Consumers(ValueId id) => consumers[id.Index];

    public bool IsOutput(ValueId id) => outputPositions.ContainsKey(id);

    /// <summary>Whether <paramref name="reader"/> is among the <see cref="Consumers"/> of a value.</summary>
    internal bool IsConsumer(NodeId reader, ValueId id) => consumers[id.Index].Contains(reader);

    /// <summary>Whether exactly one node input reads the value and no graph output shows it: it may vanish into its reader.</summary>
    public bool HasSingleUse(ValueId id) => consumers[id.Index].Count == 1 && !IsOutput(id);

    public ImmutableArray<Fact?> InputFacts(Node node) => node.Inputs.Map(i => i.IsNone ? null : Fact(i));

    public Cost Cost(Node node) => node.Op.Cost(InputFacts(node).AsSpan(), node.Outputs.Select(o => o.IsNone ? null : Fact(o)).ToArray());

    /// <summary>The nodes so that producers come before consumers; among those free to run, lower ids first. Throws <see cref="InvalidModelException"/> on a cycle.</summary>
    public IReadOnlyList<Node> TopologicalOrder()
    {
        var waiting = new int[nodes.Count];
        var ready = new PriorityQueue<Node, int>();
        foreach (Node node in Nodes)
        {
            waiting[node.Id.Index] = node.Inputs.Count(i => !i.IsNone && this[i].Producer is not null);
            if (waiting[node.Id.Index] == 0) ready.Enqueue(node, node.Id.Index);
        }
        var order = new List<Node>(NodeCount);
        while (ready.TryDequeue(out Node? node, out _))
        {
            order.Add(node);
            foreach (ValueId output in node.Outputs)
                if (!output.IsNone)
                    foreach (NodeId consumer in Consumers(output))
                        if (--waiting[consumer.Index] == 0) ready.Enqueue(this[consumer], consumer.Index);
        }
        if (order.Count != NodeCount)
            throw new InvalidModelException($"graph '{Name}' has a cycle through node {Nodes.First(n => waiting[n.Id.Index] > 0)}");
        return order;
    }

    /// <summary>One line a node, in topological order, with facts.</summary>
    public string Dump()
    {
        var text = new StringBuilder();
        text.AppendLine($"graph {Name}: {NodeCount} nodes");
        foreach (ValueId input in inputs) text.AppendLine($"  input {Show(input)}");
        foreach (Node node in TopologicalOrder())
            text.AppendLine($"  {string.Join(", ", node.Outputs.Select(Show))} = {node.Op}({string.Join(", ", node.Inputs.Select(i => Constant(i) is { } c ? $"{i}:{c}" : i.ToString()))})  # {node.Name}");
        foreach (GraphOutput output in outputs) text.AppendLine($"  output {output.Name} = {output.Value}");
        return text.ToString();

        string Show(ValueId id) => id.IsNone ? "-" : $"{id}:{Fact(id)}";
    }

    internal ValueId AddValue(string name, Fact fact, NodeId? producer)
    {
        var id = new ValueId(values.Count);
        values.Add(new Value(id, name, fact, producer));
        consumers.Add(new ReaderList());
        return id;
    }

    internal void AddInput(ValueId id)
    {
        inputs.Add(id);
        inputSet.Add(id);
    }

    internal void AddOutput(string name, ValueId id)
    {
        outputs.Add(new GraphOutput(name, id));
        PositionsOf(id).Add(outputs.Count - 1);
    }

    private List<int> PositionsOf(ValueId output)
    {
        if (!outputPositions.TryGetValue(output, out List<int>? positions)) outputPositions[output] = positions = [];
        return positions;
    }

    /// <summary>Adds a node whose outputs are new values with the given names and facts; a null name makes an unwanted output.</summary>
    internal Node AddNode(string name, Op op, ImmutableArray<ValueId> nodeInputs, IReadOnlyList<string?> outputNames, ImmutableArray<Fact> facts)
    {
        var id = new NodeId(nodes.Count);
        var outs = ImmutableArray.CreateBuilder<ValueId>(outputNames.Count);
        for (int i = 0; i < outputNames.Count; i++)
            outs.Add(outputNames[i] is { } outputName ? AddValue(outputName, facts[i], id) : ValueId.None);
        var node = new Node(id, name, op, nodeInputs, outs.MoveToImmutable());
        nodes.Add(node);
        NodeCount++;
        foreach (ValueId input in nodeInputs)
            if (!input.IsNone) consumers[input.Index].Add(id);
        return node;
    }

    internal void SetFact(ValueId id, Fact fact) => values[id.Index] = this[id] with { Fact = fact };

    internal void SetOp(NodeId id, Op op) => nodes[id.Index] = this[id] with { Op = op };

    /// <summary>Makes every reader of <paramref name="old"/>, graph outputs included, read <paramref name="by"/>. Returns the nodes that changed.</summary>
    internal List<NodeId> Redirect(ValueId old, ValueId by)
    {
        List<NodeId> readers = [.. consumers[old.Index].Distinct()];
        consumers[old.Index].Clear();
        foreach (NodeId reader in readers)
        {
            Node node = this[reader];
            ValueId[] reads = [.. node.Inputs];
            for (int i = Array.IndexOf(reads, old); i >= 0; i = Array.IndexOf(reads, old, i + 1))
            {
                reads[i] = by;
                consumers[by.Index].Add(reader);
            }
            nodes[reader.Index] = node with { Inputs = ImmutableCollectionsMarshal.AsImmutableArray(reads) };
        }
        if (!outputPositions.Remove(old, out List<int>? shown)) return readers;
        foreach (int position in shown) outputs[position] = outputs[position] with { Value = by };
        PositionsOf(by).AddRange(shown);
        return readers;
    }

    /// <summary>Removes a node none of whose outputs is read, and then the producers of its inputs that nobody reads any more.</summary>
    internal void RemoveUnused(NodeId start)
    {
        var queue = new Stack<NodeId>([start]);
        while (queue.TryPop(out NodeId id))
        {
            if (nodes[id.Index] is not { } node || node.Outputs.Any(o => !o.IsNone && (Consumers(o).Count > 0 || IsOutput(o)))) continue;
            nodes[id.Index] = null;
            NodeCount--;
            foreach (ValueId output in node.Outputs)
                if (!output.IsNone) values[output.Index] = null;
            foreach (ValueId input in node.Inputs)
            {
                if (input.IsNone) continue;
                consumers[input.Index].Remove(id);
                if (consumers[input.Index].Count > 0 || IsOutput(input)) continue;
                if (this[input].Producer is { } producer) queue.Push(producer);
                else if (!inputSet.Contains(input)) values[input.Index] = null;
            }
        }
    }
}
