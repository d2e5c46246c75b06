using System.CommandLine;
using System.Text.Json;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Cli.Report;
using Parallax.Planning;
using Parallax.Runtime.Calibration;

namespace Parallax.Cli.Commands;

/// <summary><c>calibrate</c>: measures the constants that the planner predicts with, trains its predictors, and keeps them in a file.</summary>
internal static class CalibrateCommand
{
    private const double QuickSeconds = 40;

    /// <summary>Rounds of the sequence of problems.</summary>
    private const int QuickRounds = 10;

    /// <summary>Dense products share well: where several workers do not reach this, they had no cores to themselves.</summary>
    private const double BusySpeedup = 1.3;

    private static readonly string[] DefaultModels = ["zoo:yolov8n", "zoo:swinv2-tiny", "zoo:distilbert"];

    private static readonly Argument<string[]> Models = new("MODEL") { Description = "With --verify: the models to compare on (default: three of the zoo).", Arity = ArgumentArity.ZeroOrMore };
    private static readonly Option<string[]> Sampled = CommonOptions.Many("--model", "FILE|zoo:NAME", "A model whose operators are measured first; may be repeated.");
    private static readonly Option<string> Seconds = CommonOptions.Text("--seconds", "N", $"About how long the measurements may take (default: {CalibrationOptions.DefaultSeconds}, with --quick {QuickSeconds}).");
    private static readonly Option<string> Output = CommonOptions.Text("--output", "FILE", "Where the profile is written (default: where sessions look for it).");
    private static readonly Option<bool> Quick = new("--quick") { Description = "Fewer problems, in less than a minute; a later call without it adds the others." };
    private static readonly Option<bool> Fresh = new("--fresh") { Description = "Forgets what earlier calls measured." };
    private static readonly Option<bool> Verify = new("--verify") { Description = "Compares predicted with measured times of the steps of models." };

    internal static Command Create()
    {
        var command = new Command("calibrate", "Measures this machine, trains the predictors of its devices and writes both to a device profile.") { Models, Sampled, Seconds, Quick, Fresh, Output, Verify };
        CommonOptions.AddBasicsTo(command);
        DeviceOptions.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using CommonSettings settings = CommonOptions.Read(parsed);
        bool verify = parsed.GetValue(Verify), quick = parsed.GetValue(Quick);
        double seconds = CommonOptions.Value(parsed, Seconds) is { } s ? CommonOptions.Real("--seconds", s, 0.01, 36000) : quick ? QuickSeconds : CalibrationOptions.DefaultSeconds;
        string[] models = parsed.GetValue(Models) ?? [];
        if (models.Length > 0 && !verify) throw new InvalidInputException($"{models[0]}: calibrate takes models with --verify only; --model measures the operators of one");
        string path = CommonOptions.Value(parsed, Output) ?? DeviceProfiles.DefaultPath
            ?? throw new InvalidInputException("there is no place for the profile by default: name one with --output FILE");
        if (Directory.Exists(path)) throw new InvalidInputException($"{path}: is a folder, not a device profile");
        using var progress = new Progress(parsed.InvocationConfiguration.Error);
        var options = new CalibrationOptions { Seconds = seconds, Rounds = quick ? QuickRounds : CalibrationOptions.DefaultRounds, Seed = settings.Seed, Backends = settings.Devices.Backends };
        if (settings.Threads > 0) options = options with { Workers = settings.Threads };
        CalibrationResult result = Measure(options, CommonOptions.Values(parsed, Sampled), settings, path, parsed.GetValue(Fresh), progress, cancellation);
        DeviceProfile profile = result.Profile;
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { Length: > 0 } folder) AtomicFile.MakeFolder(folder);
        AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(profile.ToJson())));
        var checks = new List<(string Model, CostCheck Check)>();
        foreach (string model in !verify ? [] : models.Length > 0 ? models : DefaultModels)
        {
            progress.Report($"comparing on {model}");
            checks.Add((model, Compare(model, settings with { Devices = DeviceSettings.CpuOnly }, path, cancellation)));
            if (!settings.Devices.Backends.IsEmpty) checks.Add(($"{model}, all that devices can compute on them", Compare(model, settings with { Devices = settings.Devices with { OffloadAll = true } }, path, cancellation)));
        }
        progress.Clear();
        if (profile.Workers > 1 && profile.Cpu.Rate(OpClass.Dense).SpeedupOf(profile.Workers) < BusySpeedup)
            parsed.InvocationConfiguration.Error.WriteLine($"parallax: {profile.Workers} workers were hardly faster than one: the machine is busy with something else, or has no more cores to give; calibrate --fresh when it is idle");
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (settings.Json is not { Path: null }) CalibrationText.Print(output, result, path, checks);
        if (settings.Json is { } target) JsonOutput.Write(target, output, json => WriteJson(json, result, path, checks));
        return ExitCode.Done;
    }

    private static CalibrationResult Measure(CalibrationOptions options, string[] models, CommonSettings settings, string path, bool fresh, Progress progress, CancellationToken cancellation)
    {
        using MeasurementLog log = MeasurementLog.Open(MeasurementLog.PathFor(path), DeviceProfiles.Machine, options.Seed, fresh);
        var loaded = new List<ReadyModel>();
        try
        {
            foreach (string model in models)
            {
                progress.Report($"loading {model}");
                loaded.Add(ReadyModel.Load(model, settings with { Threads = 1, Mode = ScheduleMode.Sequential, DeviceProfile = DeviceProfiles.None, Devices = DeviceSettings.CpuOnly }));
            }
            return Calibration.Run(options with { Models = [.. loaded.Select(m => (m.Session, m.Inputs))] }, log, progress.Report, cancellation);
        }
        finally
        {
            foreach (ReadyModel model in loaded) model.Dispose();
        }
    }

    private static CostCheck Compare(string name, CommonSettings settings, string profile, CancellationToken cancellation)
    {
        const int Runs = 10;
        using ReadyModel model = ReadyModel.Load(name, settings with { Threads = 1, Mode = ScheduleMode.Sequential, DeviceProfile = profile });
        return CostCheck.Measure(model.Session, model.Inputs, Runs, cancellation);
    }

    private static void WriteJson(Utf8JsonWriter json, CalibrationResult result, string path, List<(string Model, CostCheck Check)> checks)
    {
        json.WriteStartObject();
        json.WriteString("path", path);
        json.WritePropertyName("profile");
        json.WriteRawValue(result.Profile.ToJson());
        json.WriteNumber("problems", result.Sampling.Problems);
        json.WriteNumber("problemsLeft", result.Sampling.Left);
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
            foreach ((string kind, CheckSummary summary) in check.ByKind) Write(json, kind, summary);
            json.WriteEndObject();
            json.WriteStartArray("worst");
            foreach (CheckedStep step in check.Steps.OrderByDescending(s => Math.Abs(s.PredictedUs - s.MeasuredUs)).Take(20))
            {
                json.WriteStartObject();
                json.WriteString("name", step.Name);
                json.WriteString("operator", step.Operator);
                json.WriteString("kernel", step.Kernel);
                json.WriteString("class", step.Kind);
                json.WriteBoolean("learned", step.IsLearned);
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
        json.WriteNumber("learned", summary.Learned);
        json.Finite("predictedUs", summary.PredictedUs, 2);
        json.Finite("measuredUs", summary.MeasuredUs, 2);
        json.Finite("mape", summary.Mape, 4);
        json.Finite("meanError", summary.MeanError, 4);
        json.Finite("medianRatio", summary.MedianRatio, 4);
        json.Finite("farShare", summary.FarShare, 4);
        json.WriteEndObject();
    }
}
