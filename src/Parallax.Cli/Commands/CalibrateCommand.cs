using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Planning;
using Parallax.Runtime.Calibration;
using Parallax.Runtime.Cpu;

namespace Parallax.Cli.Commands;

/// <summary><c>calibrate</c>: measures the constants that the planner predicts with, and keeps them in a file.</summary>
internal static class CalibrateCommand
{
    private const double DefaultSeconds = 20;

    /// <summary>Dense products share well: where several workers do not reach this, they had no cores to themselves.</summary>
    private const double BusySpeedup = 1.3;

    private static readonly string[] DefaultModels = ["zoo:yolov8n", "zoo:swinv2-tiny", "zoo:distilbert"];

    private static readonly Argument<string[]> Models = new("MODEL") { Description = "With --verify: the models to compare on (default: three of the zoo).", Arity = ArgumentArity.ZeroOrMore };
    private static readonly Option<string> Seconds = CommonOptions.Text("--seconds", "20", "About how long the measurements may take.");
    private static readonly Option<string> Output = CommonOptions.Text("--output", "FILE", "Where the profile is written (default: where sessions look for it).");
    private static readonly Option<bool> Verify = new("--verify") { Description = "Compares predicted with measured times of the steps of models." };

    internal static Command Create()
    {
        var command = new Command("calibrate", "Measures this machine's constants and writes them to a device profile.") { Models, Seconds, Output, Verify };
        CommonOptions.AddBasicsTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        CommonSettings settings = CommonOptions.Read(parsed);
        double seconds = CommonOptions.Value(parsed, Seconds) is { } s ? CommonOptions.Real("--seconds", s, 0.01, 3600) : DefaultSeconds;
        bool verify = parsed.GetValue(Verify);
        string[] models = parsed.GetValue(Models) ?? [];
        if (models.Length > 0 && !verify) throw new InvalidInputException($"{models[0]}: calibrate takes models with --verify only");
        string path = CommonOptions.Value(parsed, Output) ?? DeviceProfiles.DefaultPath
            ?? throw new InvalidInputException("there is no place for the profile by default: name one with --output FILE");
        using var progress = new Progress(parsed.InvocationConfiguration.Error);
        DeviceProfile profile = Calibrator.Measure(settings.Threads == 0 ? Processor.PhysicalCores : settings.Threads, seconds, progress.Report, cancellation);
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { Length: > 0 } folder) AtomicFile.MakeFolder(folder);
        AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(profile.ToJson())));
        var checks = new List<(string Model, CostCheck Check)>();
        foreach (string model in !verify ? [] : models.Length > 0 ? models : DefaultModels)
        {
            progress.Report($"comparing on {model}");
            checks.Add((model, Compare(model, settings, path, cancellation)));
        }
        progress.Clear();
        if (profile.Workers > 1 && profile.Cpu.Rate(OpClass.Dense).SpeedupOf(profile.Workers) < BusySpeedup)
            parsed.InvocationConfiguration.Error.WriteLine($"parallax: {profile.Workers} workers were hardly faster than one: the machine is busy with something else, or has no more cores to give; calibrate again when it is idle");
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (settings.Json is not { Path: null }) Print(output, profile, path, checks);
        if (settings.Json is { } target) JsonOutput.Write(target, output, json => WriteJson(json, profile, path, checks));
        return ExitCode.Done;
    }

    private static CostCheck Compare(string name, CommonSettings settings, string profile, CancellationToken cancellation)
    {
        const int Runs = 10;
        using ReadyModel model = ReadyModel.Load(name, settings with { Threads = 1, Mode = ScheduleMode.Sequential, DeviceProfile = profile });
        return CostCheck.Measure(model.Session, model.Inputs, Runs, cancellation);
    }

    private static void Print(TextWriter output, DeviceProfile profile, string path, List<(string Model, CostCheck Check)> checks)
    {
        output.WriteLine($"{profile.Machine}");
        output.WriteLine();
        CostModel cpu = profile.Cpu, assumed = CostModel.Default;
        Tables.Print(output, ["constant", ">measured", ">assumed", "unit", $">speed-up of {profile.Workers}"],
        [
            .. cpu.Rates.Select(r => Row(r.Key.ToString(), r.Value, assumed.Rate(r.Key), r.Key is OpClass.Movement or OpClass.Rearrangement ? "GB/s" : "G/s")),
            Row("Cache", cpu.Cache, assumed.Cache, "GB/s"), Row("Memory", cpu.Memory, assumed.Memory, "GB/s"),
            ["cache size", Numbers.Bytes((long)cpu.CacheBytes), Numbers.Bytes((long)assumed.CacheBytes), "", ""],
            ["start of a step", Numbers.Fixed(cpu.StepOverheadUs, 2), Numbers.Fixed(assumed.StepOverheadUs, 2), "us", ""],
            ["one more worker", Numbers.Fixed(cpu.ForkUs, 2), Numbers.Fixed(assumed.ForkUs, 2), "us", ""],
            ["start of a branch", Numbers.Fixed(cpu.DispatchUs, 2), Numbers.Fixed(assumed.DispatchUs, 2), "us", ""],
        ]);
        output.WriteLine();
        foreach ((string model, CostCheck check) in checks)
        {
            output.WriteLine($"{model}: predicted {Numbers.Ms(check.ByStep.PredictedUs / 1000)} ms, measured {Numbers.Ms(check.ByStep.MeasuredUs / 1000)} ms in steps on one worker");
            Tables.Print(output, ["", ">count", ">predicted ms", ">measured ms", ">mean error", ">median ratio", ">off by over 2x"],
                [CheckRow("steps", check.ByStep), CheckRow("branches", check.ByBranch), .. check.ByClass.Select(c => CheckRow(c.Class.ToString(), c.Summary))]);
            output.WriteLine();
        }
        output.WriteLine($"the profile is in {path}");

        string[] Row(string name, ClassRate measured, ClassRate known, string unit) =>
            [name, Numbers.Fixed(measured.UnitsPerSecond / 1e9, 2), Numbers.Fixed(known.UnitsPerSecond / 1e9, 2), unit, Numbers.Fixed(measured.SpeedupOf(profile.Workers), 2)];
    }

    private static string[] CheckRow(string name, CheckSummary s) =>
        [name, $"{s.Count}", Numbers.Ms(s.PredictedUs / 1000), Numbers.Ms(s.MeasuredUs / 1000), Percent(s.MeanError), Numbers.Fixed(s.MedianRatio, 2), Percent(s.FarShare)];

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:F0} %");

    private static void WriteJson(Utf8JsonWriter json, DeviceProfile profile, string path, List<(string Model, CostCheck Check)> checks)
    {
        json.WriteStartObject();
        json.WriteString("path", path);
        json.WritePropertyName("profile");
        json.WriteRawValue(profile.ToJson());
        json.WritePropertyName("assumed");
        json.WriteRawValue(DeviceProfile.Default.ToJson());
        json.WriteStartArray("verify");
        foreach ((string model, CostCheck check) in checks)
        {
            json.WriteStartObject();
            json.WriteString("model", model);
            Write(json, "steps", check.ByStep);
            Write(json, "branches", check.ByBranch);
            json.WriteStartObject("classes");
            foreach ((OpClass opClass, CheckSummary summary) in check.ByClass) Write(json, opClass.ToString(), summary);
            json.WriteEndObject();
            json.WriteStartArray("worst");
            foreach (CheckedStep step in check.Steps.OrderByDescending(s => Math.Abs(s.PredictedUs - s.MeasuredUs)).Take(20))
            {
                json.WriteStartObject();
                json.WriteString("name", step.Name);
                json.WriteString("operator", step.Operator);
                json.WriteString("kernel", step.Kernel);
                json.WriteString("class", step.Class.ToString());
                json.Finite("predictedUs", step.PredictedUs, 2);
                json.Finite("measuredUs", step.MeasuredUs, 2);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, CheckSummary summary)
    {
        json.WriteStartObject(name);
        json.WriteNumber("count", summary.Count);
        json.Finite("predictedUs", summary.PredictedUs, 2);
        json.Finite("measuredUs", summary.MeasuredUs, 2);
        json.Finite("meanError", summary.MeanError, 4);
        json.Finite("medianRatio", summary.MedianRatio, 4);
        json.Finite("farShare", summary.FarShare, 4);
        json.WriteEndObject();
    }
}
