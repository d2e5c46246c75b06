using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>
/// Gives buffers offsets in one arena. Two buffers may share bytes exactly if one is done before the other begins in every schedule that the plan allows.
/// Deterministic, without side effects.
/// </summary>
public static class MemoryPlanner
{
    /// <summary>Lanes of the widest plan of a graph that is too wide for a table of its order.</summary>
    private const int MaxLanes = 16;

    /// <summary>The plan for branches that run one after another, in the order whose peak is the lowest of those tried.</summary>
    public static MemoryPlan Sequential(MemoryProblem problem) => new Planning(problem).Sequential();

    /// <summary>The plan for any schedule that the dependencies allow.</summary>
    public static MemoryPlan Parallel(MemoryProblem problem) => new Planning(problem).Parallel();

    /// <summary>
    /// The plan for at most <paramref name="concurrency"/> branches at once: the smallest of several layouts on so many lanes, or the plan without control
    /// edges where that is no larger.
    /// </summary>
    public static MemoryPlan Plan(MemoryProblem problem, int concurrency)
    {
        var planning = new Planning(problem);
        if (concurrency <= 1) return planning.Sequential();
        MemoryPlan parallel = planning.Parallel();
        if (parallel.Width <= concurrency) return parallel;
        return planning.Limited(concurrency).Prepend(parallel).OrderBy(p => p.ArenaBytes).ThenBy(p => p.MakespanUs).First();
    }

    /// <summary>Plans from fully parallel to sequential; widths between are <paramref name="maxWidth"/> and its halves.</summary>
    /// <param name="maxWidth">More branches than this never run at once, because there are no more workers.</param>
    public static MemoryLadder Ladder(MemoryProblem problem, int maxWidth = MaxLanes)
    {
        var planning = new Planning(problem);
        var rungs = new List<MemoryPlan> { planning.Parallel() };
        for (int width = Math.Min(maxWidth, rungs[0].Width - 1); width > 1; width /= 2)
            foreach (MemoryPlan plan in planning.Limited(width).OrderByDescending(p => p.ArenaBytes))
                if (plan.ArenaBytes < rungs[^1].ArenaBytes) rungs.Add(plan);
        MemoryPlan sequential = planning.Sequential();
        // A plan for a freer order holds for every order that respects its edges.
        if (rungs[^1].ArenaBytes < sequential.ArenaBytes) sequential = planning.SequentialOf(rungs[^1]);
        if (rungs[^1].Width == 1) rungs.RemoveAt(rungs.Count - 1);
        rungs.Add(sequential);
        return new MemoryLadder([.. rungs]);
    }

    /// <summary>What the plans of one problem have in common.</summary>
    private sealed class Planning
    {
        private readonly MemoryProblem problem;
        private readonly int[] buffers;
        private readonly ImmutableArray<double> branchUs;
        private readonly Lazy<int[]> leastMemory, criticalPath;

        internal Planning(MemoryProblem problem)
        {
            this.problem = problem;
            buffers = [.. Enumerable.Range(0, problem.Buffers.Length).Where(i => problem.Buffers[i] is { IsDynamic: false, Bytes: > 0, Accesses.IsEmpty: false })];
            branchUs = problem.BranchUs.IsDefault ? [.. problem.StepCounts.Select(s => (double)Math.Max(1, s))] : problem.BranchUs;
            leastMemory = new Lazy<int[]>(() => BranchRanks.LeastMemory(problem));
            criticalPath = new Lazy<int[]>(() => BranchRanks.CriticalPathFirst(problem.Branches, branchUs));
        }

        internal MemoryPlan Sequential() => OnLanes(1, leastMemory.Value, int.MaxValue, isRigid: false, "least memory first");

        /// <summary>The same offsets, in one order.</summary>
        internal MemoryPlan SequentialOf(MemoryPlan plan) => plan with
        {
            Width = 1,
            ControlEdges = [.. plan.Order.Zip(plan.Order.Skip(1), (a, b) => new ControlEdge(a, b)).Where(e => !problem.Branches.Predecessors(e.To.Index).Contains(e.From.Index))],
            MakespanUs = branchUs.Sum(),
        };

        internal MemoryPlan Parallel()
        {
            if (BranchOrder.TryCreate(problem.Branches) is not { } order) return OnLanes(MaxLanes, criticalPath.Value, int.MaxValue, isRigid: false, "too wide for a free order; critical path first");
            int width = Math.Max(1, order.ChainCount);
            double makespan = Lanes.Schedule(problem.Branches, branchUs, width, criticalPath.Value, int.MaxValue, isRigid: false).MakespanUs;
            return Place(order, width, [], makespan, "no control edges");
        }

        /// <summary>Layouts on so many lanes, from the fastest to the most frugal.</summary>
        internal IEnumerable<MemoryPlan> Limited(int width)
        {
            yield return OnLanes(width, criticalPath.Value, int.MaxValue, isRigid: false, "critical path first");
            yield return OnLanes(width, leastMemory.Value, int.MaxValue, isRigid: false, "least memory first");
            yield return OnLanes(width, leastMemory.Value, 2 * width, isRigid: true, "least memory first, kept close");
        }

        private MemoryPlan OnLanes(int width, int[] priority, int lookahead, bool isRigid, string why)
        {
            Lanes lanes = Lanes.Schedule(problem.Branches, branchUs, width, priority, lookahead, isRigid);
            BranchOrder order = BranchOrder.OfLanes(problem.Branches.With(lanes.ControlEdges), lanes.LaneOf);
            return Place(order, width, lanes.ControlEdges, lanes.MakespanUs, why);
        }

        private MemoryPlan Place(BranchOrder order, int width, IReadOnlyCollection<(int From, int To)> edges, double makespanUs, string why)
        {
            var lifetimes = new Lifetimes(problem, order, buffers);
            long arena, bound = LowerBound.PeakBytes(lifetimes);
            long[] offsets;
            if (Conflicts.TryFind(lifetimes) is { } conflicts)
            {
                if (width > 1) bound = LowerBound.HeaviestClique(lifetimes, conflicts, bound);
                var placer = new Placer(lifetimes, conflicts, bound);
                placer.Run();
                (offsets, arena, why) = (placer.Offsets, placer.ArenaBytes, $"{why}; {placer.Heuristic}");
            }
            else
            {
                (offsets, arena) = FreeListPlacer.Run(lifetimes);
                why += "; free list";
            }
            return new MemoryPlan
            {
                Offsets = AllOffsets(offsets),
                ArenaBytes = arena,
                NoReuseBytes = lifetimes.Bytes.Sum(),
                LowerBoundBytes = bound,
                Width = width,
                ControlEdges = [.. edges.Select(e => new ControlEdge(new BranchId(e.From), new BranchId(e.To)))],
                Order = [.. order.Linear.Select(b => new BranchId(b))],
                MakespanUs = problem.BranchUs.IsDefault ? 0 : makespanUs,
                Why = why,
            };
        }

        private ImmutableArray<long> AllOffsets(long[] offsets)
        {
            var all = new long[problem.Buffers.Length];
            for (int i = 0; i < all.Length; i++) all[i] = problem.Buffers[i].IsDynamic ? -1 : 0;
            for (int i = 0; i < buffers.Length; i++) all[buffers[i]] = offsets[i];
            return [.. all];
        }
    }
}
