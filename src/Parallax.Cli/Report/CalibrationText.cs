using System.Globalization;
using Parallax.Cli.Output;
using Parallax.Planning;
using Parallax.Runtime.Calibration;

namespace Parallax.Cli.Report;

/// <summary>What a calibration found, as tables for a terminal.</summary>
internal static class CalibrationText
{
    internal static void Print(TextWriter output, CalibrationResult result, string path, List<(string Model, CostCheck Check)> checks)
    {
        DeviceProfile profile = result.Profile;
        output.WriteLine($"{profile.Machine}");
        output.WriteLine();
        Constants(output, profile);
        Accelerators(output, profile);
        Predictors(output, profile);
        foreach ((string model, CostCheck check) in checks)
        {
            output.WriteLine($"{model}: predicted {Numbers.Ms(check.ByStep.PredictedUs / 1000)} ms, measured {Numbers.Ms(check.ByStep.MeasuredUs / 1000)} ms in steps, the CPU's on one worker");
            Tables.Print(output, ["", ">count", ">learned", ">predicted ms", ">measured ms", ">MAPE", ">by time", ">median ratio", ">off by over 2x"],
                [CheckRow("steps", check.ByStep), CheckRow("branches", check.ByBranch), .. check.ByKind.Select(c => CheckRow(c.Kind, c.Summary))]);
            output.WriteLine();
        }
        if (result.Sampling.Left > 0) output.WriteLine($"{result.Sampling.Left} of {result.Sampling.Problems} problems are left: calibrate again goes on");
        output.WriteLine($"the profile is in {path}, the measurements in {MeasurementLog.PathFor(path)}");
    }

    private static void Constants(TextWriter output, DeviceProfile profile)
    {
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

        string[] Row(string name, ClassRate measured, ClassRate known, string unit) =>
            [name, Numbers.Fixed(measured.UnitsPerSecond / 1e9, 2), Numbers.Fixed(known.UnitsPerSecond / 1e9, 2), unit, Numbers.Fixed(measured.SpeedupOf(profile.Workers), 2)];
    }

    private static void Accelerators(TextWriter output, DeviceProfile profile)
    {
        if (profile.Accelerators.IsEmpty) return;
        Tables.Print(output, ["device", ">dispatch us", ">handing over us", ">a further launch us", ">GMAC/s", ">transfer GB/s", ">units", ">tuned work-groups", "which"], profile.Accelerators.Select(a => (string[])
            [a.Name, Numbers.Fixed(a.LatencyUs), a.Sync is { } sync ? Numbers.Fixed(sync.DispatchUs) : "", a.Sync is { LaunchUs: var launchUs } ? Numbers.Fixed(launchUs, 2) : "", Numbers.Fixed(a.MacsPerSecond / 1e9, 2),
                a.Sync is { UsPerByte: 0 } ? "shared" : Numbers.Fixed(a.BytesPerSecond / 1e9, 2), $"{a.Units}", $"{a.WorkGroups.Length}", a.Device ?? ""]));
        output.WriteLine();
        WorkGroups(output, profile);
    }

    /// <summary>The speed-ups are those of the operators that were timed.</summary>
    private static void WorkGroups(TextWriter output, DeviceProfile profile)
    {
        (string Device, TunedWorkGroup Entry)[] all = [.. profile.Accelerators.SelectMany(a => a.WorkGroups.Select(g => (a.Name, g)))];
        if (all.Length == 0) return;
        Tables.Print(output, ["device", "kernel", ">items up to", ">work-group", ">speed-up"], all.Select(g => (string[])
            [g.Device, g.Entry.Kernel, $"{g.Entry.GridX} x {g.Entry.GridY} x {g.Entry.GridZ}", $"{g.Entry.X} x {g.Entry.Y} x {g.Entry.Z}", Numbers.Fixed(g.Entry.Speedup, 2)]));
        output.WriteLine();
    }

    /// <summary>The errors are those on problems that were kept apart.</summary>
    private static void Predictors(TextWriter output, DeviceProfile profile)
    {
        (string Device, LatencyPredictor Predictor)[] all =
            [.. profile.Cpu.Predictors.Select(p => (Placement.Cpu, p)), .. profile.Accelerators.SelectMany(a => a.Predictors.Select(p => (a.Name, p)))];
        if (all.Length == 0) return;
        Tables.Print(output, ["device", "predictor", ">samples", ">held out", ">MAPE", ">90 % within", ">of the constants"], all.Select(p => (string[])
            [p.Device, p.Predictor.Kind.ToString(), $"{p.Predictor.Accuracy.Samples}", $"{p.Predictor.Accuracy.HeldOut}", Percent(p.Predictor.Accuracy.Mape), Percent(p.Predictor.Accuracy.P90), Percent(p.Predictor.Accuracy.AssumedMape)]));
        output.WriteLine();
    }

    private static string[] CheckRow(string name, CheckSummary s) =>
        [name, $"{s.Count}", $"{s.Learned}", Numbers.Ms(s.PredictedUs / 1000), Numbers.Ms(s.MeasuredUs / 1000), Percent(s.Mape), Percent(s.MeanError), Numbers.Fixed(s.MedianRatio, 2), Percent(s.FarShare)];

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:F0} %");
}
