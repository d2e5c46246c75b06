using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Planning;

public class ScheduleTests
{
    private static BranchTimes DrawTimes(Random random, int branches, int workers, bool withDevice = false) => new(
        [.. Enumerable.Range(0, branches).Select(_ => Speedups(random.Next(1, 1000), random.NextDouble(), workers))],
        [.. Enumerable.Range(0, branches).Select(_ => withDevice && random.Next(4) == 0 ? "device" : null)]);

    /// <summary>Amdahl's law.</summary>
    private static ImmutableArray<double> Speedups(double us, double parallel, int workers) => [.. Enumerable.Range(1, workers).Select(w => us * (1 - parallel + parallel / w))];

    [Fact]
    public void A_simulated_run_respects_dependencies_and_workers() => Property.Holds(1000, 60, (random, size) =>
    {
        Dag dag = ToyProblems.Random(random, size).Branches;
        int workers = random.Next(1, 5);
        BranchTimes times = DrawTimes(random, size, workers, withDevice: true);
        Timeline timeline = Simulator.Run(dag, times, workers, [.. Enumerable.Range(0, size)]);
        foreach ((int from, int to) in dag.Edges()) Assert.True(timeline.Entries[from].EndUs <= timeline.Entries[to].StartUs + 1e-6);
        Assert.Equal(timeline.MakespanUs, timeline.Entries.Max(e => e.EndUs), 6);
        foreach (string? device in (string?[])[null, "device"])
            foreach (TimelineEntry entry in timeline.Entries.Where(e => times.Devices[e.Branch.Index] == device))
            {
                int together = timeline.Entries.Count(e => times.Devices[e.Branch.Index] == device && e.StartUs <= entry.StartUs && entry.StartUs < e.EndUs - 1e-6);
                Assert.InRange(together, 0, device is null ? workers : 1);
            }
        double longest = LongestPath(dag, b => times.Us(b, workers));
        Assert.True(timeline.MakespanUs >= longest - 1e-6);
        Assert.True(timeline.MakespanUs <= Enumerable.Range(0, size).Sum(b => times.Us(b, 1)) + 1e-6);
    });

    [Fact]
    public void One_worker_takes_the_sum() => Property.Holds(200, 40, (random, size) =>
    {
        Dag dag = ToyProblems.Random(random, size).Branches;
        BranchTimes times = DrawTimes(random, size, 1);
        Assert.Equal(Enumerable.Range(0, size).Sum(b => times.Us(b, 1)), Simulator.Run(dag, times, 1, [.. Enumerable.Range(0, size)]).MakespanUs, 3);
    });

    [Fact]
    public void Every_mode_gives_a_sound_plan_within_the_budget() => Property.Holds(300, 25, (random, size) =>
    {
        MemoryProblem problem = ToyProblems.Random(random, size);
        int workers = random.Next(1, 5);
        BranchTimes times = DrawTimes(random, size, workers);
        long least = MemoryPlanner.Sequential(problem).ArenaBytes;
        foreach (ScheduleMode mode in Enum.GetValues<ScheduleMode>())
        {
            var options = new ScheduleOptions(workers, mode, random.Next(2) == 0 ? long.MaxValue : least + random.Next(0, 4096));
            Schedule schedule = Scheduler.Schedule(problem, times, options);
            Assert.NotEqual(ScheduleMode.Auto, schedule.Mode);
            Assert.InRange(schedule.Memory.ArenaBytes, 0, options.BudgetBytes);
            ToyProblems.Replay(problem, schedule.Memory, random, int.MaxValue);
            Assert.Equal(size, schedule.Priority.Distinct().Count());
            Assert.NotEmpty(schedule.Why + (mode == ScheduleMode.Sequential ? "asked for" : ""));
        }
    });

    [Fact]
    public void Auto_is_never_slower_than_sequential() => Property.Holds(200, 30, (random, size) =>
    {
        MemoryProblem problem = ToyProblems.Random(random, size);
        BranchTimes times = DrawTimes(random, size, 2);
        double auto = Scheduler.Schedule(problem, times, new ScheduleOptions(2)).PredictedUs;
        Assert.True(auto <= Scheduler.Schedule(problem, times, new ScheduleOptions(2, ScheduleMode.Sequential)).PredictedUs + 1e-6);
    });

    [Fact]
    public void Layers_wait_for_each_other() => Property.Holds(200, 40, (random, size) =>
    {
        MemoryProblem problem = ToyProblems.Random(random, size);
        Schedule schedule = Scheduler.Schedule(problem, DrawTimes(random, size, 3), new ScheduleOptions(3, ScheduleMode.Layered));
        int[] level = problem.Branches.Levels();
        for (int a = 0; a < size; a++)
            for (int b = 0; b < size; b++)
                if (level[a] < level[b]) Assert.True(schedule.Timeline.Entries[a].EndUs <= schedule.Timeline.Entries[b].StartUs + 1e-6);
    });

    [Fact]
    public void Branches_that_do_not_speed_up_run_side_by_side()
    {
        Partition partition = Partitioner.Partition(ToyGraphs.Blocks(blocks: 2, width: 2, depth: 3));
        MemoryProblem problem = MemoryProblem.Of(partition);
        var stiff = new BranchTimes([.. partition.Branches.Select(b => Speedups(100 * b.NodeCount, 0, 2))]);
        Schedule parallel = Scheduler.Schedule(problem, stiff, new ScheduleOptions(2));
        Assert.Equal(ScheduleMode.Parallel, parallel.Mode);
        Assert.Contains("sequential", parallel.Why, StringComparison.Ordinal);
        Assert.Equal(2 * 300 + 3 * 100, parallel.PredictedUs, 20.0);
        Schedule layered = Scheduler.Schedule(problem, stiff, new ScheduleOptions(2, ScheduleMode.Layered));
        Assert.Equal("2 of 5 levels run side by side", layered.Why);
        var fluent = new BranchTimes([.. partition.Branches.Select(b => Speedups(100 * b.NodeCount, 1, 2))]);
        Schedule sequential = Scheduler.Schedule(problem, fluent, new ScheduleOptions(2));
        Assert.Equal(ScheduleMode.Sequential, sequential.Mode);
        Assert.Contains("predicted", sequential.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void An_outlier_is_bundled_against_the_rest()
    {
        // Four branches of one level, one as long as the three others together.
        var problem = new MemoryProblem(new Dag(4, []), [1, 1, 1, 1], []);
        var times = new BranchTimes([Speedups(300, 0, 2), Speedups(100, 0, 2), Speedups(100, 0, 2), Speedups(100, 0, 2)]);
        Schedule schedule = Scheduler.Schedule(problem, times, new ScheduleOptions(2, ScheduleMode.Layered, DispatchUs: 0));
        Assert.Equal(300, schedule.PredictedUs, 3);
        var worse = new BranchTimes([Speedups(1000, 0, 2), Speedups(100, 0, 2), Speedups(100, 0, 2), Speedups(100, 0, 2)]);
        Assert.StartsWith("0 of 1", Scheduler.Schedule(problem, worse, new ScheduleOptions(2, ScheduleMode.Layered)).Why, StringComparison.Ordinal);
    }

    [Fact]
    public void A_budget_below_the_narrowest_plan_is_refused()
    {
        MemoryProblem problem = MemoryProblem.Of(Partitioner.Partition(ToyGraphs.Blocks(blocks: 1, width: 2, depth: 1)));
        BranchTimes times = DrawTimes(new Random(1), problem.Branches.Count, 2);
        var error = Assert.Throws<MemoryBudgetException>(() => Scheduler.Schedule(problem, times, new ScheduleOptions(2, BudgetBytes: 64)));
        Assert.Equal(64, error.BudgetBytes);
    }

    [Fact]
    public void A_chain_is_sequential_and_says_so()
    {
        Partition partition = Partitioner.Partition(ToyGraphs.Blocks(blocks: 0, width: 1, depth: 1));
        Schedule schedule = Scheduler.Schedule(partition, CostModel.Default, new ScheduleOptions(4));
        Assert.Equal((ScheduleMode.Sequential, "there is one branch"), (schedule.Mode, schedule.Why));
        Assert.Contains("Sequential", schedule.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public void More_workers_never_take_longer_in_the_cost_model()
    {
        foreach (OpClass opClass in Enum.GetValues<OpClass>())
            foreach (long macs in (long[])[0, 1000, 1_000_000, 1_000_000_000])
                for (int workers = 2; workers <= 16; workers *= 2)
                    Assert.True(CostModel.Default.PredictUs(opClass, macs, macs / 10, workers) <= CostModel.Default.PredictUs(opClass, macs, macs / 10));
        Assert.Equal(0, CostModel.Default.PredictUs(OpClass.View, 100, 100));
    }

    private static double LongestPath(Dag dag, Func<int, double> us)
    {
        var end = new double[dag.Count];
        foreach (int b in dag.Order)
        {
            foreach (int p in dag.Predecessors(b)) end[b] = Math.Max(end[b], end[p]);
            end[b] += us(b);
        }
        return end.Max();
    }
}
