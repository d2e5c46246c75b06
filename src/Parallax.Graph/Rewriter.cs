using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Parallax.Graphs;

/// <summary>A local change of a graph: new constants and nodes, and which values they take the place of. Built by a pass, applied by <see cref="Rewriter"/>.</summary>
public sealed class Patch(Graph graph)
{
    private readonly List<Step> steps = [];
    private readonly List<(ValueId Old, ValueId By)> replacements = [];
    private readonly Dictionary<ValueId, Fact> facts = [];
    private int next = graph.ValueIdBound;

    private abstract record Step;

    private sealed record ConstantStep(string Name, Tensor Tensor) : Step;

    private sealed record NodeStep(string Name, Op Op, ImmutableArray<ValueId> Inputs, IReadOnlyList<string?> Outputs, ImmutableArray<Fact> Facts) : Step;

    /// <summary>The fact of a value of the graph or of this patch.</summary>
    public Fact Fact(ValueId id) => facts.TryGetValue(id, out Fact? fact) ? fact : graph.Fact(id);

    public ValueId Constant(string name, Tensor tensor)
    {
        steps.Add(new ConstantStep(name, tensor));
        return NewValue(TensorFact.Of(tensor));
    }

    /// <summary>A node with as many outputs as names are given (null: not wanted).</summary>
    public ImmutableArray<ValueId> Add(string name, Op op, ImmutableArray<ValueId> inputs, IReadOnlyList<string?> outputNames)
    {
        ImmutableArray<Fact> inferred = Inference.Infer(name, op, inputs.Map(i => i.IsNone ? null : Fact(i)), outputNames.Count);
        steps.Add(new NodeStep(name, op, inputs, outputNames, inferred));
        var outputs = new ValueId[outputNames.Count];
        for (int i = 0; i < outputs.Length; i++) outputs[i] = outputNames[i] is null ? ValueId.None : NewValue(inferred[i]);
        return ImmutableCollectionsMarshal.AsImmutableArray(outputs);
    }

    /// <summary>A node with one output of the node's name.</summary>
    public ValueId Add(string name, Op op, params ReadOnlySpan<ValueId> inputs) => Add(name, op, [.. inputs], [name])[0];

    /// <summary>A value under other dims, which follow Reshape's rules: 0 keeps a dim, -1 follows from the others.</summary>
    public ValueId Reshape(string name, ValueId x, params ReadOnlySpan<long> dims) => Add(name, new Ops.Reshape(), x, Constant($"{name}/dims", Tensor.From(dims, [dims.Length])));

    /// <summary>Makes <paramref name="by"/> stand wherever <paramref name="old"/> is read. Nodes that nobody reads afterwards are removed.</summary>
    public Patch Replace(ValueId old, ValueId by)
    {
        replacements.Add((old, by));
        return this;
    }

    /// <summary>Replaces a node by another operator on other inputs, output by output.</summary>
    public static Patch ReplaceNode(Graph graph, Node node, Op op, params ReadOnlySpan<ValueId> inputs)
    {
        var patch = new Patch(graph);
        ImmutableArray<ValueId> outputs = patch.Add(node.Name, op, [.. inputs], [.. node.Outputs.Select(o => o.IsNone ? null : graph[o].Name)]);
        for (int i = 0; i < outputs.Length; i++)
            if (!outputs[i].IsNone) patch.Replace(node.Outputs[i], outputs[i]);
        return patch;
    }

    /// <summary>Replaces one value by another that exists already.</summary>
    public static Patch ReplaceValue(Graph graph, ValueId old, ValueId by) => new Patch(graph).Replace(old, by);

    /// <summary>Applies the patch; returns the nodes that are new or read something new.</summary>
    internal List<NodeId> ApplyTo(Graph target)
    {
        var touched = new List<NodeId>();
        foreach (Step step in steps)
        {
            if (step is ConstantStep constant) target.AddValue(constant.Name, TensorFact.Of(constant.Tensor), producer: null);
            else if (step is NodeStep node) touched.Add(target.AddNode(node.Name, node.Op, node.Inputs, node.Outputs, node.Facts).Id);
        }
        var producers = new List<NodeId>();
        foreach ((ValueId old, ValueId by) in replacements)
        {
            Value before = target[old];
            if (!ShapeRules.Compatible(before.Fact, target.Fact(by)))
                throw new InvalidOperationException($"a rewrite of '{before.Name}' changes {before.Fact} to {target.Fact(by)}");
            touched.AddRange(target.Redirect(old, by));
            if (before.Producer is { } producer) producers.Add(producer);
        }
        foreach (NodeId producer in producers) target.RemoveUnused(producer);
        return touched;
    }

    private ValueId NewValue(Fact fact)
    {
        var id = new ValueId(next++);
        facts[id] = fact;
        return id;
    }
}

/// <summary>One rule of rewriting. The documentation of an implementation is the equation that it applies.</summary>
public interface IPass
{
    /// <summary>The name in dumps and counts.</summary>
    string Name { get; }

    /// <summary>The change to make at <paramref name="node"/>, or null. Must not change anything itself.</summary>
    Patch? TryRewrite(Graph graph, Node node);
}

/// <summary>A rewritten graph and how often each pass fired, bodies of control flow included.</summary>
public sealed record RewriteResult(Graph Graph, IReadOnlyDictionary<string, int> Fired);

/// <summary>Applies passes to a graph until none fires, on a worklist: a node is looked at again only when what it reads has changed.</summary>
public static class Rewriter
{
    /// <param name="maxRewrites">Stops after so many rewrites; bisects a wrong answer.</param>
    /// <param name="includeBodies">Whether the bodies of control flow are rewritten too; if not, they stay the same objects.</param>
    public static RewriteResult Run(Graph graph, IReadOnlyList<IPass> passes, int maxRewrites = int.MaxValue, bool includeBodies = true) =>
        Run(graph, [passes], maxRewrites, includeBodies);

    /// <summary>Runs stages of passes one after another, each until none of its passes fires.</summary>
    /// <inheritdoc cref="Run(Graph, IReadOnlyList{IPass}, int, bool)" path="/param"/>
    public static RewriteResult Run(Graph graph, IReadOnlyList<IReadOnlyList<IPass>> stages, int maxRewrites = int.MaxValue, bool includeBodies = true)
    {
        var fired = new Dictionary<string, int>();
        int left = maxRewrites;
        return new RewriteResult(Run(graph, stages, includeBodies, fired, ref left), fired);
    }

    private static Graph Run(Graph graph, IReadOnlyList<IReadOnlyList<IPass>> stages, bool includeBodies, Dictionary<string, int> fired, ref int left)
    {
        var copy = new Graph(graph);
        RemoveDead(copy);
        foreach (Node node in copy.Nodes.Where(n => includeBodies && !n.Op.Bodies.IsEmpty).ToList())
        {
            var bodies = ImmutableArray.CreateBuilder<Graph>();
            foreach (Graph body in node.Op.Bodies) bodies.Add(Run(body, stages, includeBodies, fired, ref left));
            copy.SetOp(node.Id, node.Op.WithBodies(bodies.ToImmutable()));
        }
        foreach (IReadOnlyList<IPass> passes in stages) Rewrite(copy, passes, fired, ref left);
        return copy;
    }

    private static void Rewrite(Graph copy, IReadOnlyList<IPass> passes, Dictionary<string, int> fired, ref int left)
    {
        var queued = new HashSet<NodeId>();
        var queue = new Queue<NodeId>();
        foreach (Node node in copy.TopologicalOrder()) Enqueue(node.Id);
        while (queue.TryDequeue(out NodeId id))
        {
            queued.Remove(id);
            foreach (IPass pass in passes)
            {
                if (!copy.Contains(id)) break;
                if (left <= 0) return;
                if (pass.TryRewrite(copy, copy[id]) is not { } patch) continue;
                left--;
                fired[pass.Name] = fired.GetValueOrDefault(pass.Name) + 1;
                foreach (NodeId touched in patch.ApplyTo(copy)) EnqueueAround(touched);
                EnqueueAround(id);
            }
        }

        void Enqueue(NodeId id)
        {
            if (copy.Contains(id) && queued.Add(id)) queue.Enqueue(id);
        }

        // A pass matches a small neighbourhood upward from its node, so readers two steps down may match now.
        void EnqueueAround(NodeId id)
        {
            if (!copy.Contains(id)) return;
            Enqueue(id);
            foreach (ValueId output in copy[id].Outputs)
                if (!output.IsNone)
                    foreach (NodeId consumer in copy.Consumers(output)) Enqueue(consumer);
        }
    }

    private static void RemoveDead(Graph graph)
    {
        foreach (Node node in graph.TopologicalOrder().Reverse()) graph.RemoveUnused(node.Id);
    }
}
