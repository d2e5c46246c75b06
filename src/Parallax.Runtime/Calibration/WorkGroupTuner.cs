using System.Collections.Immutable;
using System.Diagnostics;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Planning;

namespace Parallax.Runtime.Calibration;

/// <summary>A device that launches kernels in work-groups of the sizes that it is told.</summary>
internal interface ITunedDevice
{
    string Name { get; }

    /// <summary>The launches of each of the operators of a graph, which are all alike; none where the device cannot compute them.</summary>
    ImmutableArray<TunableLaunch> LaunchesOf(Graph graph);

    /// <summary>Prepares a graph with work-groups of the sizes of a table; null where the device cannot compute it.</summary>
    ITimedGraph? Prepare(Graph graph, ImmutableArray<TunedWorkGroup> workGroups);
}

/// <summary>A graph that is ready to be timed.</summary>
internal interface ITimedGraph : IDisposable
{
    /// <summary>Runs once.</summary>
    /// <returns>What that took in microseconds, with everything that belongs to it.</returns>
    /// <exception cref="DeviceException">The device refused or failed.</exception>
    double RunUs();
}

/// <summary>
/// Finds work-groups that are faster than those by the device's rule, for the launches of operators as networks have them, one launch after another. All sizes are tried with few runs each, as many as there is time
/// for; the fastest of them and the rule take turns in several rounds, of which the shortest runs count, once others were about as short; the fastest must clearly beat the shortest run that the rule ever had, and once
/// more in rounds of its own with the rule alone, so that noise does not choose.
/// </summary>
internal sealed class WorkGroupTuner(ITunedDevice device, Action<string> report, CancellationToken cancellation)
{
    private const int MostSizes = 32, TrialRuns = 4, Finalists = 3, MinRounds = 5, MaxRounds = 16, RunsOfRound = 2, MostCopies = 16;

    /// <summary>The rule's time over that of a size that replaces it.</summary>
    private const double ClearlyFaster = 1.03;

    /// <summary>What is shorter is run several times at once: dispatching it takes a time of its own, which says nothing of a size.</summary>
    private const double ShortUs = 500;

    /// <summary>Of the time for a launch, the part that trying sizes may take.</summary>
    private const double TrialPart = 0.7;

    private readonly List<TunedWorkGroup> table = [];

    /// <summary>Operators whose launches, together, are of the kernels that networks spend their time in, over grids of the extents that they have there.</summary>
    internal static readonly ImmutableArray<CalibrationProblem> Problems =
    [
        new(new MatMul(), 1, [128, 384], [384, 384]),
        new(new MatMul(), 1, [512, 384], [384, 1536]),
        new(new MatMul(), 1, [1024, 96], [96, 384]),
        new(new MatMul(), 2, [12, 128, 64], [12, 64, 128]),
        new(new Gemm(), 1, [1, 512], [512, 2048]),
        new(new Conv(CalibrationProblem.Window(1, 1, 0)), 1, [1, 128, 40, 40], [64, 128, 1, 1]),
        new(new Conv(CalibrationProblem.Window(3, 1, 1)), 1, [1, 64, 40, 40], [64, 64, 3, 3]),
        new(new Conv(CalibrationProblem.Window(3, 1, 1)), 1, [1, 256, 20, 20], [256, 256, 3, 3]),
        new(new Conv(CalibrationProblem.Window(3, 2, 1)), 1, [1, 32, 80, 80], [64, 32, 3, 3]),
        new(new Conv(CalibrationProblem.Window(3, 2, 1)), 1, [1, 3, 320, 320], [16, 3, 3, 3]),
        new(new Conv(CalibrationProblem.Window(3, 1, 1), Groups: 96), 1, [1, 96, 40, 40], [96, 1, 3, 3]),
        new(new Conv(CalibrationProblem.Window(3, 1, 1), Groups: 384), 1, [1, 384, 14, 14], [384, 1, 3, 3]),
        new(new Softmax(SoftmaxKind.Softmax), 1, [12, 256, 256]),
        new(new LayerNormalization(), 1, [512, 384], [384], [384]),
        new(new Binary(BinaryFunction.Add), 2, [1024, 384], [1024, 384]),
        new(new Unary(UnaryFunction.Sigmoid), 1, [1, 64, 80, 80]),
        new(new Pool(PoolKind.Max, CalibrationProblem.Window(5, 1, 2)), 1, [1, 128, 20, 20]),
        new(new Transpose([0, 2, 1]), 1, [1, 384, 400]),
        new(new Concat(1), 2, [1, 64, 40, 40], [1, 64, 40, 40]),
    ];

    /// <param name="problems">Of launches that several have, the first decides.</param>
    /// <param name="seconds">About how long that may take; the launches for which there is no time keep the rule.</param>
    internal ImmutableArray<TunedWorkGroup> Tune(IReadOnlyList<CalibrationProblem> problems, double seconds)
    {
        var elapsed = Stopwatch.StartNew();
        (CalibrationProblem Problem, TunableLaunch Launch)[] all =
            [.. problems.SelectMany(problem => device.LaunchesOf(problem.Build()).Select(launch => (problem, launch))).DistinctBy(found => (found.launch.Kernel, found.launch.Grid))];
        for (int i = 0; i < all.Length && elapsed.Elapsed.TotalSeconds < seconds; i++)
        {
            report($"{device.Name}: work-groups of {all[i].Launch.Kernel}, {i + 1} of {all.Length}");
            Tune(all[i].Problem, all[i].Launch, (seconds - elapsed.Elapsed.TotalSeconds) / (all.Length - i));
        }
        return [.. table];
    }

    private void Tune(CalibrationProblem problem, TunableLaunch launch, double seconds)
    {
        var elapsed = Stopwatch.StartNew();
        var fastest = new List<Candidate>();
        Candidate? rule = null;
        try
        {
            Graph graph = problem.Build();
            rule = TryPrepare(graph, launch, null);
            if (rule is null) return;
            if (rule.Times.Us < ShortUs)
            {
                graph = problem.Build(Math.Clamp((int)(2 * ShortUs / rule.Times.Us), 2, MostCopies));
                rule.Dispose();
                rule = TryPrepare(graph, launch, null);
                if (rule is null) return;
            }
            foreach (WorkGroupSize size in launch.OtherSizes.Take(MostSizes))
            {
                if (fastest.Count > 0 && elapsed.Elapsed.TotalSeconds > TrialPart * seconds) break;
                if (TryPrepare(graph, launch, size) is not { } tried) continue;
                fastest.Add(tried);
                if (fastest.Count <= Finalists) continue;
                Candidate slowest = fastest.MaxBy(candidate => candidate.Times.Us)!;
                fastest.Remove(slowest);
                slowest.Dispose();
            }
            if (fastest.Count == 0) return;
            TakeTurns(rule, fastest);
            Candidate best = fastest.MinBy(candidate => candidate.Times.Us)!;
            if (!IsBeaten(rule, best)) return;
            TakeTurns(rule, [best]);
            if (IsBeaten(rule, best)) table.Add(best.Entry! with { RuleUs = rule.Times.Us, TunedUs = best.Times.Us });
        }
        finally
        {
            rule?.Dispose();
            foreach (Candidate candidate in fastest) candidate.Dispose();
        }
    }

    /// <summary>Forgets what sizes took and measures it anew, beside the rule, whose shortest run stays.</summary>
    private void TakeTurns(Candidate rule, List<Candidate> sizes)
    {
        foreach (Candidate candidate in sizes) candidate.Times.Forget();
        for (int round = 0; round < MinRounds || round < MaxRounds && !(rule.Times.IsSettled && sizes.All(candidate => candidate.Times.IsSettled)); round++)
        {
            rule.Run(RunsOfRound, cancellation);
            foreach (Candidate candidate in sizes) candidate.Run(RunsOfRound, cancellation);
        }
    }

    private static bool IsBeaten(Candidate rule, Candidate size) => rule.Times.IsSettled && size.Times.IsSettled && rule.Times.Us >= ClearlyFaster * size.Times.Us;

    /// <summary>A candidate after its first runs; null where the device refuses it.</summary>
    /// <param name="size">Null for the rule's.</param>
    private Candidate? TryPrepare(Graph graph, TunableLaunch launch, WorkGroupSize? size)
    {
        TunedWorkGroup? entry = size is not { } own ? null : new TunedWorkGroup(launch.Kernel, launch.Grid.X, launch.Grid.Y, launch.Grid.Z, own.X, own.Y, own.Z, 1, 1);
        if (device.Prepare(graph, entry is null ? [.. table] : [.. table, entry]) is not { } timed) return null;
        var candidate = new Candidate(timed, entry);
        try
        {
            candidate.Run(1, cancellation); // drivers compile for a size when they first meet it
            candidate.Times.Forget();
            candidate.Run(TrialRuns, cancellation);
            return candidate;
        }
        catch (DeviceException)
        {
            candidate.Dispose();
            return null;
        }
        catch
        {
            candidate.Dispose();
            throw;
        }
    }

    /// <summary>A size and its times.</summary>
    /// <param name="entry">Of the table that it would be in; null for the rule.</param>
    private sealed class Candidate(ITimedGraph timed, TunedWorkGroup? entry) : IDisposable
    {
        internal TunedWorkGroup? Entry => entry;

        internal ShortestRuns Times { get; } = new();

        internal void Run(int times, CancellationToken cancellation)
        {
            for (int run = 0; run < times; run++)
            {
                cancellation.ThrowIfCancellationRequested();
                Times.Keep(timed.RunUs());
            }
        }

        public void Dispose() => timed.Dispose();
    }
}

/// <summary>A backend's device.</summary>
internal sealed class BackendTunedDevice(IBackend backend) : ITunedDevice
{
    public string Name => backend.Name;

    public ImmutableArray<TunableLaunch> LaunchesOf(Graph graph)
    {
        Node first = graph.Nodes.First();
        return backend.WhyNot(graph, first) is null ? backend.TunableLaunches(graph, first) : [];
    }

    public ITimedGraph? Prepare(Graph graph, ImmutableArray<TunedWorkGroup> workGroups) => TimedRegion.TryCompile(backend.Tuned(workGroups), graph);
}
