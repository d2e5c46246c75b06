using System.CommandLine;
using Parallax.Cli.Measuring;
using Parallax.Cli.Models;
using Parallax.Cli.Output;

namespace Parallax.Cli.Commands;

/// <summary><c>bench MODEL...</c>: latency and memory.</summary>
internal static class BenchCommand
{
    private static readonly Argument<string[]> Models = new("MODEL") { Description = "Model files, or zoo:NAME.", Arity = ArgumentArity.OneOrMore };
    private static readonly Option<string> Warmup = CommonOptions.Text("--warmup", "N", "Runs that are not measured (default: 5).");
    private static readonly Option<string> Runs = CommonOptions.Text("--runs", "N", "Runs that are measured (default: 20).");

    internal static Command Create()
    {
        var command = new Command("bench", "Measures latency and memory of models.") { Models, Warmup, Runs };
        CommonOptions.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        CommonSettings settings = CommonOptions.Read(parsed);
        int warmup = CommonOptions.Value(parsed, Warmup) is { } w ? (int)CommonOptions.Whole("--warmup", w, 0, 1_000_000) : 5;
        int runs = CommonOptions.Value(parsed, Runs) is { } r ? (int)CommonOptions.Whole("--runs", r, 1, 1_000_000) : 20;
        using var progress = new Progress(parsed.InvocationConfiguration.Error);
        var results = new List<BenchResult>();
        foreach (string name in parsed.GetValue(Models)!)
        {
            cancellation.ThrowIfCancellationRequested();
            progress.Report($"{name}: loading");
            ProcessMemory.ResetPeak();
            using ReadyModel model = ReadyModel.Load(name, settings);
            results.Add(BenchResult.Measure(model, warmup, runs, i => progress.Report(i < 0 ? $"{name}: warming up, {-i} to go" : $"{name}: run {i}"), cancellation));
        }
        progress.Clear();
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (settings.Json is not { Path: null }) Tables.Print(output, BenchResult.Columns, results.Select(b => b.Row()));
        if (settings.Json is { } target)
            JsonOutput.Write(target, output, json =>
            {
                json.WriteStartArray();
                foreach (BenchResult result in results) result.Write(json);
                json.WriteEndArray();
            });
        return ExitCode.Done;
    }
}
