using System.CommandLine;
using System.Text.Json;
using Parallax.Cli.Measuring;
using Parallax.Cli.Measuring.Peers;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Cli.Report;
using Parallax.OrtPeer;
using Parallax.Runtime.Cpu;

namespace Parallax.Cli.Commands;

/// <summary><c>bench MODEL...</c>: latency and memory.</summary>
internal static class BenchCommand
{
    private static readonly Argument<string[]> Models = new("MODEL") { Description = "Model files, or zoo:NAME.", Arity = ArgumentArity.OneOrMore };
    private static readonly Option<string> Warmup = CommonOptions.Text("--warmup", "N", "Runs that are not measured (default: 5).");
    private static readonly Option<string> Runs = CommonOptions.Text("--runs", "N", "Runs that are measured (default: 20).");

    private static readonly Option<string> Compare = CommonOptions.Text("--compare", "onnxruntime", "Measures another runtime beside, its runs in turns with ours.");
    private static readonly Option<string> OrtLibrary = CommonOptions.Text("--ort-lib", "PATH", "ONNX Runtime's library (default: the one that PARALLAX_ORT_LIB names).");

    private static readonly Option<bool> Ablate = new("--ablation")
    {
        Description = "All modes, numbers of threads, and margins of 0.2, 0.3, 0.4 and 0.5. With --memory-budget, that is what is available, of which the margin is left alone.",
    };

    private static readonly Option<string> Versus = CommonOptions.Text("--side-by-side", "modes|devices",
        "All modes, or the CPU, the device, split layers and the plan of both, in one process, a few runs of each in turn, and how each stands to the best of the others.");

    internal static Command Create()
    {
        var command = new Command("bench", "Measures latency and memory of models.") { Models, Warmup, Runs, Compare, OrtLibrary, Ablate, Versus };
        CommonOptions.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using CommonSettings settings = CommonOptions.Read(parsed);
        int warmup = CommonOptions.Value(parsed, Warmup) is { } w ? (int)CommonOptions.Whole("--warmup", w, 0, 1_000_000) : 5;
        int runs = CommonOptions.Value(parsed, Runs) is { } r ? (int)CommonOptions.Whole("--runs", r, 1, 1_000_000) : 20;
        string? library = ReadLibrary(parsed);
        using var progress = new Progress(parsed.InvocationConfiguration.Error);
        if (parsed.GetValue(Ablate)) return RunAblation(parsed, settings, warmup, runs, progress, cancellation);
        if (CommonOptions.Value(parsed, Versus) is { } ways) return RunSideBySide(ways, parsed, settings, warmup, runs, progress, cancellation);
        var results = new List<BenchResult>();
        foreach (string name in parsed.GetValue(Models)!)
        {
            cancellation.ThrowIfCancellationRequested();
            progress.Report($"{name}: loading");
            using Comparison? comparison = library is null ? null : new Comparison(library, name, settings, cancellation);
            ProcessMemory.ResetPeak();
            using ReadyModel model = ReadyModel.Load(name, settings, file: comparison?.File);
            results.Add(BenchResult.Measure(model, warmup, runs, i => progress.Report(i < 0 ? $"{name}: warming up, {-i} to go" : $"{name}: run {i}"), cancellation, comparison));
        }
        progress.Clear();
        foreach (BenchResult result in results) SessionWarnings.Print(parsed.InvocationConfiguration.Error, result.Model, result.Warnings);
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (settings.Json is not { Path: null })
        {
            bool withEnergy = results.Exists(r => r.JoulesPerRun is not null);
            Tables.Print(output, BenchResult.Columns(withEnergy), results.Select(b => b.Row(withEnergy)));
            foreach (BenchResult result in results) SplitTable.Print(output, result.Model, result.Plan.Splits);
            if (library is not null) Tables.Print(output, Baseline.Columns, results.SelectMany(r => r.Baselines.Select(b => b.Row(r))));
        }
        WriteJson(settings, output, results, (result, json) => result.Write(json));
        BenchResult[] wrong = [.. results.Where(r => r.Baselines.Any(b => !(b.Difference <= Baseline.Tolerance)))];
        foreach (BenchResult result in wrong) parsed.InvocationConfiguration.Error.WriteLine($"parallax: {result.Model}: the outputs differ by more than {Baseline.Tolerance:0.###} of their largest magnitude");
        return wrong.Length == 0 ? ExitCode.Done : ExitCode.WorkFailed;
    }

    private static string? ReadLibrary(ParseResult parsed)
    {
        if (CommonOptions.Value(parsed, Compare) is not { } peer) return null;
        if (peer != "onnxruntime") throw new InvalidInputException($"--compare must be onnxruntime, got '{peer}'");
        if (parsed.GetValue(Ablate)) throw new InvalidInputException("--compare and --ablation cannot be asked for at once");
        if (CommonOptions.Value(parsed, Versus) is not null) throw new InvalidInputException("--compare and --side-by-side cannot be asked for at once");
        return OrtSession.FindLibrary(CommonOptions.Value(parsed, OrtLibrary));
    }

    private static int RunAblation(ParseResult parsed, CommonSettings settings, int warmup, int runs, Progress progress, CancellationToken cancellation)
    {
        if (CommonOptions.Value(parsed, Versus) is not null) throw new InvalidInputException("--ablation and --side-by-side cannot be asked for at once");
        int threads = settings.Threads == 0 ? Processor.PhysicalCores : settings.Threads;
        AblationRow[] rows = [.. parsed.GetValue(Models)!.SelectMany(name => Ablation.Measure(name, settings, threads, warmup, runs, progress, cancellation))];
        progress.Clear();
        return Print(parsed, settings, rows, AblationRow.Columns, r => r.Row(), (r, json) => r.Write(json));
    }

    private static int RunSideBySide(string what, ParseResult parsed, CommonSettings settings, int warmup, int runs, Progress progress, CancellationToken cancellation)
    {
        (string Way, CommonSettings Settings)[] ways = what switch
        {
            "modes" => SideBySide.Modes(settings),
            "devices" when settings.Devices.Backends.IsEmpty => throw new InvalidInputException("--side-by-side devices needs a device: --device opencl"),
            "devices" => SideBySide.Devices(settings),
            _ => throw new InvalidInputException($"--side-by-side must be modes or devices, got '{what}'"),
        };
        SideBySideRow[] rows = [.. parsed.GetValue(Models)!.SelectMany(name => SideBySide.Measure(name, ways, warmup, runs, progress.Report, cancellation))];
        progress.Clear();
        string[] names = [.. ways.Select(w => w.Way)];
        return Print(parsed, settings, rows, SideBySideRow.Columns(names), r => r.Row(names), (r, json) => r.Write(json));
    }

    private static int Print<T>(ParseResult parsed, CommonSettings settings, T[] rows, string[] columns, Func<T, string[]> cells, Action<T, Utf8JsonWriter> write)
    {
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (settings.Json is not { Path: null }) Tables.Print(output, columns, rows.Select(cells));
        WriteJson(settings, output, rows, write);
        return ExitCode.Done;
    }

    private static void WriteJson<T>(CommonSettings settings, TextWriter output, IEnumerable<T> rows, Action<T, Utf8JsonWriter> write)
    {
        if (settings.Json is not { } target) return;
        JsonOutput.Write(target, output, json =>
        {
            json.WriteStartArray();
            foreach (T row in rows) write(row, json);
            json.WriteEndArray();
        });
    }
}
