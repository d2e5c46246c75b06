using System.CommandLine;
using System.IO.Enumeration;
using Parallax.Cli.Conformance;
using Parallax.Cli.Output;

namespace Parallax.Cli.Commands;

/// <summary><c>conformance DIR</c>: runs ONNX backend test folders.</summary>
internal static class ConformanceCommand
{
    private static readonly Argument<string> Folder = new("DIR") { Description = "Folder with ONNX backend tests, at any depth." };
    private static readonly Option<string> Filter = CommonOptions.Text("--filter", "GLOB", "Only cases whose name matches this pattern (* and ?).");

    internal static Command Create()
    {
        var command = new Command("conformance", "Runs ONNX backend tests and reports what fails.") { Folder, Filter };
        CommonOptions.AddBasicsTo(command);
        DeviceOptions.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using CommonSettings settings = CommonOptions.Read(parsed);
        TextWriter output = parsed.InvocationConfiguration.Output;
        string[] cases = FindCases(parsed.GetValue(Folder)!, CommonOptions.Value(parsed, Filter));
        var runner = new ConformanceRunner(settings.Session(settings.Dims));
        var results = new List<CaseResult>();
        bool isText = settings.Json is not { Path: null };
        using var progress = new Progress(parsed.InvocationConfiguration.Error);
        foreach (string folder in cases)
        {
            cancellation.ThrowIfCancellationRequested();
            progress.Report($"{results.Count + 1}/{cases.Length} {Path.GetFileName(folder)}");
            CaseResult result = runner.Run(folder, cancellation);
            results.Add(result);
            if (result.Outcome == Outcome.Passed || !isText) continue;
            progress.Clear();
            output.WriteLine($"{result.Outcome.ToString().ToUpperInvariant()} {result.Name}: {result.Reason.ReplaceLineEndings(" ")}");
        }
        progress.Clear();
        int Count(Outcome outcome) => results.Count(r => r.Outcome == outcome);
        if (isText) output.WriteLine($"{Count(Outcome.Passed)} passed, {Count(Outcome.Failed)} failed, {Count(Outcome.Skipped)} skipped");
        if (settings.Json is { } target) WriteJson(target, output, results, Count);
        return Count(Outcome.Failed) == 0 ? ExitCode.Done : ExitCode.WorkFailed;
    }

    private static string[] FindCases(string directory, string? filter)
    {
        if (!Directory.Exists(directory)) throw new InvalidInputException($"{directory}: no such folder");
        string[] all = [.. ConformanceRunner.FindCases(directory)];
        if (all.Length == 0) throw new InvalidInputException($"{directory}: no ONNX backend tests in it (folders with model.onnx and test_data_set_*)");
        string[] cases = [.. all.Where(f => filter is null || FileSystemName.MatchesSimpleExpression(filter, Path.GetFileName(f), ignoreCase: false))];
        return cases.Length > 0 ? cases : throw new InvalidInputException($"--filter {filter}: matches none of the {all.Length} cases in {directory}");
    }

    private static void WriteJson(JsonTarget target, TextWriter output, List<CaseResult> results, Func<Outcome, int> count) => JsonOutput.Write(target, output, json =>
    {
        json.WriteStartObject();
        json.WriteNumber("passed", count(Outcome.Passed));
        json.WriteNumber("failed", count(Outcome.Failed));
        json.WriteNumber("skipped", count(Outcome.Skipped));
        json.WriteStartArray("cases");
        foreach (CaseResult result in results)
        {
            json.WriteStartObject();
            json.WriteString("name", result.Name);
            json.WriteString("outcome", result.Outcome.ToString().ToLowerInvariant());
            if (result.Reason.Length > 0) json.WriteString("reason", result.Reason);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    });
}
