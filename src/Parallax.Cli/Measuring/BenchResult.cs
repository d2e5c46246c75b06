using System.Diagnostics;
using System.Text.Json;
using Parallax.Cli.Measuring.Peers;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.OrtPeer;
using Parallax.Runtime.Calibration;
using Parallax.Runtime.Cpu;

namespace Parallax.Cli.Measuring;

/// <summary>What one model took on this machine.</summary>
internal sealed record BenchResult(string Model, int Threads, double LoadMs, double FirstRunMs, Latencies Times, PlanSummary Plan,
    long PeakRssBytes, double AllocatedBytesPerRun, double CpuMsPerRun)
{
    /// <summary>Of the whole machine; null where it does not tell.</summary>
    internal double? JoulesPerRun { get; init; }

    /// <summary>The devices beside the CPU that the session had.</summary>
    internal IReadOnlyList<string> Devices { get; init; } = [];

    /// <summary>What went wrong without failing a run.</summary>
    internal IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>The mode that ran, where the planner had the choice too.</summary>
    internal string Mode => Plan.Mode.ToString().ToLowerInvariant();

    internal double Gflops => 2.0 * Plan.Macs / (Times.Percentile(50) * 1e6);

    /// <summary>Other runtimes beside which it was measured.</summary>
    internal IReadOnlyList<Baseline> Baselines { get; init; } = [];

    /// <summary>
    /// Runs a loaded model: once for the first run, then <paramref name="warmup"/> times unmeasured, then <paramref name="runs"/> times; in turns with another
    /// runtime where there is a comparison.
    /// </summary>
    /// <param name="settleFor">So long at most runs go on unmeasured, after <paramref name="warmup"/>, until nothing is compiled beside them any more.</param>
    internal static BenchResult Measure(ReadyModel model, int warmup, int runs, Action<int> progress, CancellationToken cancellation, Comparison? comparison = null, TimeSpan settleFor = default)
    {
        var stopwatch = Stopwatch.StartNew();
        RunResult first = model.Session.Run(model.Inputs, cancellation);
        double firstRunMs = stopwatch.Elapsed.TotalMilliseconds;
        Action run = Runner(model, first, cancellation);
        for (int i = 0; i < warmup; i++)
        {
            progress(i - warmup);
            run();
        }
        Warming.Settle(run, settleFor, cancellation);
        int threads = ThreadsOf(model);
        // Not before: what the comparison holds in memory is not the model's.
        long peakBytes = ProcessMemory.PeakResidentBytes();
        PeerProcess? peer = comparison?.Start(model, threads, cancellation);
        peer?.Warm(warmup);
        var usage = new Usage(runs);
        int turn = peer is null ? runs : Comparison.Turn;
        for (int done = 0; done < runs; done += turn)
        {
            progress(done);
            int count = Math.Min(turn, runs - done);
            if (peer is not null)
            {
                peer.Run(count);
                Thread.Sleep(OrtSession.Settling);
                run(); // wakes threads and caches after the other side's turn
            }
            usage.Add(run, count);
        }
        Baseline[] baselines = peer is null ? [] : [peer.End(comparison!.Difference(first))];
        if (peer is null) peakBytes = ProcessMemory.PeakResidentBytes();
        first.Dispose();
        return new BenchResult(model.Name, threads, model.LoadMs, firstRunMs, new Latencies(usage.TimesMs), model.Session.Summarize(model.Inputs),
            peakBytes, usage.AllocatedBytesPerRun, usage.CpuMsPerRun)
        {
            JoulesPerRun = usage.JoulesPerRun, Baselines = baselines, Devices = [.. model.Session.Options.Backends.Select(b => b.Name)], Warnings = model.Session.Warnings,
        };
    }

    /// <summary>One run into buffers that are reused where all outputs are tensors, else into fresh results.</summary>
    internal static Action Runner(ReadyModel model, RunResult first, CancellationToken cancellation)
    {
        if (!first.All(o => o.Value is Tensor)) return () => model.Session.Run(model.Inputs, cancellation).Dispose();
        Dictionary<string, Tensor> buffers = first.ToDictionary(o => o.Key, o => (Tensor)o.Value);
        return () => model.Session.Run(model.Inputs, buffers, cancellation);
    }

    internal static int ThreadsOf(ReadyModel model) => model.Session.Options.Threads == 0 ? Processor.PhysicalCores : model.Session.Options.Threads;

    internal string[] Row(bool withEnergy) =>
    [
        Model, $"{Threads}", Mode, Numbers.Ms(LoadMs), Numbers.Ms(FirstRunMs), Numbers.Ms(Times.Min), Numbers.Ms(Times.Percentile(50)), Numbers.Ms(Times.Percentile(90)),
        Numbers.Ms(Times.Percentile(99)), Numbers.Fixed(Gflops), Numbers.Bytes(Plan.ArenaBytes), Numbers.Bytes(Plan.WeightBytes), Numbers.Bytes(PeakRssBytes), Numbers.Fixed(AllocatedBytesPerRun, 0), Numbers.Ms(CpuMsPerRun),
        .. withEnergy ? [JoulesPerRun is { } joules ? Numbers.Fixed(joules, 3) : ""] : (string[])[],
    ];

    internal static string[] Columns(bool withEnergy) =>
        ["model", ">threads", "mode", ">load ms", ">first ms", ">min ms", ">p50 ms", ">p90 ms", ">p99 ms", ">GFLOP/s", ">arena", ">weights", ">peak RSS", ">alloc B/run", ">cpu ms/run", .. withEnergy ? [">J/run"] : (string[])[]];

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("model", Model);
        json.WriteNumber("threads", Threads);
        json.WriteString("mode", Mode);
        json.Finite("loadMs", LoadMs, 4);
        json.Finite("firstRunMs", FirstRunMs, 4);
        json.Finite("minMs", Times.Min, 4);
        json.Finite("p50Ms", Times.Percentile(50), 4);
        json.Finite("p90Ms", Times.Percentile(90), 4);
        json.Finite("p99Ms", Times.Percentile(99), 4);
        json.Finite("maxMs", Times.Max, 4);
        json.Finite("meanMs", Times.Mean, 4);
        json.WriteNumber("macs", Plan.Macs);
        json.Finite("gflops", Gflops, 3);
        json.WriteNumber("arenaBytes", Plan.ArenaBytes);
        json.WriteNumber("arenaBytesNoReuse", Plan.ArenaBytesNoReuse);
        json.WriteNumber("arenaBytesLowerBound", Plan.ArenaBytesLowerBound);
        json.WriteNumber("weightBytes", Plan.WeightBytes);
        json.WriteNumber("peakRssBytes", PeakRssBytes);
        json.Finite("allocatedBytesPerRun", AllocatedBytesPerRun, 1);
        json.Finite("cpuMsPerRun", CpuMsPerRun, 4);
        json.Finite("joulesPerRun", JoulesPerRun ?? double.NaN, 6);
        json.WriteStartArray("baselines");
        foreach (Baseline baseline in Baselines) baseline.Write(json, this);
        json.WriteEndArray();
        json.Strings("devices", ["cpu", .. Devices]);
        json.WriteStartArray("splits");
        foreach (PlanSplit split in Plan.Splits)
        {
            json.WriteStartObject();
            json.WriteString("node", split.Node);
            json.WriteString("axis", $"{split.Axis}");
            json.WriteNumber("cut", split.Cut);
            json.WriteNumber("extent", split.Extent);
            json.Finite("predictedCpuUs", split.PredictedCpuUs, 2);
            json.Finite("predictedDeviceUs", split.PredictedDeviceUs, 2);
            if (split.MeasuredCpuUs is { } cpuUs) json.Finite("measuredCpuUs", cpuUs, 2);
            if (split.MeasuredWaitUs is { } waitUs) json.Finite("measuredWaitUs", waitUs, 2);
            json.WriteString("why", split.Why);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.Strings("warnings", Warnings);
        json.WriteEndObject();
    }
}
