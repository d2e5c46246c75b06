using System.Collections.Immutable;
using System.Diagnostics;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Calibration;

/// <summary>
/// Measures the constants of the cost model by running operators of known work alone. Every measurement is the shortest of many short trials, which are
/// spread over several rounds: what else the machine does in between lengthens some of them, and shortens none.
/// </summary>
internal sealed class Calibrator
{
    private const int Rounds = 5, MinTrials = 2, WarmingRuns = 40, ChainLength = 64, LooseBranches = 16;
    private static readonly TimeSpan WarmingTime = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan SpinTime = TimeSpan.FromMicroseconds(20);

    private readonly int workers;
    private readonly int[] workerCounts;
    private readonly TimeSpan perTrials, all;
    private readonly Action<string> report;
    private readonly CancellationToken cancellation;
    private readonly List<Timed> timed = [];

    private Calibrator(int workers, double seconds, Action<string> report, CancellationToken cancellation)
    {
        (this.workers, this.report, this.cancellation) = (workers, report, cancellation);
        workerCounts = Counts(workers);
        all = TimeSpan.FromSeconds(seconds);
        int measurements = CalibrationProblem.All(1).Count() * workerCounts.Length + SweepBytes().Count() * workerCounts.Length + 4;
        perTrials = TimeSpan.FromSeconds(seconds / measurements / Rounds);
    }

    /// <summary>Measures the processor with 1 to <paramref name="workers"/> workers.</summary>
    /// <param name="seconds">About how long that may take after the code is warm; at least a few runs of everything are made.</param>
    /// <param name="report">Told what is being measured.</param>
    internal static CostModel Measure(int workers, double seconds, Action<string> report, CancellationToken cancellation = default)
    {
        WorkerPool.Shared.EnsureWorkers(workers - 1);
        var calibrator = new Calibrator(workers, seconds, report, cancellation);
        try
        {
            return calibrator.Measure();
        }
        finally
        {
            foreach (Timed problem in calibrator.timed) problem.Session.Dispose();
        }
    }

    /// <summary>1, 2, 4 and so on, and the most.</summary>
    internal static int[] Counts(int workers)
    {
        var counts = new List<int>();
        for (int count = 1; count < workers; count *= 2) counts.Add(count);
        return [.. counts, workers];
    }

    /// <summary>Speed-ups by number of workers, less one, from those of some numbers: straight lines between.</summary>
    internal static ImmutableArray<double> Interpolate(IReadOnlyList<int> counts, IReadOnlyList<double> speedups)
    {
        var all = new double[counts[^1]];
        for (int i = 0; i + 1 < counts.Count; i++)
            for (int w = counts[i]; w <= counts[i + 1]; w++)
                all[w - 1] = speedups[i] + (speedups[i + 1] - speedups[i]) * (w - counts[i]) / (counts[i + 1] - counts[i]);
        all[0] = 1;
        return [.. all];
    }

    /// <summary>The part that is shared, by Amdahl's law, where so many workers are so many times faster.</summary>
    internal static double ParallelFraction(int workers, double speedup) => workers <= 1 ? 0.9 : Math.Clamp((1 - 1 / Math.Max(1, speedup)) / (1 - 1.0 / workers), 0, 1);

    private CostModel Measure()
    {
        long scale = Math.Max(1, workers / 4);
        foreach ((OpClass opClass, CalibrationProblem problem) in CalibrationProblem.All(scale)) AddProblem(opClass, problem);
        foreach (long bytes in SweepBytes()) AddProblem(null, new CalibrationProblem(new Concat(0), 2, [bytes / 16], [bytes / 16])); // two floats read and two written per element
        Timed chain = AddGraph(Chain(), 1, ScheduleMode.Sequential), inTurn = AddGraph(Loose(), 1, ScheduleMode.Sequential);
        Timed? sideBySide = workers > 1 ? AddGraph(Loose(), workers, ScheduleMode.Parallel) : null;
        WarmUp();
        var elapsed = Stopwatch.StartNew();
        for (int round = 1; round <= Rounds && (round == 1 || elapsed.Elapsed < all); round++)
            for (int i = 0; i < timed.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                report($"round {round} of {Rounds}, {i + 1} of {timed.Count}: {timed[i].Name}");
                timed[i].Run(perTrials, cancellation);
            }
        Timed[] sweep = [.. timed.Where(t => t.Class is null && t.Work.Bytes > 0 && t.Workers == 1).OrderBy(t => t.Work.Bytes)];
        double stepUs = chain.Us / ChainLength;
        ClassRate cache = RateOf([sweep[0].Problem!]), memory = RateOf([sweep[^1].Problem!]);
        return new CostModel(
            timed.Where(t => t.Class is not null).GroupBy(t => t.Class!.Value)
                .ToImmutableSortedDictionary(g => g.Key, g => RateOf([.. g.Select(t => t.Problem!).Distinct()])),
            cache,
            memory,
            CacheBytes(sweep, cache, memory),
            Math.Clamp(stepUs, 0.01, 100),
            workers > 1 ? MeasureForkUs() : CostModel.Default.ForkUs,
            sideBySide is null ? CostModel.Default.DispatchUs : Math.Clamp((sideBySide.Us - inTurn.Us) / LooseBranches, 0.1, 100));
    }

    private void WarmUp() => Warming.Settle(() =>
    {
        foreach (Timed problem in timed)
        {
            report($"warming up: {problem.Name}");
            problem.WarmUp(cancellation);
        }
    }, all, cancellation);

    /// <summary>From what every cache holds to what none does.</summary>
    private static IEnumerable<long> SweepBytes() => [1 << 19, 1 << 21, 1 << 23, 1 << 25, 1 << 26];

    private void AddProblem(OpClass? opClass, CalibrationProblem problem)
    {
        Dictionary<string, Datum>? data = null;
        foreach (int count in workerCounts)
        {
            Graph graph = problem.Build();
            data ??= CalibrationProblem.Data(graph).ToDictionary(d => graph[d.Id].Name, d => (Datum)d.Tensor);
            timed.Add(new Timed(CalibrationProblem.Session(graph, count), data, count) { Class = opClass, Problem = problem, Work = StepWork.Of(graph, graph.Nodes.Single()) });
        }
    }

    private Timed AddGraph(Graph graph, int count, ScheduleMode mode)
    {
        var added = new Timed(CalibrationProblem.Session(graph, count, mode), new Dictionary<string, Datum> { ["x"] = CalibrationProblem.Fill(1, 8) }, count);
        timed.Add(added);
        return added;
    }

    /// <summary>The rate of the problems together: the geometric mean, for none is more typical than another.</summary>
    private ClassRate RateOf(CalibrationProblem[] problems)
    {
        double[] rates = [.. workerCounts.Select(count => Math.Exp(timed.Where(t => t.Problem is { } p && problems.Contains(p) && t.Workers == count)
            .Average(t => Math.Log(Math.Max(1, t.Class is null ? t.Work.Bytes : t.Work.Units) / Math.Max(0.01, t.Us) * 1e6))))];
        double[] speedups = [.. rates.Select(r => Math.Max(1, r / rates[0]))];
        return new ClassRate(rates[0], ParallelFraction(workers, speedups[^1]), workers == 1 ? [] : Interpolate(workerCounts, speedups));
    }

    /// <summary>The most bytes that still move about as fast as few: nearer to the cache's speed than to the memory's.</summary>
    private static double CacheBytes(Timed[] sweep, ClassRate cache, ClassRate memory)
    {
        double middle = Math.Sqrt(cache.UnitsPerSecond * memory.UnitsPerSecond);
        return sweep.TakeWhile(t => t.Work.Bytes / t.Us * 1e6 >= middle).LastOrDefault()?.Work.Bytes ?? 0;
    }

    /// <summary>Steps that take next to no time, one after another.</summary>
    private static Graph Chain()
    {
        var builder = new GraphBuilder("chain");
        ValueId value = builder.Input("x", new TensorFact(DType.Float32, [1, 8]));
        for (int i = 0; i < ChainLength; i++) value = builder.Add($"n{i}", new Softmax(SoftmaxKind.Softmax), value);
        builder.Output("y", value);
        return builder.Build();
    }

    /// <summary>Branches that take next to no time, side by side.</summary>
    private static Graph Loose()
    {
        var builder = new GraphBuilder("loose");
        ValueId x = builder.Input("x", new TensorFact(DType.Float32, [1, 8]));
        for (int i = 0; i < LooseBranches; i++) builder.Output($"y{i}", builder.Add($"n{i}", new Softmax(SoftmaxKind.Softmax), x));
        return builder.Build();
    }

    /// <summary>What two workers need longer for two blocks than one for one.</summary>
    private double MeasureForkUs()
    {
        report("handing work to another worker");
        double both = Shortest(new SpinKernel(2), 2), alone = Shortest(new SpinKernel(1), 1);
        return Math.Clamp(both - alone, 0.05, 100);

        static double Shortest(Kernel kernel, int workers)
        {
            double us = double.PositiveInfinity;
            var job = new BlockJob();
            for (int trial = 0; trial < 500; trial++)
            {
                long start = Stopwatch.GetTimestamp();
                WorkerPool.Shared.Run(kernel, default, workers, job);
                us = Math.Min(us, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            }
            return us;
        }
    }

    /// <summary>Blocks that take a known time and touch no memory.</summary>
    private sealed class SpinKernel(int blocks) : Kernel
    {
        public override string Name => "spin";

        public override int BlockCount(int phase) => blocks;

        public override void RunBlock(int phase, int block, in KernelArgs args)
        {
            long start = Stopwatch.GetTimestamp();
            while (Stopwatch.GetElapsedTime(start) < SpinTime) { }
        }
    }

    /// <summary>A session on one problem, and the shortest time of a run so far.</summary>
    private sealed class Timed
    {
        private readonly Dictionary<string, Datum> data;
        private readonly Dictionary<string, Tensor> outputs;

        internal Timed(InferenceSession session, Dictionary<string, Datum> data, int workers)
        {
            (Session, this.data, Workers) = (session, data, workers);
            outputs = session.Outputs.ToDictionary(o => o.Name, o => Tensor.Zeros(o.DType, o.Shape!.Value.ToArray()));
        }

        internal InferenceSession Session { get; }

        internal int Workers { get; }

        /// <summary>Null where the problem speaks for no class.</summary>
        internal OpClass? Class { get; init; }

        internal CalibrationProblem? Problem { get; init; }

        internal StepWork Work { get; init; }

        internal double Us { get; private set; } = double.PositiveInfinity;

        internal string Name => $"{(object?)Class ?? (Work.Bytes > 0 ? $"memory, {Work.Bytes >> 10} KiB" : "overheads")}, {Workers} worker{(Workers == 1 ? "" : "s")}";

        internal void WarmUp(CancellationToken cancellation)
        {
            var all = Stopwatch.StartNew();
            for (int run = 0; run < WarmingRuns && all.Elapsed < WarmingTime; run++) Session.Run(data, outputs, cancellation);
        }

        internal void Run(TimeSpan time, CancellationToken cancellation)
        {
            Session.Run(data, outputs, cancellation); // the data enter the caches
            var all = Stopwatch.StartNew();
            for (int trial = 0; trial < MinTrials || all.Elapsed < time; trial++)
            {
                long start = Stopwatch.GetTimestamp();
                Session.Run(data, outputs, cancellation);
                Us = Math.Min(Us, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            }
        }
    }
}
