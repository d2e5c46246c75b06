using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>Offsets for some buffers of a problem under one order of branches.</summary>
/// <param name="Offsets">In the order of the buffers that were asked for.</param>
/// <param name="Heuristic">How they were found.</param>
internal sealed record ArenaLayout(long[] Offsets, long ArenaBytes, long LowerBoundBytes, string Heuristic)
{
    /// <summary>Buffer by buffer where the conflicts can be listed; else branch by branch; else as an allocator would.</summary>
    internal static ArenaLayout Of(MemoryProblem problem, BranchOrder order, int[] buffers) =>
        WithConflicts(problem, order, buffers) ?? ByBranch(problem, order, buffers) ?? FromFreeList(problem, order, buffers);

    private static ArenaLayout? WithConflicts(MemoryProblem problem, BranchOrder order, int[] buffers)
    {
        var lifetimes = new Lifetimes(problem, order, buffers);
        if (Conflicts.TryFind(lifetimes) is not { } conflicts) return null;
        long bound = LowerBound.PeakBytes(lifetimes);
        if (order.ChainCount > 1) bound = LowerBound.HeaviestClique(lifetimes, conflicts, bound);
        var placer = new Placer(lifetimes, conflicts, bound);
        placer.Run();
        return new ArenaLayout(placer.Offsets, placer.ArenaBytes, bound, placer.Heuristic);
    }

    /// <summary>The buffers that only one branch touches are laid out in an area of that branch, and the areas beside the other buffers.</summary>
    private static ArenaLayout? ByBranch(MemoryProblem problem, BranchOrder order, int[] buffers)
    {
        if (order.ChainCount <= 1) return null;
        var outer = new List<int>();
        var privateOf = new SortedDictionary<int, List<int>>(); // by branch, indices into the buffers
        for (int i = 0; i < buffers.Length; i++)
        {
            ArenaBuffer buffer = problem.Buffers[buffers[i]];
            int branch = buffer.Accesses[0].Branch.Index;
            if (buffer.LiveIn || buffer.LiveOut || buffer.Accesses.Any(a => a.Branch.Index != branch)) outer.Add(i);
            else if (privateOf.TryGetValue(branch, out List<int>? list)) list.Add(i);
            else privateOf[branch] = [i];
        }
        if (privateOf.Count + outer.Count == buffers.Length) return null;

        var inner = privateOf.Select(p => (Branch: p.Key, Members: p.Value, Layout: WithinBranch(problem, p.Key, [.. p.Value.Select(i => buffers[i])]))).ToList();
        var areas = inner.Select(a => new ArenaBuffer(-1, a.Layout.ArenaBytes, [new Access(new BranchId(a.Branch), 0, Math.Max(1, problem.StepCounts[a.Branch]) - 1)]));
        var coarse = problem with { Buffers = [.. outer.Select(i => problem.Buffers[buffers[i]]), .. areas] };
        int[] all = Mapping.Positions(coarse.Buffers.Length);
        ArenaLayout layout = WithConflicts(coarse, order, all) ?? FromFreeList(coarse, order, all);

        var offsets = new long[buffers.Length];
        for (int i = 0; i < outer.Count; i++) offsets[outer[i]] = layout.Offsets[i];
        for (int area = 0; area < inner.Count; area++)
            for (int i = 0; i < inner[area].Members.Count; i++)
                offsets[inner[area].Members[i]] = layout.Offsets[outer.Count + area] + inner[area].Layout.Offsets[i];
        long bound = LowerBound.PeakBytes(new Lifetimes(problem, order, buffers));
        return new ArenaLayout(offsets, layout.ArenaBytes, bound, $"an area a branch, {layout.Heuristic}");
    }

    private static ArenaLayout WithinBranch(MemoryProblem problem, int branch, int[] buffers)
    {
        var alone = new MemoryProblem(new Dag(1, []), [problem.StepCounts[branch]], [.. buffers.Select(b => problem.Buffers[b] with { Accesses = Moved(problem.Buffers[b].Accesses) })]);
        return Of(alone, BranchOrder.OfLanes(alone.Branches, [0]), Mapping.Positions(buffers.Length));

        static ImmutableArray<Access> Moved(ImmutableArray<Access> accesses) => [.. accesses.Select(a => a with { Branch = new BranchId(0) })];
    }

    private static ArenaLayout FromFreeList(MemoryProblem problem, BranchOrder order, int[] buffers)
    {
        var lifetimes = new Lifetimes(problem, order, buffers);
        (long[] offsets, long arenaBytes) = FreeListPlacer.Run(lifetimes);
        return new ArenaLayout(offsets, arenaBytes, LowerBound.PeakBytes(lifetimes), "free list");
    }
}
