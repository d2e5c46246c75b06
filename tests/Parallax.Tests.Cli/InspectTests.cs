using System.Text.Json;
using System.Text.RegularExpressions;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cli;

public class InspectTests
{
    [Fact]
    public void The_json_has_the_documented_keys()
    {
        CliRun run = CliRun.Of("inspect", "zoo:yolov8n", "--cores", "4", "--accelerator", "snapdragon-8-gen-1", "--json");
        Assert.Equal((0, ""), (run.Code, run.Error));
        JsonElement root = JsonDocument.Parse(run.Output).RootElement;
        Assert.Equal("zoo:yolov8n", root.GetProperty("model").GetString());
        int nodes = root.GetProperty("nodes").GetInt32();
        Assert.Equal(nodes, Numbers(root.GetProperty("classes"), "sequential", "splitter", "merger", "splitMerge", "controlFlow").Sum());
        JsonElement[] branches = [.. root.GetProperty("branches").EnumerateArray()];
        Assert.Equal(nodes, branches.Sum(b => b.GetProperty("nodes").GetArrayLength()));
        Assert.All(branches, b =>
        {
            Assert.True(b.GetProperty("macs").GetInt64() >= 0 && b.GetProperty("peakBytes").GetInt64() >= 0);
            Assert.False(b.GetProperty("dynamic").GetBoolean());
            Assert.NotEqual("", b.GetProperty("device").GetString());
            Assert.NotEqual("", b.GetProperty("why").GetString());
        });
        Assert.Equal(branches.Select(b => b.GetProperty("id").GetInt32()).Order(), root.GetProperty("layers").EnumerateArray().SelectMany(l => l.EnumerateArray().Select(i => i.GetInt32())).Order());
        Assert.Equal(root.GetProperty("layers").EnumerateArray().Max(l => l.GetArrayLength()), root.GetProperty("maxBranches").GetInt32());
        Assert.True(root.GetProperty("parallelLayers").GetInt32() >= 0);
        JsonElement region = root.GetProperty("regions")[0];
        Assert.All(Numbers(region, "nodes", "macs", "boundaryBytes", "predictedCpuUs", "predictedOffloadUs"), n => Assert.True(n > 0));
        Assert.True(region.GetProperty("kept").GetBoolean());
        Assert.NotEqual("", region.GetProperty("why").GetString());
        double[] memory = Numbers(root.GetProperty("memory"), "lowerBoundBytes", "plannedBytes", "noReuseBytes");
        Assert.Equal(memory.Order(), memory);
        Assert.All(root.GetProperty("memory").GetProperty("ladder").EnumerateArray(), r => Assert.All(Numbers(r, "width", "bytes"), n => Assert.True(n > 0)));
        Assert.True(root.GetProperty("fusions").EnumerateObject().Sum(f => f.Value.GetInt32()) > 0);
    }

    [Fact]
    public void Joint_planning_shows_where_every_operator_is_and_what_else_was_considered()
    {
        CliRun json = CliRun.Of("inspect", "zoo:yolov8n", "--cores", "2", "--accelerator", "integrated-gpu", "--json"), text = CliRun.Of("inspect", "zoo:yolov8n", "--cores", "2", "--accelerator", "integrated-gpu");
        JsonElement joint = JsonDocument.Parse(json.Output).RootElement.GetProperty("joint");
        Assert.Equal("integrated-gpu", joint.GetProperty("device").GetString());
        Assert.All(Numbers(joint, "predictedUs", "cpuUs", "deviceUs", "eachForItselfUs", "jointUs"), n => Assert.True(n > 0));
        Assert.True(joint.GetProperty("predictedUs").GetDouble() <= Math.Min(joint.GetProperty("cpuUs").GetDouble(), joint.GetProperty("deviceUs").GetDouble()));
        Assert.All(joint.GetProperty("operators").EnumerateArray(), o => Assert.True(o.GetProperty("endUs").GetDouble() >= o.GetProperty("startUs").GetDouble()
            && o.GetProperty("name").GetString() != "" && o.GetProperty("why").GetString() != "" && o.GetProperty("side").GetString() is "Cpu" or "Device"));
        Assert.Contains(joint.GetProperty("why").GetString()!, text.Output);
        Assert.Contains("Shared with integrated-gpu", text.Output);
        Assert.Equal(JsonValueKind.Null, JsonDocument.Parse(CliRun.Of("inspect", "zoo:yolov8n", "--accelerator", "ideal", "--json").Output).RootElement.GetProperty("joint").ValueKind);
    }

    [Fact]
    public void More_cores_and_refused_regions_change_the_plan()
    {
        CliRun one = CliRun.Of("inspect", "zoo:yolov8n", "--cores", "1"), four = CliRun.Of("inspect", "zoo:yolov8n", "--cores", "4");
        Assert.Contains("sequential on 1 worker,", one.Output);
        Assert.Contains("on 4 workers", four.Output);
        CliRun small = CliRun.Of("inspect", "zoo:swinv2-tiny", "--accelerator", "snapdragon-8-gen-1");
        Assert.Matches("refused F = [0-9.E+]+ multiply-accumulates, at least 1E\\+9 are asked for", small.Output);
        Assert.Contains("6 dims, at most 4 are supported", small.Output);
    }

    [Fact]
    public void A_budget_that_no_plan_fits_fails_with_its_numbers()
    {
        CliRun run = CliRun.Of("inspect", "zoo:yolov8n", "--memory-budget", "1MiB");
        Assert.Equal(1, run.Code);
        Assert.Contains("the budget is 1048576", run.Error);
    }

    [Fact]
    public void Wrong_calls_are_refused()
    {
        CliRun.Refused(["inspect", "zoo:yolov8n", "--cores", "0"], "--cores", "0");
        CliRun.Refused(["inspect", "zoo:yolov8n", "--accelerator", "warp-drive"], "warp-drive", "snapdragon-8-gen-1");
    }

    [Fact]
    public void The_dump_of_a_small_plan_is_as_it_was()
    {
        byte[] model = new ModelBuilder()
            .Input("x", DType.Float32, 4, 64)
            .Node("Relu", ["x"], ["stem"])
            .Node("Exp", ["stem"], ["left"])
            .Node("Sigmoid", ["left"], ["left2"])
            .Node("Tanh", ["stem"], ["right"])
            .Node("Mul", ["left2", "right"], ["y"])
            .Output("y")
            .Build();
        using var session = new InferenceSession(model, new SessionOptions { Threads = 2, MemoryBudgetBytes = 1 << 20, DeviceProfile = DeviceProfiles.None });
        Assert.Equal(Golden.ReplaceLineEndings("\n"), Regex.Replace(session.Plan.Dump(), @"[\d.]+( \.\. [\d.]+)? us", "# us"));
    }

    [Fact]
    public void A_session_explains_its_own_accelerators_and_others()
    {
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 4, 64).Node("Exp", ["x"], ["a"]).Node("Tanh", ["a"], ["y"]).Output("y").Build();
        using var session = new InferenceSession(model, new SessionOptions { Threads = 2, Accelerators = [NullAccelerator.OfPreset("ideal")] });
        Assert.True(Assert.Single(session.Plan.Regions).Kept);
        Assert.Equal("ideal", Assert.Single(session.Plan.Branches).Device);
        Assert.Empty(session.Explain(new PlanOptions { Accelerators = [] }).Regions);
        PlanReport refused = session.Explain(new PlanOptions { Workers = 8, Accelerators = [NullAccelerator.OfPreset("snapdragon-8-gen-1")] });
        Assert.Equal("N = 2 operators, at least 3 are asked for", Assert.Single(refused.Regions).Why);
        Assert.Equal(8, refused.Schedule.Workers);
        Dictionary<string, Datum> inputs = new() { ["x"] = Tensor.From(new float[256], [4, 64]) };
        Assert.Equal(session.Plan.Dump(), session.Explain(inputs).Dump());
        Assert.Equal(refused.Dump(), session.Explain(inputs, new PlanOptions { Workers = 8, Accelerators = [NullAccelerator.OfPreset("snapdragon-8-gen-1")] }).Dump());
    }

    /// <summary>Times are left out: they change with the constants of the cost model.</summary>
    private const string Golden = """
        plan test: 5 nodes, 4 branches, 3 layers, 1 of them parallel, at most 2 branches
        classes: 3 sequential, 1 splitter, 1 merger, 0 split-merge, 0 control flow
        schedule: Sequential on 2 workers, # us; parallel is predicted to take # us, sequential # us
          Sequential width 1: # us, 3072 bytes
          Parallel width 2: # us, 3072 bytes
        memory: 3072 bytes; without reuse 3072, sequential 3072, lower bound 3072
          width 2: 3072 bytes, 0 control edges, # us; no control edges; size
          width 1: 3072 bytes, 1 control edges, # us; least memory first; size
        B0 layer 0: cpu, 256 macs, 1024 bytes, # us; the only backend
          # us on 2 workers
          stem: Relu relu_float32, # us by constants
        B1 layer 1 after B0: cpu, 512 macs, 2048 bytes, # us; the only backend
          # us on 2 workers
          left: Exp exp_float32, # us by constants
          left2: Sigmoid sigmoid_float32, # us by constants
        B2 layer 1 after B0: cpu, 256 macs, 1024 bytes, # us; the only backend
          # us on 2 workers
          right: Tanh tanh_float32, # us by constants
        B3 layer 2 after B1 B2: cpu, 256 macs, 1024 bytes, # us; the only backend
          # us on 2 workers
          y: Mul mul_float32, # us by constants

        """;

    private static double[] Numbers(JsonElement parent, params string[] keys) => [.. keys.Select(k => parent.GetProperty(k).GetDouble())];
}
