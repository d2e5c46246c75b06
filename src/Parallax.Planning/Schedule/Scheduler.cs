using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Parallax.Planning;

/// <summary>
/// Chooses how branches run, by the predicted time of the whole run: list scheduling by upward rank (HEFT) over each rung of the memory ladder that fits
/// the budget, then better worker limits branch by branch.
/// </summary>
public static class Scheduler
{
    /// <summary>Of the schedules within this factor of the fastest, the one with the fewest bytes is taken.</summary>
    private const double AsFast = 1.02;

    /// <summary>A parallel plan within this factor of the sequential one's bytes costs no memory: any gain is worth it.</summary>
    private const double AsSmall = 1.01;

    /// <summary>Branches whose worker limit is searched for.</summary>
    private const int SearchedBranches = 12;

    /// <summary>The schedule of a partition, with the memory of its values as they stand.</summary>
    /// <exception cref="MemoryBudgetException">Not even the sequential plan fits the budget.</exception>
    public static Schedule Schedule(Partition partition, CostModel model, ScheduleOptions options) =>
        Schedule(MemoryProblem.Of(partition), BranchTimes.Of(partition, model, options.Workers), options);

    /// <inheritdoc cref="Schedule(Partition, CostModel, ScheduleOptions)"/>
    public static Schedule Schedule(MemoryProblem problem, BranchTimes times, ScheduleOptions options)
    {
        var branchUs = new double[times.Count];
        for (int b = 0; b < branchUs.Length; b++) branchUs[b] = times.Us(b, 1);
        problem = problem with { BranchUs = ImmutableCollectionsMarshal.AsImmutableArray(branchUs) };
        var search = new Search(problem, times, options);
        Schedule sequential = search.Sequential();
        if (sequential.Memory.ArenaBytes > options.BudgetBytes)
            throw new MemoryBudgetException($"the narrowest plan needs {sequential.Memory.ArenaBytes} bytes, the budget is {options.BudgetBytes}", sequential.Memory.ArenaBytes, options.BudgetBytes);
        return options.Mode switch
        {
            ScheduleMode.Sequential => sequential,
            ScheduleMode.Layered => search.Layered(),
            ScheduleMode.Parallel => search.Parallel(),
            _ => search.Auto(),
        };
    }

    private sealed class Search(MemoryProblem problem, BranchTimes times, ScheduleOptions options)
    {
        private readonly List<Alternative> considered = [];
        private readonly WorkerLimits limits = WorkerLimits.Of(problem.Branches, times, options);
        private Schedule? sequential;

        internal Schedule Sequential()
        {
            if (sequential is not null) return sequential;
            MemoryPlan plan = MemoryPlanner.Sequential(problem);
            if (plan.ArenaBytes > options.BudgetBytes) plan = MemoryPlanner.Ladder(problem).Sequential;
            var order = new int[plan.Order.Length];
            for (int i = 0; i < order.Length; i++) order[i] = plan.Order[i].Index;
            var chain = new List<(int, int)>();
            for (int i = 1; i < order.Length; i++) chain.Add((order[i - 1], order[i]));
            var dag = new Dag(problem.Branches.Count, chain);
            int[] priority = BranchRanks.Invert(order);
            return sequential = Consider(ScheduleMode.Sequential, plan, priority, Simulator.Run(dag, times, limits.OfRun, priority, limits.OfBranch), "one branch after another");
        }

        internal Schedule Layered()
        {
            int[] level = problem.Branches.Levels();
            var layers = Enumerable.Range(0, level.Length).GroupBy(b => level[b]).OrderBy(l => l.Key).Select(l => (IReadOnlyList<int>)[.. l]);
            var demand = new BranchDemand(problem);
            var (edges, parallel) = Layering.Edges(layers, times, demand.PeakBytes, limits.OfRun, options.Beta, options.BudgetBytes);
            MemoryPlan plan = MemoryPlanner.WithEdges(problem, edges, "level by level");
            if (plan.ArenaBytes > options.BudgetBytes)
                return Finish(Sequential(), string.Create(CultureInfo.InvariantCulture, $"level by level needs {plan.ArenaBytes} bytes, the budget is {options.BudgetBytes}"));
            return Finish(Simulate(ScheduleMode.Layered, plan, RankPriority(plan)), $"{parallel} of {(level.Length == 0 ? 0 : level.Max() + 1)} levels run side by side");
        }

        /// <summary>So many branches may run at once: one on each worker and on each device.</summary>
        private int AtOnce => limits.OfRun + times.Devices.Where(d => d is not null).Distinct().Count();

        internal Schedule Parallel()
        {
            List<Schedule> rungs = [.. MemoryPlanner.Ladder(problem, AtOnce, options.BudgetBytes).Rungs
                .Where(r => r.Width > 1 || problem.Branches.Count <= 1)
                .Select(r => Simulate(ScheduleMode.Parallel, r, RankPriority(r)))];
            List<Schedule> fitting = [.. rungs.Where(r => r.Memory.ArenaBytes <= options.BudgetBytes)];
            if (fitting.Count == 0) return Finish(Sequential(), rungs.Count == 0 ? "the branches form a chain" : "no parallel plan fits the budget");
            double fastest = fitting.Min(r => r.PredictedUs);
            Schedule chosen = fitting.Where(r => r.PredictedUs <= fastest * AsFast).MinBy(r => r.Memory.ArenaBytes)!;
            return Finish(LimitWorkers(AsPlanned(chosen)), string.Create(CultureInfo.InvariantCulture, $"the smallest of {fitting.Count} plans within {AsFast} of the fastest, {fastest:0.#} us"));
        }

        internal Schedule Auto()
        {
            Schedule plain = Sequential();
            string? pointless = problem.Branches.Count <= 1 ? "there is one branch" : limits.OfRun <= 1 && times.Devices.All(d => d is null) ? options.Workers <= 1 ? "there is one worker" : "no second worker is worth having" : null;
            if (pointless is not null) return Finish(plain, pointless);
            Schedule parallel = Parallel();
            string numbers = string.Create(CultureInfo.InvariantCulture, $"parallel is predicted to take {parallel.PredictedUs:0.#} us, sequential {plain.PredictedUs:0.#} us");
            double minGain = parallel.Memory.ArenaBytes <= plain.Memory.ArenaBytes * AsSmall ? 0 : options.MinGain;
            return parallel.Mode == ScheduleMode.Parallel && parallel.PredictedUs < plain.PredictedUs && parallel.PredictedUs <= plain.PredictedUs * (1 - minGain)
                ? Finish(parallel, numbers)
                : Finish(plain, parallel.Mode != ScheduleMode.Parallel ? parallel.Why
                    : parallel.PredictedUs < plain.PredictedUs ? string.Create(CultureInfo.InvariantCulture, $"{numbers}; a gain below {100 * options.MinGain:0.#} % is not worth its memory")
                    : numbers);
        }

        private Schedule Simulate(ScheduleMode mode, MemoryPlan plan, int[] priority)
        {
            Timeline timeline = Simulator.Run(Constrained(plan), times, limits.OfRun, priority, limits.OfBranch, options.DispatchUs);
            return Consider(mode, plan, priority, timeline, "");
        }

        private Schedule Consider(ScheduleMode mode, MemoryPlan plan, int[] priority, Timeline timeline, string why)
        {
            considered.Add(new Alternative(mode, plan.Width, plan.ArenaBytes, timeline.MakespanUs, plan.ArenaBytes <= options.BudgetBytes));
            return new Schedule
            {
                Mode = mode,
                Memory = plan,
                Priority = [.. priority],
                MaxWorkers = limits.OfBranch,
                Workers = limits.OfRun,
                Timeline = timeline,
                Alternatives = [],
                Why = why,
            };
        }

        private Schedule Finish(Schedule schedule, string why) => schedule with { Why = why, Alternatives = [.. considered] };

        private Dag Constrained(MemoryPlan plan) => problem.Branches.With([.. plan.ControlEdges.Select(e => (e.From.Index, e.To.Index))]);

        private int[] RankPriority(MemoryPlan plan) => BranchRanks.CriticalPathFirst(Constrained(plan), problem.BranchUs);

        /// <summary>Gives branches the workers that joint planning gave them, where the whole run gains by it.</summary>
        private Schedule AsPlanned(Schedule schedule)
        {
            if (limits.OfRun <= 1 || !times.PlannedWorkers.Any(w => w is not null)) return schedule;
            ImmutableArray<int> planned = [.. schedule.MaxWorkers.Select((most, b) => Math.Min(most, times.PlannedWorkers[b] ?? most))];
            Timeline timeline = Simulator.Run(Constrained(schedule.Memory), times, limits.OfRun, schedule.Priority, planned, options.DispatchUs);
            return timeline.MakespanUs < schedule.PredictedUs ? schedule with { MaxWorkers = planned, Timeline = timeline } : schedule;
        }

        /// <summary>Gives the longest branches one worker each where the whole run gains by it; accepts the best change until none is left.</summary>
        private Schedule LimitWorkers(Schedule schedule)
        {
            if (limits.OfRun <= 1) return schedule;
            Dag dag = Constrained(schedule.Memory);
            int[] longest = Mapping.Positions(times.Count);
            Array.Sort(longest, (a, b) => times.Us(b, 1) != times.Us(a, 1) ? times.Us(b, 1).CompareTo(times.Us(a, 1)) : a - b);
            var open = new List<int>();
            foreach (int branch in longest)
                if (open.Count < SearchedBranches && schedule.MaxWorkers[branch] > 1) open.Add(branch);
            while (open.Count > 0)
            {
                Schedule best = schedule;
                int limited = -1;
                foreach (int branch in open)
                {
                    ImmutableArray<int> tried = schedule.MaxWorkers.SetItem(branch, 1);
                    Timeline timeline = Simulator.Run(dag, times, limits.OfRun, schedule.Priority, tried, options.DispatchUs);
                    if (limited >= 0 && timeline.MakespanUs >= best.PredictedUs) continue;
                    (best, limited) = (schedule with { MaxWorkers = tried, Timeline = timeline }, branch);
                }
                if (best.PredictedUs >= schedule.PredictedUs * 0.995) break;
                schedule = best;
                open.Remove(limited);
            }
            return schedule;
        }
    }
}
