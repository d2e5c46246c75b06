using System.Diagnostics;
using System.Text.Json;
using Parallax.Cli.Commands;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Planning;

namespace Parallax.Cli.Measuring;

/// <summary>One way to run a model: a mode, a number of threads, and the share of the memory that is left alone.</summary>
/// <param name="BudgetBytes">What the arena may take; null: what is free as runs go on, less the margin.</param>
/// <param name="Result">Null where no plan fits the budget.</param>
internal sealed record AblationRow(string Model, ScheduleMode Mode, int Threads, double Margin, long? BudgetBytes, BenchResult? Result)
{
    internal static readonly string[] Columns = ["model", ">threads", "mode", ">margin", ">budget", "ran", ">width", ">arena", ">min ms", ">p50 ms", ">p90 ms"];

    internal string[] Row()
    {
        string[] way = [Model, $"{Threads}", Name(Mode), Numbers.Fixed(Margin), BudgetBytes is { } bytes ? Numbers.Bytes(bytes) : "free memory"];
        return Result is not { } r
            ? [.. way, "does not fit", "", "", "", "", ""]
            : [.. way, r.Mode, $"{r.Plan.Width}", Numbers.Bytes(r.Plan.ArenaBytes), Numbers.Ms(r.Times.Min), Numbers.Ms(r.Times.Percentile(50)), Numbers.Ms(r.Times.Percentile(90))];
    }

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("model", Model);
        json.WriteNumber("threads", Threads);
        json.WriteString("mode", Name(Mode));
        json.Finite("margin", Margin, 4);
        if (BudgetBytes is { } bytes) json.WriteNumber("budgetBytes", bytes);
        else json.WriteNull("budgetBytes");
        json.WriteBoolean("fits", Result is not null);
        if (Result is { } r)
        {
            json.WriteString("ranMode", r.Mode);
            json.WriteNumber("width", r.Plan.Width);
            json.WriteNumber("arenaBytes", r.Plan.ArenaBytes);
            json.WriteNumber("arenaBytesNoReuse", r.Plan.ArenaBytesNoReuse);
            json.WriteNumber("arenaBytesLowerBound", r.Plan.ArenaBytesLowerBound);
            json.Finite("minMs", r.Times.Min, 4);
            json.Finite("p50Ms", r.Times.Percentile(50), 4);
            json.Finite("p90Ms", r.Times.Percentile(90), 4);
            json.Finite("maxMs", r.Times.Max, 4);
            json.Finite("cpuMsPerRun", r.CpuMsPerRun, 4);
        }
        json.WriteEndObject();
    }

    internal static string Name(ScheduleMode mode) => mode.ToString().ToLowerInvariant();
}

/// <summary>The paper's ablation, by modes, threads and margins of memory.</summary>
internal static class Ablation
{
    private static readonly TimeSpan WarmUpTime = TimeSpan.FromMilliseconds(800);
    private static readonly double[] Margins = [0.2, 0.3, 0.4, 0.5];
    private static readonly ScheduleMode[] Modes = [ScheduleMode.Sequential, ScheduleMode.Layered, ScheduleMode.Parallel, ScheduleMode.Auto];

    /// <summary>Threads are 1 and its doubles up to <paramref name="threads"/>. A memory budget in the settings is what is available, of which the margin is left alone.</summary>
    internal static IEnumerable<AblationRow> Measure(string model, CommonSettings settings, int threads, int warmup, int runs, Progress progress, CancellationToken cancellation)
    {
        progress.Report($"{model}: warming up");
        WarmUp(model, settings with { Threads = threads, Mode = ScheduleMode.Auto, MemoryBudgetBytes = null }, cancellation);
        foreach (int count in Doubles(threads))
            foreach (ScheduleMode mode in Modes)
                foreach (double margin in Margins)
                {
                    cancellation.ThrowIfCancellationRequested();
                    progress.Report($"{model}: {AblationRow.Name(mode)} on {count} threads, margin {Numbers.Fixed(margin)}");
                    long? budget = settings.MemoryBudgetBytes is { } available ? (long)((1 - margin) * available) : null;
                    CommonSettings way = settings with { Threads = count, Mode = mode, Margin = margin, MemoryBudgetBytes = budget };
                    yield return new AblationRow(model, mode, count, margin, budget, TryMeasure(model, way, warmup, runs, cancellation));
                }
    }

    private static IEnumerable<int> Doubles(int threads)
    {
        for (int count = 1; count < threads; count *= 2) yield return count;
        yield return threads;
    }

    /// <summary>Code is compiled better after some runs: the first row must not pay for it alone.</summary>
    private static void WarmUp(string name, CommonSettings settings, CancellationToken cancellation)
    {
        using ReadyModel model = ReadyModel.Load(name, settings);
        var time = Stopwatch.StartNew();
        do model.Session.Run(model.Inputs, cancellation).Dispose();
        while (time.Elapsed < WarmUpTime);
    }

    private static BenchResult? TryMeasure(string name, CommonSettings settings, int warmup, int runs, CancellationToken cancellation)
    {
        using ReadyModel model = ReadyModel.Load(name, settings);
        try
        {
            return BenchResult.Measure(model, warmup, runs, _ => { }, cancellation);
        }
        catch (MemoryBudgetException)
        {
            return null;
        }
    }
}
