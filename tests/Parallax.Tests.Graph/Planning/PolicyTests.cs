using System.Collections.Immutable;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Planning;

public class PolicyTests
{
    private static ImmutableArray<double> Amdahl(double us, double parallel, int workers) => [.. Enumerable.Range(1, workers).Select(w => us * (1 - parallel + parallel / w))];

    /// <summary>Branches without edges and without values.</summary>
    private static MemoryProblem Loose(int branches) => new(new Dag(branches, []), [.. Enumerable.Repeat(1, branches)], []);

    private static ScheduleOptions Efficient(int workers, ScheduleMode mode = ScheduleMode.Auto, double minWorkerGain = 0.6) =>
        new(workers, mode, DispatchUs: 0, Policy: SchedulePolicy.Efficiency, MinWorkerGain: minWorkerGain);

    [Fact]
    public void A_branch_gets_the_workers_that_add_enough()
    {
        // Speed-ups 1, 1.67, 2.14, 2.5: the second worker adds 0.67, the third 0.47.
        var times = new BranchTimes([Amdahl(1000, 0.8, 8)]);
        Schedule efficient = Scheduler.Schedule(Loose(1), times, Efficient(8)), fast = Scheduler.Schedule(Loose(1), times, new ScheduleOptions(8));
        Assert.Equal((2, 2), (efficient.Workers, efficient.MaxWorkers[0]));
        Assert.Equal((8, 8), (fast.Workers, fast.MaxWorkers[0]));
        Assert.Equal(600, efficient.PredictedUs, 3);
        Assert.Equal(300, fast.PredictedUs, 3);
        Assert.Equal(3, Scheduler.Schedule(Loose(1), times, Efficient(8, minWorkerGain: 0.4)).Workers);
        Assert.Equal(1, Scheduler.Schedule(Loose(1), times, Efficient(8, minWorkerGain: 0.9)).Workers);
    }

    [Fact]
    public void The_run_gets_as_many_workers_as_its_branches_fill()
    {
        // Three equal branches that do not speed up: three workers give 3, a fourth adds nothing.
        var times = new BranchTimes([.. Enumerable.Repeat(Amdahl(100, 0, 8), 3)]);
        Schedule efficient = Scheduler.Schedule(Loose(3), times, Efficient(8));
        Assert.Equal((ScheduleMode.Parallel, 3), (efficient.Mode, efficient.Workers));
        Assert.All(efficient.MaxWorkers, w => Assert.Equal(1, w));
        Assert.Equal(100, efficient.PredictedUs, 3);
        // One after another there is nothing to be gained from a second worker.
        Assert.Equal(1, Scheduler.Schedule(Loose(3), times, Efficient(8, ScheduleMode.Sequential)).Workers);
    }

    [Fact]
    public void Nothing_to_gain_says_so()
    {
        Schedule schedule = Scheduler.Schedule(new MemoryProblem(new Dag(2, [(0, 1)]), [1, 1], []), new BranchTimes([Amdahl(100, 0.2, 4), Amdahl(0, 0, 4)]), Efficient(4));
        Assert.Equal((ScheduleMode.Sequential, 1, "no second worker is worth having"), (schedule.Mode, schedule.Workers, schedule.Why));
    }

    [Fact]
    public void Every_mode_keeps_to_its_workers() => Property.Holds(200, 25, (random, size) =>
    {
        MemoryProblem problem = ToyProblems.Random(random, size);
        int workers = random.Next(1, 9);
        var times = new BranchTimes([.. Enumerable.Range(0, size).Select(_ => Amdahl(random.Next(1, 1000), random.NextDouble(), workers))]);
        foreach (ScheduleMode mode in Enum.GetValues<ScheduleMode>())
        {
            Schedule efficient = Scheduler.Schedule(problem, times, Efficient(workers, mode)), fast = Scheduler.Schedule(problem, times, new ScheduleOptions(workers, mode));
            Assert.InRange(efficient.Workers, 1, workers);
            Assert.Equal(workers, fast.Workers);
            for (int b = 0; b < size; b++)
            {
                int most = efficient.MaxWorkers[b];
                Assert.InRange(most, 1, efficient.Workers);
                Assert.InRange(efficient.Timeline.Entries[b].Workers, 0, most);
                Assert.True(times.Us(b, 1) / times.Us(b, most) >= 1 + 0.6 * (most - 1) - 1e-9);
            }
        }
    });
}
