namespace Parallax.Planning;

/// <summary>How many bytes branches begin and end to need, for comparing sequential orders.</summary>
internal sealed class BranchDemand
{
    private readonly MemoryProblem problem;
    private readonly List<int>[] buffersOf; // by branch
    private readonly long[] bytes, ownPeak;
    private readonly bool[] isPrivate; // by buffer: only one branch touches it

    internal BranchDemand(MemoryProblem problem)
    {
        this.problem = problem;
        bytes = [.. problem.Buffers.Select(b => b.IsDynamic ? 0 : MemoryProblem.Align(b.Bytes))];
        buffersOf = new List<int>[problem.Branches.Count];
        for (int i = 0; i < buffersOf.Length; i++) buffersOf[i] = [];
        for (int i = 0; i < bytes.Length; i++)
            foreach (Access access in problem.Buffers[i].Accesses)
                if (buffersOf[access.Branch.Index] is var list && (list.Count == 0 || list[^1] != i)) list.Add(i);
        isPrivate = [.. problem.Buffers.Select(b => b is { LiveIn: false, LiveOut: false, Accesses.IsEmpty: false } && b.Accesses.All(a => a.Branch == b.Accesses[0].Branch))];
        ownPeak = new long[buffersOf.Length];
        for (int branch = 0; branch < buffersOf.Length; branch++) ownPeak[branch] = PrivatePeak(branch);
    }

    /// <summary>The peak of buffers that only this branch touches.</summary>
    internal long OwnPeakBytes(int branch) => ownPeak[branch];

    /// <summary>The peak of a branch on its own: its private buffers, and the others that it touches all the while.</summary>
    internal long PeakBytes(int branch) => ownPeak[branch] + buffersOf[branch].Where(b => !isPrivate[b]).Sum(b => bytes[b]);

    /// <summary>The peak of live bytes, step by step, when the branches run in an order.</summary>
    internal long PeakBytes(int[] order)
    {
        var start = new int[order.Length]; // by branch, its first step
        int steps = 0;
        foreach (int branch in order)
        {
            start[branch] = steps;
            steps += Math.Max(1, problem.StepCounts[branch]);
        }
        var live = new long[steps + 1];
        for (int i = 0; i < bytes.Length; i++)
        {
            ArenaBuffer buffer = problem.Buffers[i];
            if (buffer.Accesses.IsEmpty) continue;
            int first = steps, last = 0;
            foreach (Access access in buffer.Accesses)
            {
                first = Math.Min(first, start[access.Branch.Index] + access.First);
                last = Math.Max(last, start[access.Branch.Index] + access.Last);
            }
            live[buffer.LiveIn ? 0 : first] += bytes[i];
            live[buffer.LiveOut ? steps : last + 1] -= bytes[i];
        }
        return LowerBound.Peak(live);
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
            int next = -1;
            long growth = 0;
            foreach (int branch in ready)
            {
                long bytesLeft = replay.GrowthBytes(branch);
                if (next >= 0 && (bytesLeft, ownPeak[branch], branch).CompareTo((growth, ownPeak[next], next)) > 0) continue;
                (next, growth) = (branch, bytesLeft);
            }
            ready.Remove(next);
            order.Add(next);
            replay.Start(next);
            replay.Finish(next);
            foreach (int successor in problem.Branches.Successors(next))
                if (--waiting[successor] == 0) ready.Add(successor);
        }
        return [.. order];
    }

    private long PrivatePeak(int branch)
    {
        var live = new long[Math.Max(1, problem.StepCounts[branch]) + 1];
        foreach (int i in buffersOf[branch])
        {
            if (!isPrivate[i]) continue;
            int first = int.MaxValue, last = 0;
            foreach (Access access in problem.Buffers[i].Accesses) (first, last) = (Math.Min(first, access.First), Math.Max(last, access.Last));
            live[first] += bytes[i];
            live[last + 1] -= bytes[i];
        }
        return LowerBound.Peak(live);
    }

    /// <summary>Live bytes while branches start and finish.</summary>
    internal sealed class Replay
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

        /// <summary>Live bytes while a branch runs beside what runs already.</summary>
        internal long BytesWith(int branch)
        {
            long sum = live + demand.ownPeak[branch];
            foreach (int buffer in demand.buffersOf[branch])
                if (!begun[buffer] && !demand.isPrivate[buffer]) sum += demand.bytes[buffer];
            return sum;
        }

        /// <summary>By how much a branch changes what is live when it has run.</summary>
        internal long GrowthBytes(int branch)
        {
            long growth = 0;
            foreach (int buffer in demand.buffersOf[branch])
            {
                if (demand.isPrivate[buffer]) continue;
                if (!begun[buffer]) growth += demand.bytes[buffer];
                if (left[buffer] == 1 && !demand.problem.Buffers[buffer].LiveOut) growth -= demand.bytes[buffer];
            }
            return growth;
        }

        internal void Start(int branch)
        {
            live = BytesWith(branch);
            PeakBytes = Math.Max(PeakBytes, live);
            foreach (int buffer in demand.buffersOf[branch]) begun[buffer] = true;
        }

        internal void Finish(int branch)
        {
            live -= demand.ownPeak[branch];
            foreach (int buffer in demand.buffersOf[branch])
                if (--left[buffer] == 0 && !demand.isPrivate[buffer] && !demand.problem.Buffers[buffer].LiveOut) live -= demand.bytes[buffer];
        }
    }
}
