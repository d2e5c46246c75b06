using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>The share of one branch in a plan: of the buffers that it is the first to touch.</summary>
/// <param name="NoReuseBytes">Side by side.</param>
/// <param name="PlannedBytes">Distinct bytes of the arena that they lie on.</param>
/// <param name="LowerBoundBytes">The peak of them while the branch runs; what others still read lives to its end.</param>
public sealed record BranchMemory(BranchId Branch, long NoReuseBytes, long PlannedBytes, long LowerBoundBytes)
{
    /// <summary>By branch. Dynamic buffers count as nothing.</summary>
    public static ImmutableArray<BranchMemory> Of(MemoryProblem problem, MemoryPlan plan)
    {
        var place = new int[problem.Branches.Count];
        for (int i = 0; i < place.Length; i++) place[plan.Order[i].Index] = i;
        var own = new List<int>[place.Length];
        for (int i = 0; i < own.Length; i++) own[i] = [];
        for (int i = 0; i < problem.Buffers.Length; i++)
            if (plan.Offsets[i] >= 0 && !problem.Buffers[i].Accesses.IsEmpty) own[problem.Buffers[i].Accesses.MinBy(a => place[a.Branch.Index]).Branch.Index].Add(i);
        return [.. own.Select((buffers, branch) => new BranchMemory(
            new BranchId(branch),
            buffers.Sum(b => MemoryProblem.Align(problem.Buffers[b].Bytes)),
            Covered(buffers.Select(b => (plan.Offsets[b], plan.Offsets[b] + MemoryProblem.Align(problem.Buffers[b].Bytes)))),
            Peak(problem, buffers, branch)))];
    }

    /// <summary>Bytes that lie in some ranges, those in several counted once.</summary>
    internal static long Covered(IEnumerable<(long Start, long End)> ranges)
    {
        long covered = 0, reached = 0;
        foreach ((long start, long end) in ranges.OrderBy(r => r.Start))
        {
            covered += Math.Max(0, end - Math.Max(start, reached));
            reached = Math.Max(reached, end);
        }
        return covered;
    }

    private static long Peak(MemoryProblem problem, List<int> buffers, int branch)
    {
        var live = new long[Math.Max(1, problem.StepCounts[branch]) + 1];
        foreach (ArenaBuffer buffer in buffers.Select(b => problem.Buffers[b]))
        {
            Access[] here = [.. buffer.Accesses.Where(a => a.Branch.Index == branch)];
            live[buffer.LiveIn ? 0 : here.Min(a => a.First)] += MemoryProblem.Align(buffer.Bytes);
            if (here.Length == buffer.Accesses.Length && !buffer.LiveOut) live[here.Max(a => a.Last) + 1] -= MemoryProblem.Align(buffer.Bytes);
        }
        return LowerBound.Peak(live);
    }
}
