using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Parallax.Planning;

/// <summary>A directed acyclic graph over the items 0 to <see cref="Count"/> - 1, every edge once. Immutable, thread-safe.</summary>
public sealed class Dag
{
    private readonly int[] predecessorStart, predecessors, successorStart, successors;

    /// <exception cref="ArgumentException">The edges form a cycle.</exception>
    public Dag(int count, IEnumerable<(int From, int To)> edges)
    {
        Count = count;
        (int[] start, int[] targets) = Group(count, edges);
        (predecessorStart, predecessors) = Invert(count, start, targets);
        (successorStart, successors) = Invert(count, predecessorStart, predecessors);
        Order = Sort();
    }

    public int Count { get; }

    public int EdgeCount => successors.Length;

    public ReadOnlySpan<int> Predecessors(int item) => predecessors.AsSpan(predecessorStart[item]..predecessorStart[item + 1]);

    public ReadOnlySpan<int> Successors(int item) => successors.AsSpan(successorStart[item]..successorStart[item + 1]);

    /// <summary>The items, predecessors first; among those that are free, the lowest first.</summary>
    public ImmutableArray<int> Order { get; }

    public IEnumerable<(int From, int To)> Edges()
    {
        for (int from = 0; from < Count; from++)
            for (int i = successorStart[from]; i < successorStart[from + 1]; i++) yield return (from, successors[i]);
    }

    /// <summary>The same items with more edges.</summary>
    public Dag With(IReadOnlyCollection<(int From, int To)> more) => more.Count == 0 ? this : new Dag(Count, EdgesAnd(more));

    private IEnumerable<(int From, int To)> EdgesAnd(IEnumerable<(int From, int To)> more)
    {
        foreach ((int From, int To) edge in Edges()) yield return edge;
        foreach ((int From, int To) edge in more) yield return edge;
    }

    /// <summary>The graph in which the items of a group are one item; edges inside a group vanish.</summary>
    /// <param name="groupOf">The group of each item, 0 to <paramref name="groupCount"/> - 1.</param>
    /// <exception cref="ArgumentException">The contracted graph has a cycle.</exception>
    public Dag Contract(int[] groupOf, int groupCount) => new(groupCount, EdgesBetween(groupOf));

    private IEnumerable<(int From, int To)> EdgesBetween(int[] groupOf)
    {
        for (int from = 0; from < Count; from++)
            for (int i = successorStart[from]; i < successorStart[from + 1]; i++)
                if (groupOf[from] != groupOf[successors[i]]) yield return (groupOf[from], groupOf[successors[i]]);
    }

    /// <summary>The Kahn level of each item: the length in items of the longest path that leads to it.</summary>
    public int[] Levels()
    {
        var level = new int[Count];
        foreach (int item in Order)
            foreach (int predecessor in Predecessors(item)) level[item] = Math.Max(level[item], level[predecessor] + 1);
        return level;
    }

    /// <summary>Targets of edges by source, in the order given.</summary>
    private static (int[] Start, int[] Items) Group(int count, IEnumerable<(int From, int To)> edges)
    {
        List<int> from = [], to = [];
        foreach ((int source, int target) in edges)
        {
            from.Add(source);
            to.Add(target);
        }
        int[] start = Starts(count, CollectionsMarshal.AsSpan(from)), items = new int[to.Count], next = start.AsSpan(0, count).ToArray();
        for (int i = 0; i < items.Length; i++) items[next[from[i]]++] = to[i];
        return (start, items);
    }

    /// <summary>The other side of grouped edges, every edge once, in order.</summary>
    private static (int[] Start, int[] Items) Invert(int count, int[] start, int[] items)
    {
        int[] inverseStart = Starts(count, items), inverse = new int[items.Length], next = inverseStart.AsSpan(0, count).ToArray();
        for (int group = 0; group < count; group++)
            for (int i = start[group]; i < start[group + 1]; i++)
            {
                int item = items[i];
                if (next[item] == inverseStart[item] || inverse[next[item] - 1] != group) inverse[next[item]++] = group;
            }
        int kept = 0;
        for (int item = 0; item < count; item++)
        {
            int first = inverseStart[item];
            inverseStart[item] = kept;
            for (int i = first; i < next[item]; i++) inverse[kept++] = inverse[i];
        }
        inverseStart[count] = kept;
        return (inverseStart, inverse[..kept]);
    }

    /// <summary>Where the items of each group start when they lie group by group.</summary>
    private static int[] Starts(int count, ReadOnlySpan<int> groups)
    {
        var start = new int[count + 1];
        foreach (int group in groups) start[group + 1]++;
        for (int i = 0; i < count; i++) start[i + 1] += start[i];
        return start;
    }

    private ImmutableArray<int> Sort()
    {
        var waiting = new int[Count];
        var ready = new PriorityQueue<int, int>();
        for (int item = 0; item < Count; item++)
        {
            waiting[item] = Predecessors(item).Length;
            if (waiting[item] == 0) ready.Enqueue(item, item);
        }
        var order = ImmutableArray.CreateBuilder<int>(Count);
        while (ready.TryDequeue(out int item, out _))
        {
            order.Add(item);
            foreach (int successor in Successors(item))
                if (--waiting[successor] == 0) ready.Enqueue(successor, successor);
        }
        if (order.Count != Count) throw new ArgumentException("the edges form a cycle");
        return order.MoveToImmutable();
    }
}
