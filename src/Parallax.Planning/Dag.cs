using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>A directed acyclic graph over the items 0 to <see cref="Count"/> - 1, every edge once. Immutable, thread-safe.</summary>
public sealed class Dag
{
    private readonly int[] predecessorStart, predecessors, successorStart, successors;

    /// <exception cref="ArgumentException">The edges form a cycle.</exception>
    public Dag(int count, IEnumerable<(int From, int To)> edges)
    {
        Count = count;
        (successorStart, successors) = Group(count, edges.Select(e => ((long)e.From << 32) | (uint)e.To));
        (predecessorStart, predecessors) = Group(count, Edges().Select(e => ((long)e.To << 32) | (uint)e.From));
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
    public Dag With(IReadOnlyCollection<(int From, int To)> more) => more.Count == 0 ? this : new Dag(Count, Edges().Concat(more));

    /// <summary>The graph in which the items of a group are one item; edges inside a group vanish.</summary>
    /// <param name="groupOf">The group of each item, 0 to <paramref name="groupCount"/> - 1.</param>
    /// <exception cref="ArgumentException">The contracted graph has a cycle.</exception>
    public Dag Contract(int[] groupOf, int groupCount) =>
        new(groupCount, Edges().Select(e => (From: groupOf[e.From], To: groupOf[e.To])).Where(e => e.From != e.To));

    /// <summary>The Kahn level of each item: the length in items of the longest path that leads to it.</summary>
    public int[] Levels()
    {
        var level = new int[Count];
        foreach (int item in Order)
            foreach (int predecessor in Predecessors(item)) level[item] = Math.Max(level[item], level[predecessor] + 1);
        return level;
    }

    private static (int[] Start, int[] Items) Group(int count, IEnumerable<long> keys)
    {
        long[] sorted = [.. keys];
        Array.Sort(sorted);
        int distinct = 0;
        for (int i = 0; i < sorted.Length; i++)
            if (i == 0 || sorted[i] != sorted[i - 1]) sorted[distinct++] = sorted[i];
        var start = new int[count + 1];
        var items = new int[distinct];
        for (int i = 0; i < distinct; i++)
        {
            items[i] = (int)(uint)sorted[i];
            start[(int)(sorted[i] >> 32) + 1]++;
        }
        for (int i = 0; i < count; i++) start[i + 1] += start[i];
        return (start, items);
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
