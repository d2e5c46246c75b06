using System.Text.Json;
using Parallax.Cli.Measuring;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cli;

/// <summary>Calibration, profiles in use, policies, and energy. Nothing here looks at a time.</summary>
public sealed class CalibrateTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Model() => folder.Write("relu.onnx", new ModelBuilder().Input("a", DType.Float32, 4, 8).Node("MatMul", ["a", "a2"], ["p"]).Input("a2", DType.Float32, 8, 8)
        .Node("Sigmoid", ["p"], ["y"]).Output("y").Build());

    [Fact]
    public void Calibrate_writes_a_profile_that_sessions_take()
    {
        string path = folder["deep/profile.json"];
        CliRun run = CliRun.Of("calibrate", "--seconds", "0.2", "--threads", "2", "--output", path, "--verify", Model(), "--json");
        Assert.Equal(0, run.Code); // standard error may say that the machine is busy
        JsonElement json = JsonDocument.Parse(run.Output).RootElement;
        Assert.Equal(path, json.GetProperty("path").GetString());
        Assert.Equal(1, json.GetProperty("verify")[0].GetProperty("steps").GetProperty("count").GetInt32());
        Assert.Equal([folder["deep/profile.json"], folder["deep/profile.measurements.jsonl"]], Directory.EnumerateFiles(folder["deep"]).Order()); // nothing half-written is left
        DeviceProfile profile = DeviceProfile.FromJson(File.ReadAllText(path));
        Assert.Equal((DeviceProfiles.Machine, 2), (profile.Machine, profile.Workers));
        foreach (OpClass opClass in Enum.GetValues<OpClass>().Except([OpClass.View, OpClass.ControlFlow]))
        {
            Assert.True(profile.Cpu.Rates[opClass].UnitsPerSecond > 0);
            Assert.Equal(2, profile.Cpu.Rates[opClass].Speedup.Length);
            Assert.Equal(1, profile.Cpu.Rates[opClass].Speedup[0]);
        }
        using var session = new InferenceSession(Model(), new SessionOptions { DeviceProfile = path });
        Assert.Equal((path, "measured on this machine"), (session.DeviceProfile.Path, session.DeviceProfile.Note));
        Assert.Equal(profile.ToJson(), session.DeviceProfile.Profile.ToJson());
        Assert.Equal(0, CliRun.Of("run", Model(), "--device-profile", path, "--policy", "efficiency").Code);
    }

    [Fact]
    public void Calibrate_prints_the_constants_beside_the_assumed_ones()
    {
        CliRun run = CliRun.Of("calibrate", "--seconds", "0.05", "--threads", "1", "--output", folder["p.json"]);
        Assert.Equal((0, ""), (run.Code, run.Error));
        foreach (string word in (string[])["measured", "assumed", "Dense", "Depthwise", "Memory", "start of a branch", folder["p.json"]]) Assert.Contains(word, run.Output);
    }

    [Fact]
    public void What_was_measured_is_kept_for_later_calls_until_it_is_to_be_forgotten()
    {
        string[] call = ["calibrate", "--quick", "--seconds", "0.05", "--threads", "1", "--output", folder["p.json"], "--json"];
        int left = Left(CliRun.Of([.. call, "--model", Model()])), samples = Samples();
        Assert.Contains("MatMul", File.ReadAllText(folder["p.measurements.jsonl"]));
        Assert.True(samples > 0);
        string constants = Constants();
        Assert.InRange(Left(CliRun.Of(call)), 0, left - 1);
        Assert.Equal(constants, Constants());
        Assert.True(Samples() > samples);
        File.AppendAllText(folder["p.measurements.jsonl"], "{\"sample\":{\"dev"); // an interrupted write
        Assert.InRange(Left(CliRun.Of(call)), 0, left - 1);
        File.AppendAllText(folder["p.measurements.jsonl"], "not a measurement\n");
        CliRun.Refused(call, folder["p.measurements.jsonl"], "is no measurement", "--fresh");
        Left(CliRun.Of([.. call, "--fresh"]));

        int Samples() => File.ReadAllLines(folder["p.measurements.jsonl"]).Count(l => l.StartsWith("{\"sample\"", StringComparison.Ordinal));

        string Constants() => Assert.Single(File.ReadAllLines(folder["p.measurements.jsonl"]), l => l.StartsWith("{\"cpu\"", StringComparison.Ordinal));

        static int Left(CliRun run)
        {
            Assert.Equal((0, ""), (run.Code, run.Error));
            JsonElement json = JsonDocument.Parse(run.Output).RootElement;
            Assert.True(json.GetProperty("problems").GetInt32() > json.GetProperty("problemsLeft").GetInt32());
            return json.GetProperty("problemsLeft").GetInt32();
        }
    }

    [Fact]
    public void Inspect_says_what_each_time_was_predicted_by()
    {
        LatencyPredictor dense = PredictorTrainer.TrainKind([.. Enumerable.Range(1, 40).Select(i => new LatencySample("cpu", $"{i}",
            new StepWork(OpClass.Dense, 64 * i, 512 * i, Extents: new WorkShape(1, i, 8, 8)), 1, default, i))], 0, s => 1, new TreeOptions());
        File.WriteAllText(folder["p.json"], new DeviceProfile("any", 1, CostModel.Default with { Predictors = [dense] }, []).ToJson());
        string model = folder.Write("two.onnx", new ModelBuilder().Input("a", DType.Float32, 4, 8).Input("b", DType.Float32, 8, 8).Node("MatMul", ["a", "b"], ["p"]).Node("Softmax", ["p"], ["y"]).Output("y").Build());
        JsonElement branch = JsonDocument.Parse(CliRun.Of("inspect", model, "--device-profile", folder["p.json"], "--json").Output).RootElement.GetProperty("branches")[0];
        Assert.Equal(["Predictor", "Constants"], branch.GetProperty("prices").EnumerateArray().Select(p => p.GetProperty("by").GetString()));
        Assert.Contains("1 node by predictors, 1 node by constants", CliRun.Of("inspect", model, "--device-profile", folder["p.json"]).Output);
        Assert.Contains("0 nodes by predictors, 2 nodes by constants", CliRun.Of("inspect", model, "--device-profile", "none").Output);
    }

    [Fact]
    public void A_stop_leaves_no_profile()
    {
        CliRun run = CliRun.Of(new CancellationToken(canceled: true), "calibrate", "--seconds", "60", "--output", folder["p.json"]);
        Assert.Equal(1, run.Code);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Profiles_that_cannot_be_used_are_refused_in_one_line()
    {
        string model = Model();
        File.WriteAllText(folder["bad.json"], "{ \"machine\": ");
        CliRun.Refused(["run", model, "--device-profile", folder["bad.json"]], folder["bad.json"], "not a device profile");
        CliRun.Refused(["run", model, "--device-profile", folder["none.json"]], folder["none.json"], "no such device profile");
        CliRun.Refused(["run", model, "--device-profile", folder.Path], folder.Path, "is a folder");
        File.WriteAllText(folder["old.json"], new DeviceProfile("any", 1, CostModel.Default, []) { Version = 1 }.ToJson());
        CliRun.Refused(["run", model, "--device-profile", folder["old.json"]], folder["old.json"], "version 1", "makes it anew");
        CliRun.Refused(["run", model, "--policy", "speed"], "--policy", "latency or efficiency", "'speed'");
        CliRun.Refused(["run", model, "--precision", "double"], "--precision", "standard, strict, compact or half", "'double'");
        foreach (string precision in (string[])["standard", "strict", "compact", "half"]) Assert.Equal(0, CliRun.Of("run", model, "--precision", precision).Code);
        CliRun.Refused(["calibrate", "--seconds", "no", "--output", folder["p.json"]], "--seconds");
        CliRun.Refused(["calibrate", model, "--output", folder["p.json"]], "--verify");
        Assert.False(File.Exists(folder["p.json"]));
        Assert.Equal(0, CliRun.Of("run", model, "--device-profile", "none").Code);
    }

    [Fact]
    public void A_named_profile_of_another_machine_is_taken_and_says_so()
    {
        File.WriteAllText(folder["other.json"], new DeviceProfile("other", 2, CostModel.Default with { ForkUs = 7 }, []).ToJson());
        LoadedProfile loaded = DeviceProfiles.Load(folder["other.json"]);
        Assert.Equal((7, "measured on another machine: other"), (loaded.Profile.Cpu.ForkUs, loaded.Note));
        File.WriteAllText(folder["other.json"], new DeviceProfile("other", 2, CostModel.Default with { ForkUs = 8 }, []).ToJson());
        File.SetLastWriteTimeUtc(folder["other.json"], DateTime.UtcNow.AddSeconds(5));
        Assert.Equal(8, DeviceProfiles.Load(folder["other.json"]).Profile.Cpu.ForkUs);
        Assert.Null(DeviceProfiles.Load(DeviceProfiles.None).Path);
    }

    [Fact]
    public void Energy_is_read_from_package_counters()
    {
        Directory.CreateDirectory(folder["class/powercap/intel-rapl:0/intel-rapl:0:0"]);
        Directory.CreateDirectory(folder["class/powercap/intel-rapl:1"]);
        Set("intel-rapl:0", "max_energy_range_uj", 10_000_000);
        Set("intel-rapl:1", "max_energy_range_uj", 10_000_000);
        Set("intel-rapl:0/intel-rapl:0:0", "energy_uj", 5);
        Set("intel-rapl:0", "energy_uj", 1_000_000);
        Set("intel-rapl:1", "energy_uj", 9_000_000);
        var meter = new EnergyMeter(folder.Path);
        Assert.True(meter.Start());
        Set("intel-rapl:0", "energy_uj", 3_000_000);
        Set("intel-rapl:1", "energy_uj", 1_000_000); // has begun anew
        Assert.Equal(4, meter.Joules()!.Value, 6);
        File.Delete(folder["class/powercap/intel-rapl:1/energy_uj"]);
        Assert.Null(meter.Joules());

        void Set(string zone, string file, long value) => File.WriteAllText(folder[$"class/powercap/{zone}/{file}"], $"{value}\n");
    }

    [Fact]
    public void Energy_is_read_from_a_battery_or_not_at_all()
    {
        Assert.False(new EnergyMeter(folder.Path).Start());
        Assert.Null(new EnergyMeter(folder.Path).Joules());
        Directory.CreateDirectory(folder["class/power_supply/BAT0"]);
        File.WriteAllText(folder["class/power_supply/BAT0/energy_now"], "50000000");
        var meter = new EnergyMeter(folder.Path);
        Assert.True(meter.Start());
        Assert.Null(meter.Joules());
        File.WriteAllText(folder["class/power_supply/BAT0/energy_now"], "49999000");
        Assert.Equal(3.6, meter.Joules()!.Value, 6);
    }

    [Fact]
    public void Bench_tells_energy_as_a_number_or_null()
    {
        JsonElement bench = JsonDocument.Parse(CliRun.Of("bench", Model(), "--warmup", "0", "--runs", "1", "--json").Output).RootElement[0];
        Assert.True(bench.GetProperty("joulesPerRun").ValueKind is JsonValueKind.Number or JsonValueKind.Null);
        Assert.Equal(JsonValueKind.Number, bench.GetProperty("cpuMsPerRun").ValueKind);
    }
}
