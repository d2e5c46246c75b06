using System.CommandLine;
using System.Text.Json;
using Parallax.Cli.Measuring;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Cli.Report;

namespace Parallax.Cli.Commands;

/// <summary><c>profile MODEL</c>: the measured time of every operator.</summary>
internal static class ProfileCommand
{
    private const int TopSteps = 15;

    private static readonly Argument<string> Model = new("MODEL") { Description = "A model file, or zoo:NAME." };
    private static readonly Option<string[]> Input = CommonOptions.Many("--input", "NAME=FILE", "An input's contents, .npy or .pb; may be repeated. Others are filled from the seed.");
    private static readonly Option<string> Trace = CommonOptions.Text("--trace", "FILE", "Writes the runs in the Chrome trace format, for Perfetto.");
    private static readonly Option<string> Warmup = CommonOptions.Text("--warmup", "N", "Runs that are not measured (default: 3).");
    private static readonly Option<string> Runs = CommonOptions.Text("--runs", "N", "Runs that are measured (default: 5).");

    internal static Command Create()
    {
        var command = new Command("profile", "Measures each operator of a model.") { Model, Input, Trace, Warmup, Runs };
        CommonOptions.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using CommonSettings settings = CommonOptions.Read(parsed);
        int warmup = CommonOptions.Value(parsed, Warmup) is { } w ? (int)CommonOptions.Whole("--warmup", w, 0, 1_000_000) : 3;
        int runs = CommonOptions.Value(parsed, Runs) is { } r ? (int)CommonOptions.Whole("--runs", r, 1, 10_000) : 5;
        using ReadyModel model = ReadyModel.Load(parsed.GetValue(Model)!, settings, CommonOptions.Values(parsed, Input));
        for (int i = 0; i < warmup; i++) model.Session.Run(model.Inputs, cancellation).Dispose();
        RunProfile profile = model.Session.Profile(model.Inputs, runs, cancellation);
        SessionWarnings.Print(parsed.InvocationConfiguration.Error, model.Name, model.Session.Warnings);
        TextWriter output = parsed.InvocationConfiguration.Output;
        string? trace = CommonOptions.Value(parsed, Trace);
        if (trace is not null) AtomicFile.Write(trace, stream => ChromeTrace.Write(stream, profile));
        if (settings.Json is { } target) JsonOutput.Write(target, output, json => WriteJson(json, model.Name, profile));
        if (settings.Json is { Path: null }) return ExitCode.Done;
        Print(output, model.Name, profile);
        if (trace is not null) output.WriteLine($"the trace is in {trace}");
        return ExitCode.Done;
    }

    private static double RunMs(RunProfile profile) => new Latencies(profile.RunUs.Select(r => (r.EndUs - r.StartUs) / 1000)).Percentile(50);

    private static void Print(TextWriter output, string model, RunProfile profile)
    {
        var steps = profile.ByStep;
        double sum = Math.Max(double.Epsilon, steps.Sum(s => s.Us));
        output.WriteLine(
            $"{model}: {Numbers.Count(steps.Length, "step")}, {Numbers.Ms(RunMs(profile))} ms a run, {Numbers.Ms(sum / 1000)} ms in steps "
            + $"on {Numbers.Count(profile.Steps.Select(s => s.Worker).Distinct().Count(), "worker")}, medians of {Numbers.Count(profile.RunUs.Length, "run")}");
        output.WriteLine();
        Tables.Print(output, ["operator", ">steps", ">ms", ">share"], profile.ByOperator.Select(o => (string[])
            [o.Operator, $"{o.Steps}", Numbers.Ms(o.Us / 1000), $"{Numbers.Fixed(100 * o.Share)} %"]));
        output.WriteLine();
        bool isSplit = steps.Any(s => s.WaitUs is not null);
        Tables.Print(output, ["longest steps", "operator", "kernel", "branch", ">calls", ">ms", .. isSplit ? (string[])[">waiting for the device"] : [], ">share", "output"], steps.Take(TopSteps).Select(s => (string[])
        [
            s.Step.Path, s.Step.Operator, s.Step.Kernel, s.Step.Branch < 0 ? "" : $"B{s.Step.Branch}", $"{s.Calls}", Numbers.Ms(s.Us / 1000),
            .. isSplit ? (string[])[s.WaitUs is { } us ? Numbers.Ms(us / 1000) : ""] : [], $"{Numbers.Fixed(100 * s.Us / sum)} %",
            s.Step.Outputs.FirstOrDefault(o => o is not null) is { Dims: { } dims } first ? $"{first.Type}{Shape.ToString([.. dims])}" : "",
        ]));
    }

    private static void WriteJson(Utf8JsonWriter json, string model, RunProfile profile)
    {
        json.WriteStartObject();
        json.WriteString("model", model);
        json.WriteNumber("runs", profile.RunUs.Length);
        json.Finite("runMs", RunMs(profile), 4);
        json.WriteStartArray("operators");
        foreach (OperatorTime o in profile.ByOperator)
        {
            json.WriteStartObject();
            json.WriteString("operator", o.Operator);
            json.WriteNumber("steps", o.Steps);
            json.Finite("ms", o.Us / 1000, 4);
            json.Finite("share", o.Share, 4);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("steps");
        foreach (StepTimes times in profile.ByStep)
        {
            (ProfiledStep step, int calls, double us) = times;
            json.WriteStartObject();
            json.WriteString("name", step.Path);
            json.WriteString("operator", step.Operator);
            json.WriteString("kernel", step.Kernel);
            json.WriteNumber("branch", step.Branch);
            json.WriteNumber("calls", calls);
            json.Finite("ms", us / 1000, 4);
            if (times.WaitUs is { } waitUs) json.Finite("waitMs", waitUs / 1000, 4);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
