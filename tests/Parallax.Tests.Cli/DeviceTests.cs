using System.Diagnostics;
using System.Text.Json;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Suite;
using Parallax.Tests.OpenCL;
using Xunit;

namespace Parallax.Tests.Cli;

/// <summary><c>--device</c>: work on OpenCL devices, and calls where there is none.</summary>
public sealed class DeviceTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Model => folder.Write("model.onnx", new ModelBuilder().Input("x", DType.Float32, 8, 8)
        .Node("MatMul", ["x", "x"], ["m"]).Node("Softmax", ["m"], ["s"]).Node("Add", ["s", "x"], ["y"]).Output("y").Build());

    [ClTheory]
    [InlineData("opencl", "atomics")]
    [InlineData("opencl", "fine")]
    [InlineData("opencl:0", "copied")]
    [InlineData("auto", "copied")]
    public void Runs_give_what_the_CPU_gives(string device, string sharing)
    {
        Assert.Equal(0, CliRun.Of("run", Model, "--output", folder["expected"]).Code);
        CliRun run = CliRun.Of("run", Model, "--device", device, "--opencl-sharing", sharing, "--expect", folder["expected"], "--json");
        Assert.Equal((0, ""), (run.Code, run.Error));
        JsonElement json = JsonDocument.Parse(run.Output).RootElement;
        Assert.Equal(["cpu", "opencl"], json.GetProperty("devices").EnumerateArray().Select(d => d.GetString()));
        Assert.Empty(json.GetProperty("warnings").EnumerateArray());
    }

    [ClFact]
    public void The_CPU_the_device_split_layers_and_the_plan_of_both_are_measured_side_by_side()
    {
        CliRun run = CliRun.Of("bench", Model, "--side-by-side", "devices", "--device", "opencl", "--warmup", "0", "--runs", "1", "--json");
        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Equal(["cpu", "device", "split", "each", "joint"], JsonDocument.Parse(run.Output).RootElement.EnumerateArray().Select(r => r.GetProperty("way").GetString()));
    }

    [ClFact]
    public void Calibrate_measures_a_device_and_plans_go_by_what_was_measured()
    {
        CliRun run = CliRun.Of("calibrate", "--device", "opencl", "--quick", "--seconds", "0.05", "--threads", "1", "--output", folder["p.json"], "--verify", Model, "--json");
        Assert.Equal((0, ""), (run.Code, run.Error));
        AcceleratorModel measured = Assert.Single(DeviceProfile.FromJson(File.ReadAllText(folder["p.json"])).Accelerators);
        Assert.Equal(("opencl", 1, 0L), (measured.Name, measured.MinNodes, measured.MinMacs));
        Assert.True(measured.LatencyUs > 0 && measured.MacsPerSecond > 0 && measured.Sync is not null);
        Assert.Contains("\"workGroups\":", File.ReadAllText(folder["p.json"]));
        Assert.Contains("\"device\":\"opencl: ", File.ReadAllText(folder["p.measurements.jsonl"]));
        JsonElement[] checks = [.. JsonDocument.Parse(run.Output).RootElement.GetProperty("verify").EnumerateArray()];
        Assert.Equal(2, checks.Length);
        Assert.Equal("regions on opencl", Assert.Single(checks[1].GetProperty("classes").EnumerateObject()).Name);

        JsonElement plan = JsonDocument.Parse(CliRun.Of("inspect", Model, "--device", "auto", "--device-profile", folder["p.json"], "--json").Output).RootElement;
        Assert.StartsWith("measured", Assert.Single(plan.GetProperty("devices").EnumerateArray()).GetProperty("costs").GetString());
        Assert.All(plan.GetProperty("branches").EnumerateArray(), b => Assert.Equal("cpu", b.GetProperty("device").GetString())); // so small a region never pays for a dispatch

        Assert.Equal(0, CliRun.Of("calibrate", "--quick", "--seconds", "0.05", "--threads", "1", "--output", folder["p.json"]).Code);
        Assert.Equal(measured.LatencyUs, Assert.Single(DeviceProfile.FromJson(File.ReadAllText(folder["p.json"])).Accelerators).LatencyUs); // a call without the device keeps it
    }

    [ClFact]
    public void Tuned_work_groups_of_earlier_calls_are_kept_and_shown()
    {
        string[] call = ["calibrate", "--quick", "--seconds", "0.05", "--threads", "1", "--output", folder["p.json"]];
        Assert.Equal(0, CliRun.Of([.. call, "--device", "opencl"]).Code);
        string log = folder["p.measurements.jsonl"];
        TunedWorkGroup entry = new("gemm_8x48", 256, 16, 1, 1, 8, 2, 250, 200);
        File.WriteAllLines(log, [.. File.ReadAllLines(log).Select(l => Measurement.FromLine(l) is { Accelerator: { } measured } ? new Measurement(Accelerator: measured with { WorkGroups = [entry] }).ToLine() : l)]);
        CliRun again = CliRun.Of([.. call, "--device", "opencl"]);
        Assert.Equal((0, ""), (again.Code, again.Error));
        foreach (string word in (string[])["tuned work-groups", "gemm_8x48", "256 x 16 x 1", "1 x 8 x 2", "1.25"]) Assert.Contains(word, again.Output);
        Assert.Equal(entry, Assert.Single(Assert.Single(DeviceProfile.FromJson(File.ReadAllText(folder["p.json"])).Accelerators).WorkGroups));
        Assert.Contains("tuned work-groups: 1", CliRun.Of("inspect", Model, "--device", "opencl", "--device-profile", folder["p.json"]).Output);
    }

    [ClFact]
    public void Plans_show_what_runs_where()
    {
        JsonElement all = Inspect("--device", "opencl"), some = Inspect("--device", "opencl", "--exclude", "MatMul"), none = Inspect("--exclude", "MatMul");
        Assert.Equal(["opencl"], Devices(all));
        Assert.Equal(["cpu", "opencl"], Devices(some));
        Assert.Equal(["cpu"], Devices(none));
        JsonElement device = Assert.Single(all.GetProperty("devices").EnumerateArray());
        Assert.Equal("opencl", device.GetProperty("name").GetString());
        Assert.All(all.GetProperty("branches").EnumerateArray(), b => Assert.NotEmpty(b.GetProperty("kernels").EnumerateArray()));
        Assert.All(none.GetProperty("branches").EnumerateArray(), b => Assert.Equal(JsonValueKind.Null, b.GetProperty("kernels").ValueKind));
        Assert.Equal(0, CliRun.Of("inspect", Model, "--device", "opencl", "--html", folder["plan.html"]).Code);
        string page = File.ReadAllText(folder["plan.html"]), kernel = all.GetProperty("branches")[0].GetProperty("kernels")[0].GetString()!;
        Assert.Contains(kernel, page);
        Assert.Contains(kernel, CliRun.Of("inspect", Model, "--device", "opencl").Output);
        CliRun.Refused(["inspect", Model, "--device", "opencl", "--exclude", "nobody"], "nobody");

        JsonElement Inspect(params string[] options) => JsonDocument.Parse(CliRun.Of(["inspect", Model, "--json", .. options]).Output).RootElement;

        static string[] Devices(JsonElement plan) => [.. plan.GetProperty("branches").EnumerateArray().Select(b => b.GetProperty("device").GetString()!).Distinct().Order()];
    }

    [ClFact]
    public void Other_commands_take_the_device()
    {
        CliRun bench = CliRun.Of("bench", Model, "--device", "opencl", "--warmup", "1", "--runs", "2", "--json"), profile = CliRun.Of("profile", Model, "--device", "opencl");
        Assert.Equal((0, "", 0, ""), (bench.Code, bench.Error, profile.Code, profile.Error));
        Assert.Equal(["cpu", "opencl"], JsonDocument.Parse(bench.Output).RootElement[0].GetProperty("devices").EnumerateArray().Select(d => d.GetString()));
        Assert.Contains("opencl", profile.Output);
        CliRun.Refused(["run", Model, "--device", "opencl:99"], "opencl:N", "'99'");
        CliRun.Refused(["run", Model, "--device", "opencl", "--opencl-sharing", "magic"], "--opencl-sharing", "atomics, fine, copied");
    }

    [ClFact]
    public void Layers_are_split()
    {
        string model = folder.Write("layers.onnx", SplitNetwork.Build());
        Assert.Equal(0, CliRun.Of("run", model, "--output", folder["expected"]).Code);
        CliRun run = CliRun.Of("run", model, "--device", "auto", "--split", "0.5", "--expect", folder["expected"]);
        Assert.Equal((0, ""), (run.Code, run.Error));
        JsonElement plan = JsonDocument.Parse(CliRun.Of("inspect", model, "--device", "auto", "--split", "gram=0.3", "--split", "Conv=0.6", "--json").Output).RootElement;
        JsonElement[] split = [.. plan.GetProperty("branches").EnumerateArray().Where(b => b.GetProperty("device").GetString() == "cpu+opencl").Select(b => b.GetProperty("split"))];
        Assert.Equal(6, split.Length);
        Assert.All(split, s => Assert.InRange(s.GetProperty("cut").GetInt64(), 1, s.GetProperty("extent").GetInt64() - 1));
        Assert.All(split, s => Assert.Equal("Channels", s.GetProperty("axis").GetString()));
        plan = JsonDocument.Parse(CliRun.Of("inspect", model, "--device", "auto", "--split", "MatMul=0.3:rows", "--json").Output).RootElement;
        Assert.Equal(["Rows", "Rows"], plan.GetProperty("branches").EnumerateArray().Where(b => b.TryGetProperty("split", out JsonElement s) && s.ValueKind == JsonValueKind.Object).Select(b => b.GetProperty("split").GetProperty("axis").GetString()));
        Assert.Contains("rows ", CliRun.Of("inspect", model, "--device", "auto", "--split", "0.3:rows").Output);
        Assert.Contains("compute together: 8", CliRun.Of("inspect", model, "--device", "auto", "--split", "0.5").Output);
        CliRun profile = CliRun.Of("profile", model, "--device", "auto", "--split", "0.5", "--runs", "1", "--json");
        Assert.Equal(8, JsonDocument.Parse(profile.Output).RootElement.GetProperty("steps").EnumerateArray().Count(s => s.TryGetProperty("waitMs", out _)));
        Assert.Equal(0, CliRun.Of("bench", model, "--device", "auto", "--split", "0.5", "--warmup", "1", "--runs", "2").Code);
        CliRun.Refused(["run", model, "--split", "0.5"], "--split", "--device opencl");
        CliRun.Refused(["run", model, "--device", "auto", "--split", "much"], "--split", "'much'");
        CliRun.Refused(["run", model, "--device", "auto", "--split", "0.5:columns"], "--split", "'0.5:columns'");
        CliRun.Refused(["run", model, "--device", "auto", "--split", "1"], "between 0 and 1");
        CliRun.Refused(["run", model, "--device", "auto", "--split", "nobody=0.5"], "nobody");
    }

    [ClFact]
    public void Devices_are_measured()
    {
        JsonElement device = JsonDocument.Parse(CliRun.Of("devices", "--json").Output).RootElement.GetProperty("opencl")[0];
        foreach (string time in (string[])["launchUs", "batchedLaunchUs", "pollUs", "eventUs"]) Assert.True(device.GetProperty(time).GetDouble() > 0, time);
        Assert.Contains(device.GetProperty("sharing").GetString(), (string[])["atomics", "fine", "copied"]);
        Assert.True(device.GetProperty("tunedWorkGroups").GetInt32() >= 0);
        string text = CliRun.Of("devices").Output;
        Assert.Contains("opencl:0 ", text);
        Assert.Contains(device.GetProperty("half").GetBoolean() ? "half    yes" : $"half    no: {device.GetProperty("whyNotHalf").GetString()}", text);
    }

    [ClFact]
    public void Plans_say_what_products_are_computed_in()
    {
        string[] half = ["inspect", Model, "--device", "opencl", "--precision", "half"];
        JsonElement[] sides = [.. JsonDocument.Parse(CliRun.Of([.. half, "--json"]).Output).RootElement.GetProperty("arithmetic").EnumerateArray()];
        Assert.Equal(["cpu", "opencl"], sides.Select(s => s.GetProperty("device").GetString()));
        Assert.Equal("float32", sides[0].GetProperty("type").GetString());
        string text = CliRun.Of(half).Output;
        foreach (JsonElement side in sides) Assert.Contains($"products on {side.GetProperty("device").GetString()} in {side.GetProperty("type").GetString()}: {side.GetProperty("why").GetString()}", text);
        Assert.DoesNotContain("products on", CliRun.Of("inspect", Model, "--device", "opencl", "--precision", "compact").Output);
        Assert.Contains("products on cpu in float32", CliRun.Of("inspect", Model, "--precision", "half").Output);
    }

    [ClFact("onnx-backend-tests", "node")]
    public void Conformance_runs_on_the_device()
    {
        CliRun run = CliRun.Of("conformance", SharedData.Path("onnx-backend-tests", "node")!, "--filter", "test_softmax*", "--device", "opencl");
        Assert.Matches(@"^\d+ passed, 0 failed, 0 skipped\s*$", run.Output);
    }

    [Fact]
    public void Without_a_device_opencl_is_refused_and_auto_is_the_CPU()
    {
        string model = Model;
        (int code, string output, string error) = Elsewhere("run", model, "--device", "opencl");
        Assert.Equal((2, "", "parallax: --device opencl: there is no OpenCL device on this machine"), (code, output, error.TrimEnd()));
        (code, output, error) = Elsewhere("run", model, "--device", "auto");
        Assert.Equal((0, CliRun.Of("run", model).Output, ""), (code, output, error));
        Assert.Contains("opencl  no device", Elsewhere("devices").Output);
    }

    /// <summary>Runs a command line in a process that finds no loader of OpenCL.</summary>
    private static (int Code, string Output, string Error) Elsewhere(params string[] args)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["exec", Path.Combine(AppContext.BaseDirectory, "parallax.dll"), .. args]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PARALLAX_OPENCL_LIB"] = "/no/such/loader.so";
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
