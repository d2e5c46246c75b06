using System.CommandLine;
using Parallax.Cli.Measuring;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Runtime.Cpu;

namespace Parallax.Cli.Commands;

/// <summary><c>demo</c>: builds networks of the zoo, plans them and runs them on one thread and on all cores.</summary>
internal static class DemoCommand
{
    private const int Warmup = 2, Runs = 5;

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
        var pairs = new List<(BenchResult Single, BenchResult All)>();
        foreach ((string model, (string Name, long Size)[] dims) in Networks)
        {
            CommonSettings sized = settings with { Dims = dims.ToDictionary(d => d.Name, d => d.Size) };
            BenchResult single = Measure(model, sized with { Threads = 1 }, progress, cancellation);
            pairs.Add((single, threads == 1 ? single : Measure(model, sized with { Threads = threads }, progress, cancellation)));
        }
        progress.Clear();
        if (settings.Json is not { Path: null }) Print(output, threads, pairs);
        if (settings.Json is { } target)
            JsonOutput.Write(target, output, json =>
            {
                json.WriteStartArray();
                foreach ((BenchResult single, BenchResult all) in pairs)
                {
                    single.Write(json);
                    if (threads > 1) all.Write(json);
                }
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

    private static void Print(TextWriter output, int threads, List<(BenchResult Single, BenchResult All)> pairs) =>
        Tables.Print(output, ["network", ">steps", ">GMAC", ">weights", ">arena", ">without reuse", ">lower bound", ">1 thread ms", $">{threads} threads ms", ">speed-up", ">GFLOP/s"],
            pairs.Select(p => (string[])
            [
                p.All.Model, $"{p.All.Plan.Steps}", Numbers.Fixed(p.All.Plan.Macs / 1e9, 2), Numbers.Bytes(p.All.Plan.WeightBytes), Numbers.Bytes(p.All.Plan.ArenaBytes),
                Numbers.Bytes(p.All.Plan.ArenaBytesNoReuse), Numbers.Bytes(p.All.Plan.ArenaBytesLowerBound), Numbers.Ms(p.Single.Times.Percentile(50)),
                Numbers.Ms(p.All.Times.Percentile(50)), $"{Numbers.Fixed(p.Single.Times.Percentile(50) / p.All.Times.Percentile(50), 2)}x", Numbers.Fixed(p.All.Gflops),
            ]));
}
