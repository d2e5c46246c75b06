using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>
/// How many workers are worth having. Under <see cref="SchedulePolicy.Efficiency"/> w workers are better than v, where the predicted speed-up grows by
/// <see cref="ScheduleOptions.MinWorkerGain"/> or more for each worker between. Several workers count together: three equal branches gain little from a
/// second worker and much from a third.
/// </summary>
/// <param name="OfRun">For the whole run.</param>
/// <param name="OfBranch">By branch; none above <paramref name="OfRun"/>.</param>
internal sealed record WorkerLimits(int OfRun, ImmutableArray<int> OfBranch)
{
    internal static WorkerLimits Of(Dag branches, BranchTimes times, ScheduleOptions options)
    {
        int most = Math.Max(1, options.Workers);
        if (options.Policy == SchedulePolicy.Latency || most == 1) return new WorkerLimits(most, [.. Enumerable.Repeat(most, times.Count)]);
        int[] ofBranch = [.. Enumerable.Range(0, times.Count).Select(b => Worth(most, options.MinWorkerGain, w => times.Us(b, w)))];
        int[] priority = BranchRanks.CriticalPathFirst(branches, [.. Enumerable.Range(0, times.Count).Select(b => times.Us(b, 1))]);
        int ofRun = Worth(most, options.MinWorkerGain, RunUs);
        return new WorkerLimits(ofRun, [.. ofBranch.Select(w => Math.Min(w, ofRun))]);

        // The better of one branch after another and side by side, whatever the memory: a bound on what any plan can do with so many workers.
        double RunUs(int workers)
        {
            double inTurn = Enumerable.Range(0, times.Count).Sum(b => times.Us(b, Math.Min(workers, ofBranch[b])));
            return options.Mode == ScheduleMode.Sequential ? inTurn
                : Math.Min(inTurn, Simulator.Run(branches, times, workers, priority, ofBranch, options.DispatchUs).MakespanUs);
        }
    }

    private static int Worth(int most, double minGain, Func<int, double> us)
    {
        double alone = us(1), speedup = 1;
        int worth = 1;
        for (int workers = 2; workers <= most; workers++)
        {
            double faster = alone / us(workers);
            if (!(faster - speedup >= minGain * (workers - worth))) continue; // no time at all gives NaN: nothing to be gained
            (worth, speedup) = (workers, faster);
        }
        return worth;
    }
}
