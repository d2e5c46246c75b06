using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>
/// When buffers are alive under an order of branches. One buffer is done before another begins if each of its accesses is ordered before each of the
/// other's: by step within a branch, by the order of branches otherwise. Buffers neither of which is done first conflict.
/// </summary>
internal sealed class Lifetimes
{
    private readonly BranchOrder order;
    private readonly Access[][] first, last; // the accesses that no other access of the buffer precedes, and those that precede no other

    internal Lifetimes(MemoryProblem problem, BranchOrder order, int[] buffers)
    {
        this.order = order;
        Count = buffers.Length;
        Bytes = new long[Count];
        Start = new int[Count];
        End = new int[Count];
        LatestEnd = new int[Count];
        first = new Access[Count][];
        last = new Access[Count][];
        int[] stepStart = StepStarts(problem, order);
        StepCount = stepStart[^1];
        for (int i = 0; i < Count; i++) Add(problem, i, problem.Buffers[buffers[i]], stepStart);
    }

    internal int Count { get; }

    internal int StepCount { get; }

    internal long[] Bytes { get; }

    /// <summary>The step, in the linear order, of the first access; -1 for what is there before.</summary>
    internal int[] Start { get; }

    /// <summary>The step, in the linear order, of the last access; <see cref="int.MaxValue"/> for what stays.</summary>
    internal int[] End { get; }

    /// <summary>The last step in the linear order that may run before the buffer is done in some schedule.</summary>
    internal int[] LatestEnd { get; }

    internal bool Conflict(int a, int b) => !IsDoneBefore(a, b) && !IsDoneBefore(b, a);

    private bool IsDoneBefore(int a, int b)
    {
        if (End[a] == int.MaxValue || Start[b] < 0 || End[a] >= Start[b]) return false;
        foreach (Access end in last[a])
            foreach (Access start in first[b])
                if (end.Branch == start.Branch ? end.Last >= start.First : !order.Precedes(end.Branch.Index, start.Branch.Index)) return false;
        return true;
    }

    /// <summary>By position in the linear order, the first step of the branch; one more entry for the end.</summary>
    private static int[] StepStarts(MemoryProblem problem, BranchOrder order)
    {
        var starts = new int[order.Linear.Length + 1];
        for (int i = 0; i < order.Linear.Length; i++) starts[i + 1] = starts[i] + Math.Max(1, problem.StepCounts[order.Linear[i]]);
        return starts;
    }

    private void Add(MemoryProblem problem, int i, ArenaBuffer buffer, int[] stepStart)
    {
        Bytes[i] = MemoryProblem.Align(buffer.Bytes);
        Access[] accesses = OnePerBranch(buffer.Accesses);
        first[i] = Extremes(accesses, (known, next) => order.Precedes(known, next));
        Array.Reverse(accesses);
        last[i] = Extremes(accesses, (known, next) => order.Precedes(next, known));
        (Start[i], End[i], LatestEnd[i]) = (int.MaxValue, 0, 0);
        foreach (Access access in accesses)
        {
            int position = order.Position(access.Branch.Index), latest = order.LatestUnordered(access.Branch.Index);
            Start[i] = Math.Min(Start[i], stepStart[position] + access.First);
            End[i] = Math.Max(End[i], stepStart[position] + access.Last);
            if (latest != position) LatestEnd[i] = Math.Max(LatestEnd[i], stepStart[latest + 1] - 1);
        }
        if (buffer.LiveIn) Start[i] = -1;
        if (buffer.LiveOut) End[i] = int.MaxValue;
        LatestEnd[i] = Math.Max(LatestEnd[i], End[i]);
    }

    /// <summary>In the linear order of the branches.</summary>
    private Access[] OnePerBranch(ImmutableArray<Access> accesses)
    {
        var merged = new List<Access>(accesses.Length);
        foreach (Access access in accesses)
        {
            int at = merged.Count;
            while (at > 0 && order.Position(merged[at - 1].Branch.Index) > order.Position(access.Branch.Index)) at--;
            if (at == 0 || merged[at - 1].Branch != access.Branch) merged.Insert(at, access);
            else merged[at - 1] = new Access(access.Branch, Math.Min(merged[at - 1].First, access.First), Math.Max(merged[at - 1].Last, access.Last));
        }
        return [.. merged];
    }

    /// <summary>The accesses, given from the outermost inward, that none of those before them covers.</summary>
    private static Access[] Extremes(Access[] accesses, Func<int, int, bool> covers)
    {
        var extremes = new List<Access>();
        foreach (Access access in accesses)
            if (!extremes.Exists(e => covers(e.Branch.Index, access.Branch.Index))) extremes.Add(access);
        return [.. extremes];
    }
}
