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
        foreach (Lifetime lifetime in lifetimes.Concat(Order.Select((n, step) => new Lifetime(step, step, ScratchBytes(prepared, n)))))
        {
            if (lifetime.Bytes == 0) continue;
            live[lifetime.First] += MemoryProblem.Align(lifetime.Bytes);
            live[lifetime.Last + 1] -= MemoryProblem.Align(lifetime.Bytes);
        }
        for (int step = 1; step < live.Length; step++) live[step] += live[step - 1];
        peak = live.Max();
    }

    /// <summary>All nodes in the order in which they run.</summary>
    internal Node[] Order { get; }

    internal Lifetime this[ValueId root] => lifetimes[root.Index];

    /// <summary>Gives the buffers of several roots to one, unless more bytes than the peak at the start would be alive for it.</summary>
    internal bool TryMerge(ValueId into, ValueId[] roots)
    {
        Lifetime merged = roots.Aggregate(lifetimes[into.Index], (sum, root) => sum.With(Alone(root)));
        ValueId[] apart = [.. roots.Append(into).Where(inPlaceOf.ContainsKey).Select(r => inPlaceOf[r]).Except(roots)];
        Lifetime[] before = [.. roots.Append(into).Concat(apart).Select(r => lifetimes[r.Index])], after = [merged, .. apart.Select(Alone)];
        budget -= before.Concat(after).Sum(l => (long)l.Last - l.First + 1);
        if (budget < 0) return false;
        Add(before, -1);
        Add(after, 1);
        if (after.Any(a => a.Bytes > 0 && live.AsSpan(a.First..(a.Last + 1)).ContainsAnyInRange(peak + 1, long.MaxValue)))
        {
            Add(after, -1);
            Add(before, 1);
            return false;
        }
        foreach (ValueId root in apart.Concat(roots))
        {
            lifetimes[root.Index] = Alone(root);
            late.Remove(root);
        }
        foreach (ValueId root in roots.Append(into)) inPlaceOf.Remove(root);
        lifetimes[into.Index] = merged;
        return true;
    }

    private static long BytesOf(Graph graph, ValueId id) => CostOf.Bytes(graph.Fact(id)).Value;

    private static long ScratchBytes(Func<Node, Kernel?> prepared, Node node) => prepared(node)?.ScratchBytes ?? 0;

    /// <summary>Finds the results that may take the place of an input, which dies there whatever the schedule, as long as nothing is put together.</summary>
    private void FindInPlace(Partition partition, ValueRanges ranges, Predicate<ValueId> isInArena, Func<Node, Kernel?> prepared)
    {
        Graph graph = partition.Graph;
        var lastReader = new Dictionary<ValueId, (BranchId Branch, NodeId Node)?>(); // null where readers are in several branches
        foreach (Node node in partition.Branches.SelectMany(b => b.Nodes).Select(n => graph[n]))
            foreach (ValueId input in node.Inputs)
            {
                if (input.IsNone || node.Outputs.Any(o => !o.IsNone && ranges.Root(o) == ranges.Root(input))) continue;
                BranchId branch = partition.BranchOf[node.Id.Index];
                lastReader[ranges.Root(input)] = lastReader.TryGetValue(ranges.Root(input), out (BranchId Branch, NodeId)? known) && known?.Branch != branch ? null : (branch, node.Id);
            }
        foreach (Node node in partition.Branches.SelectMany(b => b.Nodes).Select(n => graph[n]))
        {
            if (prepared(node) is not { } kernel || node.Outputs[0] is var output && (output.IsNone || !isInArena(output))) continue;
            ValueId[] roots = [.. node.Inputs.Select(i => i.IsNone ? i : ranges.Root(i))];
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
            foreach (ValueId output in branch.Nodes.SelectMany(n => graph[n].Outputs))
                if (inPlaceOf.TryGetValue(output, out ValueId later)) roots[later.Index] = roots[output.Index];
        for (int i = 0; i < roots.Length; i++) roots[i] = roots[ranges.Root(new ValueId(i)).Index];
        var scratch = partition.Branches.SelectMany(b => b.Nodes.Select((n, step) => new ArenaBuffer(-1, ScratchBytes(prepared, graph[n]), [new Access(b.Id, step, step)])));
        MemoryProblem problem = MemoryProblem.Of(partition, roots);
        ImmutableArray<BranchId> order = MemoryPlanner.LeastMemoryOrder(problem with { Buffers = [.. problem.Buffers, .. scratch.Where(b => b.Bytes > 0)] });
        return [.. order.SelectMany(b => partition[b].Nodes).Select(n => graph[n])];
    }

    /// <summary>The lifetime of a root that is not computed in another's place.</summary>
    private Lifetime Alone(ValueId root) => late.Contains(root) ? lifetimes[root.Index] with { First = lifetimes[root.Index].First - 1 } : lifetimes[root.Index];

    private void Add(IEnumerable<Lifetime> several, int sign)
    {
        foreach (Lifetime lifetime in several)
            if (lifetime.Bytes > 0)
                foreach (ref long bytes in live.AsSpan(lifetime.First..(lifetime.Last + 1)))
                    bytes += sign * MemoryProblem.Align(lifetime.Bytes);
    }
}
