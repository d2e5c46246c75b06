using System.Diagnostics;
using System.Runtime;
using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime.Calibration;

/// <summary>How much was sampled.</summary>
/// <param name="Problems">That were asked for, with what earlier calls had measured.</param>
/// <param name="Left">Of those, the ones for which there was no time.</param>
public sealed record SamplingResult(int Problems, int Left);

/// <summary>
/// Times operators on devices. Problems are taken in small groups; the members of a group take turns in several rounds, so that what else the machine does
/// meets all of them, and the shortest run of each counts, once others were about as short. A group is kept whole or not at all: whoever is interrupted measures it again.
/// </summary>
internal sealed class LatencySampler(IReadOnlyList<ITimedDevice> devices, MeasurementLog log, Action<string> report, CancellationToken cancellation)
{
    private const int GroupSize = 8, MinRounds = 3, UsualRounds = 6, MaxRounds = 16, WarmingRuns = 32, MaxRepetitions = 2;

    private static readonly TimeSpan WarmingTime = TimeSpan.FromMilliseconds(10);

    /// <param name="seconds">About how long that may take. What is not measured then is left for another call.</param>
    /// <param name="turn">How long a problem's turn lasts, but for one run at least; null where that follows from the time for all.</param>
    internal SamplingResult Measure(IReadOnlyList<LatencyProblem> problems, double seconds, TimeSpan? turn = null)
    {
        LatencyProblem[] missing = [.. problems.Where(p => devices.Any(d => d.Units.Any(u => !log.Has(d.Name, p.Name, u))))];
        var elapsed = Stopwatch.StartNew();
        turn ??= TimeSpan.FromSeconds(seconds / Math.Max(1, missing.Length) / devices.Sum(d => d.Units.Count) / UsualRounds);
        int done = 0;
        foreach (LatencyProblem[] group in missing.Chunk(GroupSize))
        {
            if (done > 0 && elapsed.Elapsed.TotalSeconds > seconds) break;
            report($"sampling {problems.Count - missing.Length + done} of {problems.Count}: {group[0].Name}");
            MeasureGroup(group, turn.Value);
            done += group.Length;
        }
        return new SamplingResult(problems.Count, missing.Length - done);
    }

    private void MeasureGroup(LatencyProblem[] group, TimeSpan turn)
    {
        var operators = new List<ITimedOperator>();
        try
        {
            var entries = new List<Entry>();
            var measured = new List<Measurement>();
            foreach (LatencyProblem problem in group) AddEntries(problem, operators, entries, measured);
            foreach (Entry entry in entries) entry.WarmUp(cancellation);
            long compiled;
            int repetitions = 0;
            do
            {
                compiled = JitInfo.GetCompiledMethodCount();
                foreach (Entry entry in entries) entry.Times.Forget();
                for (int round = 0; round < MaxRounds; round++)
                    foreach (Entry entry in entries)
                        if (round < MinRounds || !entry.Times.IsSettled) entry.Run(turn, cancellation);
            }
            while (JitInfo.GetCompiledMethodCount() != compiled && ++repetitions <= MaxRepetitions); // code that was compiled meanwhile may be faster
            measured.AddRange(entries.Select(e => new Measurement(Sample: e.ToSample())));
            log.Add(measured);
        }
        finally
        {
            foreach (ITimedOperator timed in operators) timed.Dispose();
        }
    }

    private void AddEntries(LatencyProblem problem, List<ITimedOperator> operators, List<Entry> entries, List<Measurement> measured)
    {
        Graph graph = problem.Build();
        StepWork work = StepWork.Of(graph, graph.Nodes.Single());
        foreach (ITimedDevice device in devices)
        {
            int[] missing = [.. device.Units.Where(u => !log.Has(device.Name, problem.Name, u))];
            ITimedOperator? timed = missing.Length == 0 ? null : device.Prepare(graph);
            if (timed is not null) operators.Add(timed);
            foreach (int units in missing)
                if (timed?.Occupies(units) == true) entries.Add(new Entry(device.Name, problem.Name, work, timed, units));
                else measured.Add(new Measurement(Skipped: new SkippedSample(device.Name, problem.Name, units)));
        }
    }

    private sealed class Entry(string device, string problem, StepWork work, ITimedOperator timed, int units)
    {
        internal ShortestRuns Times { get; } = new();

        internal void WarmUp(CancellationToken cancellation)
        {
            var all = Stopwatch.StartNew();
            for (int run = 0; run < WarmingRuns && (run == 0 || all.Elapsed < WarmingTime); run++)
            {
                cancellation.ThrowIfCancellationRequested();
                timed.RunUs(units);
            }
        }

        internal void Run(TimeSpan time, CancellationToken cancellation)
        {
            timed.RunUs(units); // the data enter the caches
            var all = Stopwatch.StartNew();
            do
            {
                cancellation.ThrowIfCancellationRequested();
                Times.Keep(timed.RunUs(units));
            }
            while (all.Elapsed < time);
        }

        internal LatencySample ToSample() => new(device, problem, work, units, timed.Kernel, Times.Us);
    }
}
