using System.CommandLine;
using Parallax.Cli.Measuring;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Planning;
using Parallax.Runtime.Cpu;

namespace Parallax.Cli.Commands;

/// <summary><c>demo</c>: builds networks of the zoo, plans them and runs them on one thread, on all cores one branch after another, and on all cores with branches in parallel.</summary>
internal static class DemoCommand
{
    private const int Warmup = 1, Runs = 3;

    /// <summary>Small enough for a minute on a small machine.</summary>
    private static readonly (string Model, (string Name, long Size)[] Dims)[] Networks =
    [
        ("zoo:yolov8n", [("batch", 1), ("height", 320), ("width", 320)]),
        ("zoo:whisper-tiny-encoder", []),
        ("zoo:whisper-tiny-decoder", [("batch", 1), ("tokens", 16)]),
        ("zoo:swinv2-tiny", []),
        ("zoo:distilbert", [("batch", 1), ("sequence", 64)]),
    ];

    internal static Command Create()
    {
        var command = new Command("demo", "Builds, plans and runs networks of the zoo; needs no files.");
        CommonOptions.AddBasicsTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        CommonSettings settings = CommonOptions.Read(parsed);
        TextWriter output = parsed.InvocationConfiguration.Output;
        using var progress = new Progress(parsed.InvocationConfiguration.Error);
        int threads = settings.Threads == 0 ? Processor.PhysicalCores : settings.Threads;
        var networks = new List<BenchResult[]>();
        foreach ((string model, (string Name, long Size)[] dims) in Networks)
        {
            CommonSettings sized = settings with { Dims = dims.ToDictionary(d => d.Name, d => d.Size) };
            BenchResult Run(int count, ScheduleMode mode) => Measure(model, sized with { Threads = count, Mode = mode }, progress, cancellation);
            networks.Add([Run(1, ScheduleMode.Sequential), Run(threads, ScheduleMode.Sequential), Run(threads, ScheduleMode.Parallel)]);
        }
        progress.Clear();
        if (settings.Json is not { Path: null }) Print(output, threads, networks);
        if (settings.Json is { } target)
            JsonOutput.Write(target, output, json =>
            {
                json.WriteStartArray();
                foreach (BenchResult result in networks.SelectMany(n => n)) result.Write(json);
                json.WriteEndArray();
            });
        return ExitCode.Done;
    }

    private static BenchResult Measure(string name, CommonSettings settings, Progress progress, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        progress.Report($"{name}: building and planning, threads {settings.Threads}");
        ProcessMemory.ResetPeak();
        using ReadyModel model = ReadyModel.Load(name, settings);
        return BenchResult.Measure(model, Warmup, Runs, i => progress.Report($"{name}: warming up, {-i} to go"), cancellation);
    }

    private static void Print(TextWriter output, int threads, List<BenchResult[]> networks)
    {
        string[] columns =
            ["network", ">steps", ">GMAC", ">weights", ">arena", ">in parallel", ">without reuse", ">1 thread ms", $">{threads} threads ms", ">branches in parallel ms", ">speed-up", ">GFLOP/s"];
        Tables.Print(output, columns, networks.Select(runs =>
        {
            (BenchResult single, BenchResult sequential, BenchResult parallel) = (runs[0], runs[1], runs[2]);
            double one = single.Times.Percentile(50), best = Math.Min(sequential.Times.Percentile(50), parallel.Times.Percentile(50));
            return (string[])
            [
                single.Model, $"{single.Plan.Steps}", Numbers.Fixed(single.Plan.Macs / 1e9, 2), Numbers.Bytes(single.Plan.WeightBytes), Numbers.Bytes(sequential.Plan.ArenaBytes),
                Numbers.Bytes(parallel.Plan.ArenaBytes), Numbers.Bytes(single.Plan.ArenaBytesNoReuse), Numbers.Ms(one), Numbers.Ms(sequential.Times.Percentile(50)),
                Numbers.Ms(parallel.Times.Percentile(50)), $"{Numbers.Fixed(one / best, 2)}x", Numbers.Fixed(Math.Max(sequential.Gflops, parallel.Gflops)),
            ];
        }));
    }
}
