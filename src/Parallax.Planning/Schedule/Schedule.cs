using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Parallax.Planning;

/// <summary>How branches are run.</summary>
public enum ScheduleMode
{
    /// <summary>What is predicted to be the fastest; sequential where nothing is to be gained.</summary>
    Auto,

    /// <summary>One branch after another, each with all workers.</summary>
    Sequential,

    /// <summary>Level by level, as in the paper.</summary>
    Layered,

    /// <summary>By dependency counters, without barriers.</summary>
    Parallel,
}

/// <summary>What a schedule is to be best at.</summary>
public enum SchedulePolicy
{
    /// <summary>The shortest time.</summary>
    Latency,

    /// <summary>A short time without workers that add little to it: each worker must be worth a part of a worker, to branches and to the whole run.</summary>
    Efficiency,
}

/// <summary>What a schedule is made for.</summary>
/// <param name="Workers">Workers in all, the calling thread included.</param>
/// <param name="BudgetBytes">What the arena may take.</param>
/// <param name="Beta">Bundles of one layer may differ in predicted time by this factor.</param>
/// <param name="DispatchUs">What it costs to start a branch on a worker.</param>
/// <param name="MinGain">The part of the sequential time that running in parallel must save, to be worth its memory; any where it takes none.</param>
/// <param name="MinWorkerGain">What each further worker must add to the predicted speed-up, where the policy is efficiency: 1 would be linear.</param>
public sealed record ScheduleOptions(
    int Workers, ScheduleMode Mode = ScheduleMode.Auto, long BudgetBytes = long.MaxValue, double Beta = 1.5, double DispatchUs = 1.5, double MinGain = 0.03,
    SchedulePolicy Policy = SchedulePolicy.Latency, double MinWorkerGain = 0.6);

/// <summary>A schedule that was considered.</summary>
public sealed record Alternative(ScheduleMode Mode, int Width, long ArenaBytes, double PredictedUs, bool FitsBudget);

/// <summary>
/// How a partition is run. Every mode is the same to an executor: run what is ready by dependencies and the memory plan's control edges, the lowest
/// priority number first, each branch with up to its workers.
/// </summary>
public sealed record Schedule
{
    /// <summary>Never <see cref="ScheduleMode.Auto"/>.</summary>
    public required ScheduleMode Mode { get; init; }

    public required MemoryPlan Memory { get; init; }

    /// <summary>By branch: the lower, the earlier.</summary>
    public required ImmutableArray<int> Priority { get; init; }

    /// <summary>By branch, the most workers that may work on it at once.</summary>
    public required ImmutableArray<int> MaxWorkers { get; init; }

    /// <summary>The most workers that may work on the whole run at once.</summary>
    public required int Workers { get; init; }

    public required Timeline Timeline { get; init; }

    /// <summary>What was considered, the chosen one included.</summary>
    public required ImmutableArray<Alternative> Alternatives { get; init; }

    public required string Why { get; init; }

    public double PredictedUs => Timeline.MakespanUs;

    public string Dump()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"schedule: {Mode}, {PredictedUs:0.#} us, {Memory.ArenaBytes} bytes, {Workers} workers; {Why}");
        foreach (Alternative a in Alternatives)
            text.AppendLine(CultureInfo.InvariantCulture, $"  {a.Mode} width {a.Width}: {a.PredictedUs:0.#} us, {a.ArenaBytes} bytes{(a.FitsBudget ? "" : ", above the budget")}");
        foreach (TimelineEntry entry in Timeline.Entries.OrderBy(e => e.StartUs).ThenBy(e => e.Branch.Index))
            text.AppendLine(CultureInfo.InvariantCulture, $"  {entry.StartUs,10:0.0} .. {entry.EndUs,10:0.0}  {entry.Branch} x{entry.Workers}");
        return text.ToString();
    }
}
