using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>Orders in which branches may be taken.</summary>
internal static class BranchRanks
{
    /// <summary>Branches whose memory-greedy order is searched for; beyond, only the cheap orders are tried.</summary>
    private const int MaxGreedyBranches = 2000;

    /// <summary>Upward ranks: the longest predicted time from the start of a branch to the end of all.</summary>
    internal static double[] Upward(Dag dag, ImmutableArray<double> branchUs)
    {
        var rank = new double[dag.Count];
        for (int i = dag.Count - 1; i >= 0; i--)
        {
            int branch = dag.Order[i];
            foreach (int successor in dag.Successors(branch)) rank[branch] = Math.Max(rank[branch], rank[successor]);
            rank[branch] += branchUs[branch];
        }
        return rank;
    }

    /// <summary>By branch, its place when the highest upward rank comes first. A topological order.</summary>
    internal static int[] CriticalPathFirst(Dag dag, ImmutableArray<double> branchUs)
    {
        double[] upward = Upward(dag, branchUs);
        var place = new int[dag.Count];
        for (int i = 0; i < dag.Count; i++) place[dag.Order[i]] = i;
        int[] order = Mapping.Positions(dag.Count);
        Array.Sort(order, (a, b) => upward[b] != upward[a] ? upward[b].CompareTo(upward[a]) : place[a] - place[b]);
        return Invert(order);
    }

    /// <summary>By branch, its place in the sequential order whose peak of live bytes is the lowest of those tried.</summary>
    internal static int[] LeastMemory(MemoryProblem problem, BranchDemand demand)
    {
        IEnumerable<int[]> candidates = [[.. problem.Branches.Order], DepthFirst(problem.Branches, demand)];
        if (problem.Branches.Count <= MaxGreedyBranches) candidates = candidates.Append(demand.Greedy());
        return Invert(candidates.MinBy(demand.PeakBytes)!);
    }

    internal static int[] Invert(IReadOnlyList<int> order)
    {
        var place = new int[order.Count];
        for (int i = 0; i < order.Count; i++) place[order[i]] = i;
        return place;
    }

    /// <summary>Each branch as soon after its predecessors as may be, the hungriest predecessor first.</summary>
    private static int[] DepthFirst(Dag dag, BranchDemand demand)
    {
        var order = new List<int>(dag.Count);
        var state = new byte[dag.Count]; // 0 new, 1 waits for its predecessors, 2 placed
        var stack = new Stack<int>();
        foreach (int branch in dag.Order)
            if (dag.Successors(branch).IsEmpty) Visit(branch);
        return [.. order];

        void Visit(int sink)
        {
            stack.Push(sink);
            while (stack.TryPeek(out int branch))
            {
                if (state[branch] == 0)
                {
                    state[branch] = 1;
                    foreach (int before in dag.Predecessors(branch).ToArray().OrderBy(p => demand.OwnPeakBytes(p)))
                        if (state[before] == 0) stack.Push(before);
                    continue;
                }
                stack.Pop();
                if (state[branch] == 2) continue;
                state[branch] = 2;
                order.Add(branch);
            }
        }
    }
}
