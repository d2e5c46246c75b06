using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Parallax.Planning;

/// <summary>
/// Gives buffers offsets in one arena. Two buffers may share bytes exactly if one is done before the other begins in every schedule that the plan allows.
/// Deterministic, without side effects.
/// </summary>
public static class MemoryPlanner
{
    /// <summary>Lanes of the widest plan of a graph that is too wide for a table of its order.</summary>
    private const int MaxLanes = 16;

    /// <summary>Beyond so many buffers, fewer layouts are tried.</summary>
    private const int ManyBuffers = 20_000;

    /// <summary>The plan for branches that run one after another, in the order whose peak is the lowest of those tried.</summary>
    public static MemoryPlan Sequential(MemoryProblem problem) => new Planning(problem).Sequential();

    /// <summary>All branches in the sequential order whose peak of live bytes is the lowest of those tried: that of <see cref="Sequential"/>.</summary>
    public static ImmutableArray<BranchId> LeastMemoryOrder(MemoryProblem problem)
    {
        int[] place = BranchRanks.LeastMemory(problem, new BranchDemand(problem));
        var order = new BranchId[place.Length];
        for (int branch = 0; branch < place.Length; branch++) order[place[branch]] = new BranchId(branch);
        return ImmutableCollectionsMarshal.AsImmutableArray(order);
    }

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
        if (parallel.Width <= 1) return parallel;
        return planning.Limited(Math.Min(concurrency, parallel.Width)).Append(parallel).OrderBy(p => p.ArenaBytes).ThenBy(p => p.MakespanUs).First();
    }

    /// <summary>Plans from fully parallel to sequential; widths between are <paramref name="maxWidth"/> and its halves.</summary>
    /// <param name="maxWidth">More branches than this never run at once, because there are no more workers.</param>
    /// <param name="budgetBytes">Where given, branches are also laid out so that they just fit it, the critical path first.</param>
    public static MemoryLadder Ladder(MemoryProblem problem, int maxWidth = MaxLanes, long budgetBytes = long.MaxValue)
    {
        var planning = new Planning(problem);
        var rungs = new List<MemoryPlan> { planning.Parallel() };
        for (int width = Math.Min(maxWidth, rungs[0].Width); width > 1; width /= 2)
            foreach (MemoryPlan plan in planning.Limited(width, budgetBytes).OrderByDescending(p => p.ArenaBytes))
                if (plan.ArenaBytes < rungs[^1].ArenaBytes) rungs.Add(plan);
        MemoryPlan sequential = planning.Sequential();
        // A plan for a freer order holds for every order that respects its edges.
        if (rungs[^1].ArenaBytes < sequential.ArenaBytes) sequential = planning.SequentialOf(rungs[^1]);
        if (rungs[^1].Width == 1) rungs.RemoveAt(rungs.Count - 1);
        rungs.Add(sequential);
        // A rung that a smaller one outruns is of no use, except the first, whose freedom is worth something when times are not as predicted.
        if (!problem.BranchUs.IsDefault)
            for (int i = rungs.Count - 2; i > 0; i--)
                if (rungs[i].MakespanUs >= rungs[i + 1].MakespanUs) rungs.RemoveAt(i);
        return new MemoryLadder([.. rungs]);
    }

    /// <summary>The plan under given control edges, which together with the dependencies must form no cycle.</summary>
    public static MemoryPlan WithEdges(MemoryProblem problem, IReadOnlyCollection<(int From, int To)> edges, string why) => new Planning(problem).WithEdges(edges, why);

    /// <summary>What the plans of one problem have in common.</summary>
    private sealed class Planning
    {
        private readonly MemoryProblem problem;
        private readonly int[] buffers;
        private readonly ImmutableArray<double> branchUs;
        private readonly BranchDemand demand;
        private readonly Lazy<int[]> leastMemory, criticalPath;
        private readonly Lazy<MemoryPlan> sequential;

        internal Planning(MemoryProblem problem)
        {
            this.problem = problem;
            buffers = [.. Enumerable.Range(0, problem.Buffers.Length).Where(i => problem.Buffers[i] is { IsDynamic: false, Bytes: > 0, Accesses.IsEmpty: false })];
            branchUs = problem.BranchUs.IsDefault ? [.. problem.StepCounts.Select(s => (double)Math.Max(1, s))] : problem.BranchUs;
            demand = new BranchDemand(problem);
            leastMemory = new Lazy<int[]>(() => BranchRanks.LeastMemory(problem, demand));
            criticalPath = new Lazy<int[]>(() => BranchRanks.CriticalPathFirst(problem.Branches, branchUs));
            sequential = new Lazy<MemoryPlan>(() => OnLanes(new LaneRules(1, leastMemory.Value), "least memory first"));
        }

        internal MemoryPlan Sequential() => sequential.Value;

        /// <summary>The same offsets, in one order.</summary>
        internal MemoryPlan SequentialOf(MemoryPlan plan) => plan with
        {
            Width = 1,
            ControlEdges = [.. plan.Order.Zip(plan.Order.Skip(1), (a, b) => new ControlEdge(a, b)).Where(e => !problem.Branches.Predecessors(e.To.Index).Contains(e.From.Index))],
            MakespanUs = branchUs.Sum(),
        };

        internal MemoryPlan Parallel()
        {
            if (BranchOrder.TryCreate(problem.Branches) is not { } order) return OnLanes(new LaneRules(MaxLanes, criticalPath.Value), "too wide for a free order; critical path first");
            int width = Math.Max(1, order.ChainCount);
            double makespan = Lanes.Schedule(problem.Branches, branchUs, new LaneRules(width, criticalPath.Value)).MakespanUs;
            return Place(order, width, [], makespan, "no control edges");
        }

        internal MemoryPlan WithEdges(IReadOnlyCollection<(int From, int To)> edges, string why)
        {
            Dag dag = problem.Branches.With(edges);
            if (BranchOrder.TryCreate(dag) is not { } order) return Parallel();
            List<(int From, int To)> needed = [.. edges.Where(e => !problem.Branches.Predecessors(e.To).Contains(e.From))];
            int width = Math.Max(1, order.ChainCount);
            return Place(order, width, needed, Lanes.Schedule(dag, branchUs, new LaneRules(width, BranchRanks.CriticalPathFirst(dag, branchUs))).MakespanUs, why);
        }

        /// <summary>Layouts on so many lanes, with more or less freedom.</summary>
        internal IEnumerable<MemoryPlan> Limited(int width, long budgetBytes = long.MaxValue)
        {
            long peak = sequential.Value.LowerBoundBytes;
            yield return OnLanes(new LaneRules(width, criticalPath.Value), "critical path first");
            yield return OnLanes(new LaneRules(width, criticalPath.Value, IsRigid: true, Memory: new(demand), MemoryBytes: peak), "critical path first where it fits beside the rest");
            if (budgetBytes < long.MaxValue && budgetBytes > peak)
                yield return OnLanes(new LaneRules(width, criticalPath.Value, IsRigid: true, Memory: new(demand), MemoryBytes: budgetBytes), "critical path first within the budget");
            if (buffers.Length > ManyBuffers) yield break;
            yield return OnLanes(new LaneRules(width, criticalPath.Value, IsRigid: true, Memory: new(demand), MemoryBytes: peak + peak / 10), "critical path first where it fits beside the rest and a tenth");
            yield return OnLanes(new LaneRules(width, leastMemory.Value), "least memory first");
            yield return OnLanes(new LaneRules(width, leastMemory.Value, 2 * width, IsRigid: true), "least memory first, kept close");
            yield return OnLanes(new LaneRules(width, leastMemory.Value, IsRigid: true, Memory: new(demand), MemoryBytes: peak), "least memory first where it fits beside the rest");
        }

        private MemoryPlan OnLanes(LaneRules rules, string why)
        {
            Lanes lanes = Lanes.Schedule(problem.Branches, branchUs, rules);
            BranchOrder order = BranchOrder.OfLanes(problem.Branches.With(lanes.ControlEdges), lanes.LaneOf);
            return Place(order, rules.Width, lanes.ControlEdges, lanes.MakespanUs, why);
        }

        private MemoryPlan Place(BranchOrder order, int width, IReadOnlyCollection<(int From, int To)> edges, double makespanUs, string why)
        {
            ArenaLayout layout = ArenaLayout.Of(problem, order, buffers);
            return new MemoryPlan
            {
                Offsets = AllOffsets(layout.Offsets),
                ArenaBytes = layout.ArenaBytes,
                NoReuseBytes = buffers.Sum(b => MemoryProblem.Align(problem.Buffers[b].Bytes)),
                LowerBoundBytes = layout.LowerBoundBytes,
                Width = width,
                ControlEdges = [.. edges.Select(e => new ControlEdge(new BranchId(e.From), new BranchId(e.To)))],
                Order = [.. order.Linear.Select(b => new BranchId(b))],
                MakespanUs = problem.BranchUs.IsDefault ? 0 : makespanUs,
                Why = $"{why}; {layout.Heuristic}",
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
