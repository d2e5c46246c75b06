using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.Planning;

namespace Parallax.Runtime.Compilation;

/// <summary>When the bytes of a buffer are in use, by step.</summary>
/// <param name="First">The step that writes them first.</param>
/// <param name="Last">The step that reads them last, inclusive.</param>
/// <param name="Bytes">0 for what lies outside the arena.</param>
internal readonly record struct Lifetime(int First, int Last, long Bytes)
{
    internal Lifetime With(Lifetime other) => this with { First = Math.Min(First, other.First), Last = Math.Max(Last, other.Last) };
}

/// <summary>
/// When the buffers of values are alive while the branches run one after another, in the order that takes the fewest bytes, and what putting buffers together
/// does to the peak. Results that are computed in place of an input are one with it, scratch space of kernels counts.
/// </summary>
internal sealed class BufferLifetimes
{
    /// <summary>Steps looked at in all; bounds the time of planning large graphs, and does so in the same way every time.</summary>
    private const long Budget = 50_000_000;

    private readonly Lifetime[] lifetimes; // by root
    private readonly Dictionary<ValueId, ValueId> inPlaceOf = []; // by root, the one that is computed in its place; its lifetime starts one step late
    private readonly HashSet<ValueId> late = [];
    private readonly long[] live; // by step
    private readonly long peak;
    private long budget = Budget;

    /// <param name="ranges">Which values are views of others.</param>
    /// <param name="isInArena">Whether a root that a node computes lies in the arena.</param>
    /// <param name="prepared">The kernel of a node that the CPU computes; null where none is prepared with the plan.</param>
    internal BufferLifetimes(Partition partition, ValueRanges ranges, Predicate<ValueId> isInArena, Func<Node, Kernel?> prepared)
    {
        Graph graph = partition.Graph;
        lifetimes = new Lifetime[graph.ValueIdBound];
        FindInPlace(partition, ranges, isInArena, prepared);
        Order = FindOrder(partition, ranges, prepared);
        for (int step = 0; step < Order.Length; step++)
        {
            Node node = Order[step];
            foreach (ValueId output in node.Outputs)
                if (!output.IsNone && ranges.Root(output) == output)
                    lifetimes[output.Index] = new Lifetime(late.Contains(output) ? step + 1 : step, step, isInArena(output) ? BytesOf(graph, output) : 0);
            foreach (ValueId input in node.Inputs)
                if (!input.IsNone && ranges.Root(input).Index is var root) lifetimes[root] = lifetimes[root] with { Last = step };
        }

        live = new long[Order.Length + 1];
        foreach (Lifetime lifetime in lifetimes) Begin(lifetime);
        for (int step = 0; step < Order.Length; step++) Begin(new Lifetime(step, step, ScratchBytes(prepared, Order[step])));
        for (int step = 1; step < live.Length; step++) live[step] += live[step - 1];
        foreach (long bytes in live) peak = Math.Max(peak, bytes);

        void Begin(Lifetime lifetime)
        {
            if (lifetime.Bytes == 0) return;
            live[lifetime.First] += MemoryProblem.Align(lifetime.Bytes);
            live[lifetime.Last + 1] -= MemoryProblem.Align(lifetime.Bytes);
        }
    }

    /// <summary>All nodes in the order in which they run.</summary>
    internal Node[] Order { get; }

    internal Lifetime this[ValueId root] => lifetimes[root.Index];

    /// <summary>Gives the buffers of several roots to one, unless more bytes than the peak at the start would be alive for it.</summary>
    internal bool TryMerge(ValueId into, ValueId[] roots)
    {
        // What was to be computed in place of one of them is computed apart.
        List<ValueId> together = [.. roots, into], apart = [];
        foreach (ValueId root in together)
            if (inPlaceOf.TryGetValue(root, out ValueId later) && Array.IndexOf(roots, later) < 0 && !apart.Contains(later)) apart.Add(later);
        Lifetime merged = lifetimes[into.Index];
        foreach (ValueId root in roots) merged = merged.With(Alone(root));
        List<Lifetime> before = together.ConvertAll(r => lifetimes[r.Index]), after = [merged];
        foreach (ValueId root in apart)
        {
            before.Add(lifetimes[root.Index]);
            after.Add(Alone(root));
        }
        budget -= StepsOf(before) + StepsOf(after);
        if (budget < 0) return false;
        Add(before, -1);
        Add(after, 1);
        if (after.Exists(a => a.Bytes > 0 && ExceedsPeak(a)))
        {
            Add(after, -1);
            Add(before, 1);
            return false;
        }
        foreach (ValueId root in apart) Settle(root);
        foreach (ValueId root in roots) Settle(root);
        foreach (ValueId root in together) inPlaceOf.Remove(root);
        lifetimes[into.Index] = merged;
        return true;

        void Settle(ValueId root)
        {
            lifetimes[root.Index] = Alone(root);
            late.Remove(root);
        }
    }

    private bool ExceedsPeak(Lifetime lifetime)
    {
        foreach (long bytes in live.AsSpan(lifetime.First..(lifetime.Last + 1)))
            if (bytes > peak) return true;
        return false;
    }

    private static long StepsOf(List<Lifetime> several)
    {
        long steps = 0;
        foreach (Lifetime lifetime in several) steps += lifetime.Last - lifetime.First + 1;
        return steps;
    }

    private static long BytesOf(Graph graph, ValueId id) => CostOf.Bytes(graph.Fact(id)).Value;

    private static long ScratchBytes(Func<Node, Kernel?> prepared, Node node) => prepared(node)?.ScratchBytes ?? 0;

    /// <summary>Finds the results that may take the place of an input, which dies there whatever the schedule, as long as nothing is put together.</summary>
    private void FindInPlace(Partition partition, ValueRanges ranges, Predicate<ValueId> isInArena, Func<Node, Kernel?> prepared)
    {
        Graph graph = partition.Graph;
        var lastReader = new Dictionary<ValueId, (BranchId Branch, NodeId Node)?>(); // null where readers are in several branches
        Node[] nodes = NodesOf(partition, partition.Branches.Map(b => b.Id));
        foreach (Node node in nodes)
            foreach (ValueId input in node.Inputs)
            {
                if (input.IsNone || node.Outputs.Any(o => !o.IsNone && ranges.Root(o) == ranges.Root(input))) continue;
                BranchId branch = partition.BranchOf[node.Id.Index];
                lastReader[ranges.Root(input)] = lastReader.TryGetValue(ranges.Root(input), out (BranchId Branch, NodeId)? known) && known?.Branch != branch ? null : (branch, node.Id);
            }
        foreach (Node node in nodes)
        {
            if (prepared(node) is not { } kernel || node.Outputs[0] is var output && (output.IsNone || !isInArena(output))) continue;
            ValueId[] roots = node.Inputs.MapToArray(i => i.IsNone ? i : ranges.Root(i));
            for (int i = 0; i < roots.Length; i++)
            {
                if (roots[i].IsNone || graph.Producer(roots[i]) is null || !isInArena(roots[i]) || !kernel.CanRunInPlace(i)) continue;
                if (BytesOf(graph, roots[i]) != BytesOf(graph, output) || lastReader[roots[i]]?.Node != node.Id || roots.Count(r => r == roots[i]) > 1) continue;
                inPlaceOf.Add(roots[i], output);
                late.Add(output);
                break;
            }
        }
    }

    /// <summary>The order of nodes that takes the fewest bytes as long as nothing is put together.</summary>
    private Node[] FindOrder(Partition partition, ValueRanges ranges, Func<Node, Kernel?> prepared)
    {
        Graph graph = partition.Graph;
        var roots = new ValueId[graph.ValueIdBound];
        for (int i = 0; i < roots.Length; i++) roots[i] = ranges.Root(new ValueId(i));
        foreach (Branch branch in partition.Branches)
            foreach (NodeId node in branch.Nodes)
                foreach (ValueId output in graph[node].Outputs)
                    if (inPlaceOf.TryGetValue(output, out ValueId later)) roots[later.Index] = roots[output.Index];
        for (int i = 0; i < roots.Length; i++) roots[i] = roots[ranges.Root(new ValueId(i)).Index];
        var scratch = new List<ArenaBuffer>();
        foreach (Branch branch in partition.Branches)
            for (int step = 0; step < branch.Nodes.Length; step++)
                if (ScratchBytes(prepared, graph[branch.Nodes[step]]) is > 0 and long bytes) scratch.Add(new ArenaBuffer(-1, bytes, [new Access(branch.Id, step, step)]));
        MemoryProblem problem = MemoryProblem.Of(partition, roots);
        return NodesOf(partition, MemoryPlanner.LeastMemoryOrder(problem with { Buffers = [.. problem.Buffers, .. scratch] }));
    }

    private static Node[] NodesOf(Partition partition, ImmutableArray<BranchId> branches)
    {
        var nodes = new List<Node>();
        foreach (BranchId branch in branches)
            foreach (NodeId node in partition[branch].Nodes) nodes.Add(partition.Graph[node]);
        return [.. nodes];
    }

    /// <summary>The lifetime of a root that is not computed in another's place.</summary>
    private Lifetime Alone(ValueId root) => late.Contains(root) ? lifetimes[root.Index] with { First = lifetimes[root.Index].First - 1 } : lifetimes[root.Index];

    private void Add(List<Lifetime> several, int sign)
    {
        foreach (Lifetime lifetime in several)
            if (lifetime.Bytes > 0)
                foreach (ref long bytes in live.AsSpan(lifetime.First..(lifetime.Last + 1)))
                    bytes += sign * MemoryProblem.Align(lifetime.Bytes);
    }
}
