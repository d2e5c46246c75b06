using System.CommandLine;
using System.Xml.Linq;
using Parallax.Cli.Measuring;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Cli.Report;
using Parallax.Planning;
using Parallax.Runtime.Cpu;

namespace Parallax.Cli.Commands;

/// <summary><c>demo</c>: builds networks of the zoo, plans them, runs their branches one after another and in parallel, and writes a report.</summary>
internal static class DemoCommand
{
    /// <summary>The first session of a network also warms up the code that its kernels are compiled to, lest one mode be charged for what all gain by.</summary>
    private const int Warmup = 1, FirstWarmup = 4, Runs = 5;
    private static readonly TimeSpan SettleFor = TimeSpan.FromSeconds(3);

    private const string ReportFile = "parallax-report.html";

    /// <summary>Small enough for a minute on a small machine.</summary>
    private static readonly (string Model, (string Name, long Size)[] Dims)[] Networks =
    [
        ("zoo:yolov8n", [("batch", 1), ("height", 320), ("width", 320)]),
        ("zoo:whisper-tiny-encoder", []),
        ("zoo:whisper-tiny-decoder", [("batch", 1), ("tokens", 16)]),
        ("zoo:swinv2-tiny", []),
        ("zoo:distilbert", [("batch", 1), ("sequence", 64)]),
    ];

    private static readonly string[] LatencyColumns = ["network", ">nodes", ">branches", ">GMAC", ">1 thread ms", ">sequential ms", ">parallel ms", ">auto ms", "auto chose", ">speed-up"];
    private static readonly string[] MemoryColumns = ["network", ">weights", ">without reuse", ">sequential", ">parallel", ">lower bound"];

    /// <summary>A network as it was measured, with the plan of the automatic mode.</summary>
    private sealed record Network(BenchResult Single, BenchResult Sequential, BenchResult Parallel, BenchResult Auto, PlanReport Plan)
    {
        internal BenchResult[] Results => [Single, Sequential, Parallel, Auto];
    }

    internal static Command Create()
    {
        var command = new Command("demo", $"Builds, plans and runs networks of the zoo; needs no files. Writes {ReportFile}.");
        CommonOptions.AddBasicsTo(command);
        DeviceOptions.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using CommonSettings settings = CommonOptions.Read(parsed);
        TextWriter output = parsed.InvocationConfiguration.Output;
        using var progress = new Progress(parsed.InvocationConfiguration.Error);
        int threads = settings.Threads == 0 ? Processor.PhysicalCores : settings.Threads;
        var networks = new List<Network>();
        foreach ((string model, (string Name, long Size)[] dims) in Networks)
            networks.Add(Measure(model, settings with { Dims = dims.ToDictionary(d => d.Name, d => d.Size) }, threads, progress, cancellation));
        progress.Clear();
        if (settings.Json is not { Path: null })
        {
            output.WriteLine($"Latency, median of {Runs} runs. Sequential, parallel and auto are on {threads} threads; sequential runs one branch after another, each on all threads.");
            Tables.Print(output, LatencyColumns, networks.Select(Latency));
            output.WriteLine();
            output.WriteLine("Memory between inputs and outputs. The lower bound is of the sequential order.");
            Tables.Print(output, MemoryColumns, networks.Select(Memory));
        }
        if (settings.Json is { } target)
            JsonOutput.Write(target, output, json =>
            {
                json.WriteStartArray();
                foreach (BenchResult result in networks.SelectMany(n => n.Results)) result.Write(json);
                json.WriteEndArray();
            });
        AtomicFile.Write(ReportFile, stream => HtmlReport.Write(stream, [.. networks.Select(n => n.Plan)], Intro(networks, threads)));
        if (settings.Json is not { Path: null }) output.WriteLine($"{Environment.NewLine}the plans and their reasons are in {Path.GetFullPath(ReportFile)}");
        return ExitCode.Done;
    }

    private static Network Measure(string name, CommonSettings settings, int threads, Progress progress, CancellationToken cancellation)
    {
        PlanReport? plan = null;
        BenchResult Run(int count, ScheduleMode mode, int warmup = Warmup)
        {
            cancellation.ThrowIfCancellationRequested();
            progress.Report($"{name}: building, planning and running, {AblationRow.Name(mode)} on {count} threads");
            ProcessMemory.ResetPeak();
            using ReadyModel model = ReadyModel.Load(name, settings with { Threads = count, Mode = mode });
            BenchResult result = BenchResult.Measure(model, warmup, Runs, _ => { }, cancellation, settleFor: SettleFor);
            plan = model.Session.Explain(model.Inputs) with { Model = name };
            return result;
        }
        return new Network(Run(1, ScheduleMode.Sequential, FirstWarmup), Run(threads, ScheduleMode.Sequential), Run(threads, ScheduleMode.Parallel), Run(threads, ScheduleMode.Auto), plan!);
    }

    private static string[] Latency(Network n)
    {
        double single = n.Single.Times.Percentile(50), sequential = n.Sequential.Times.Percentile(50), parallel = n.Parallel.Times.Percentile(50), auto = n.Auto.Times.Percentile(50);
        return
        [
            n.Plan.Model, $"{n.Plan.Nodes}", $"{n.Plan.Branches.Length}", Numbers.Fixed(n.Single.Plan.Macs / 1e9, 2), Numbers.Ms(single), Numbers.Ms(sequential), Numbers.Ms(parallel), Numbers.Ms(auto),
            n.Auto.Mode, $"{Numbers.Fixed(single / auto, 2)}x",
        ];
    }

    private static string[] Memory(Network n) =>
    [
        n.Plan.Model, Numbers.Bytes(n.Single.Plan.WeightBytes), Numbers.Bytes(n.Sequential.Plan.ArenaBytesNoReuse), Numbers.Bytes(n.Sequential.Plan.ArenaBytes),
        Numbers.Bytes(n.Parallel.Plan.ArenaBytes), Numbers.Bytes(n.Sequential.Plan.ArenaBytesLowerBound),
    ];

    private static XElement[] Intro(List<Network> networks, int threads) =>
    [
        Html.Tag("p", $"Networks of the zoo, built in code with seeded weights, run on {threads} threads of this machine. Latency is the median of {Runs} runs; speed-up is auto over one thread."),
        Html.Table(LatencyColumns, networks.Select(n => (object?[])Latency(n))),
        Html.Tag("p", "Memory between inputs and outputs; the lower bound is of the sequential order."),
        Html.Table(MemoryColumns, networks.Select(n => (object?[])Memory(n))),
        Html.Tag("p", "Below: what was decided for each network, and why."),
    ];
}
