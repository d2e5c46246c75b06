namespace Parallax.Planning;

/// <summary>How many bytes branches begin and end to need, for comparing sequential orders.</summary>
internal sealed class BranchDemand
{
    private readonly MemoryProblem problem;
    private readonly List<int>[] buffersOf; // by branch
    private readonly long[] bytes, ownPeak;

    internal BranchDemand(MemoryProblem problem)
    {
        this.problem = problem;
        bytes = [.. problem.Buffers.Select(b => b.IsDynamic ? 0 : MemoryProblem.Align(b.Bytes))];
        buffersOf = new List<int>[problem.Branches.Count];
        for (int i = 0; i < buffersOf.Length; i++) buffersOf[i] = [];
        for (int i = 0; i < bytes.Length; i++)
            foreach (Access access in problem.Buffers[i].Accesses)
                if (buffersOf[access.Branch.Index] is var list && (list.Count == 0 || list[^1] != i)) list.Add(i);
        ownPeak = new long[buffersOf.Length];
        for (int branch = 0; branch < buffersOf.Length; branch++) ownPeak[branch] = Peak(branch, i => IsOnlyIn(i, branch));
    }

    /// <summary>The peak of buffers that only this branch touches.</summary>
    internal long OwnPeakBytes(int branch) => ownPeak[branch];

    /// <summary>The peak of live bytes when the branches run in an order.</summary>
    internal long PeakBytes(int[] order)
    {
        var replay = new Replay(this);
        foreach (int branch in order) replay.Run(branch);
        return replay.PeakBytes;
    }

    /// <summary>Of the branches that are ready, always the one that leaves the fewest bytes behind.</summary>
    internal int[] Greedy()
    {
        var replay = new Replay(this);
        var order = new List<int>();
        var waiting = new int[buffersOf.Length];
        var ready = new List<int>();
        for (int branch = 0; branch < waiting.Length; branch++)
        {
            waiting[branch] = problem.Branches.Predecessors(branch).Length;
            if (waiting[branch] == 0) ready.Add(branch);
        }
        while (ready.Count > 0)
        {
            int next = ready.MinBy(b => (replay.GrowthBytes(b), ownPeak[b], b));
            ready.Remove(next);
            order.Add(next);
            replay.Run(next);
            foreach (int successor in problem.Branches.Successors(next))
                if (--waiting[successor] == 0) ready.Add(successor);
        }
        return [.. order];
    }

    private bool IsOnlyIn(int buffer, int branch) =>
        problem.Buffers[buffer] is { LiveIn: false, LiveOut: false } b && b.Accesses.All(a => a.Branch.Index == branch);

    /// <summary>The peak of some of a branch's buffers over its steps.</summary>
    private long Peak(int branch, Func<int, bool> isWanted)
    {
        var delta = new SortedDictionary<int, long>();
        foreach (int i in buffersOf[branch])
        {
            if (!isWanted(i)) continue;
            foreach (Access access in problem.Buffers[i].Accesses)
            {
                if (access.Branch.Index != branch) continue;
                delta[access.First] = delta.GetValueOrDefault(access.First) + bytes[i];
                delta[access.Last + 1] = delta.GetValueOrDefault(access.Last + 1) - bytes[i];
            }
        }
        long live = 0, peak = 0;
        foreach (long change in delta.Values) peak = Math.Max(peak, live += change);
        return peak;
    }

    private sealed class Replay
    {
        private readonly BranchDemand demand;
        private readonly int[] left; // by buffer: branches that still touch it
        private readonly bool[] begun;
        private long live;

        internal Replay(BranchDemand demand)
        {
            this.demand = demand;
            left = new int[demand.bytes.Length];
            begun = new bool[left.Length];
            foreach (List<int> buffers in demand.buffersOf)
                foreach (int buffer in buffers) left[buffer]++;
            for (int i = 0; i < left.Length; i++)
            {
                if (!demand.problem.Buffers[i].LiveIn) continue;
                begun[i] = true;
                live += demand.bytes[i];
            }
        }

        internal long PeakBytes { get; private set; }

        internal long GrowthBytes(int branch)
        {
            long growth = 0;
            foreach (int buffer in demand.buffersOf[branch])
            {
                if (!begun[buffer]) growth += demand.bytes[buffer];
                if (Ends(buffer)) growth -= demand.bytes[buffer];
            }
            return growth;
        }

        internal void Run(int branch)
        {
            long crossing = 0;
            foreach (int buffer in demand.buffersOf[branch])
            {
                if (begun[buffer] || demand.IsOnlyIn(buffer, branch)) continue;
                begun[buffer] = true;
                crossing += demand.bytes[buffer];
            }
            live += crossing;
            PeakBytes = Math.Max(PeakBytes, live + demand.ownPeak[branch]);
            foreach (int buffer in demand.buffersOf[branch])
            {
                if (begun[buffer] && Ends(buffer)) live -= demand.bytes[buffer];
                left[buffer]--;
            }
        }

        private bool Ends(int buffer) => left[buffer] == 1 && !demand.problem.Buffers[buffer].LiveOut;
    }
}
