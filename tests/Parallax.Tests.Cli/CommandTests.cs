using System.Text.Json;
using Parallax.Onnx;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cli;

/// <summary>The commands on small models: what they print, write and compare.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>y = a + b, with a name that is no file name.</summary>
    private string Sum() => folder.Write("sum.onnx", new ModelBuilder().Input("a", DType.Float32, "n", 3).Input("in/b:0", DType.Float32, "n", 3)
        .Node("Add", ["a", "in/b:0"], ["out/y:0"]).Output("out/y:0").Build());

    private string[] SumArguments(params string[] more) =>
    [
        "run", Sum(), "--input", $"a={folder.Write("a.npy", Tensor.From([1f, 2, 3], [1, 3]))}",
        "--input", $"in_b_0={folder.Write("b.npy", Tensor.From([10f, 20, 30], [1, 3]))}", .. more,
    ];

    [Fact]
    public void Run_shows_name_type_shape_and_range()
    {
        CliRun run = CliRun.Of(SumArguments());
        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Matches(@"^output +type +shape +min +max +mean\s+out/y:0 +Float32 +\[1x3\] +11 +33 +22\s*$", run.Output);
    }

    [Fact]
    public void Run_writes_outputs_and_compares_with_them()
    {
        Assert.Equal(0, CliRun.Of(SumArguments("--output", folder["out"])).Code);
        Assert.Equal(["out_y_0.npy"], Directory.EnumerateFiles(folder["out"]).Select(Path.GetFileName));
        Assert.Equal([11f, 22f, 33f], Npy.Read(folder["out/out_y_0.npy"]).Span<float>().ToArray());
        Assert.Equal(0, CliRun.Of(SumArguments("--expect", folder["out"])).Code);
        Npy.Write(folder["out/out_y_0.npy"], Tensor.From([11f, 22.1f, 35f], [1, 3]));
        CliRun wrong = CliRun.Of(SumArguments("--expect", folder["out"]));
        Assert.Equal(1, wrong.Code);
        Assert.Contains("output 'out/y:0' is not as expected (atol 0.0001, rtol 0.001): 2 of 3 elements differ; worst at 2: expected 35, got 33", wrong.Error);
        Assert.Equal(0, CliRun.Of(SumArguments("--expect", folder["out"], "--atol", "2.5")).Code);
        Assert.Equal(0, CliRun.Of(SumArguments("--expect", folder["out"], "--rtol", "0.1")).Code);
    }

    [Fact]
    public void Inputs_may_be_pb_files()
    {
        DatumFile.Write(Tensor.From([1f, 1, 1], [1, 3]), folder["a.pb"]);
        CliRun run = CliRun.Of("run", Sum(), "--input", $"a={folder["a.pb"]}", "--input", $"in/b:0={folder["a.pb"]}", "--json");
        Assert.Equal(2, JsonDocument.Parse(run.Output).RootElement.GetProperty("outputs")[0].GetProperty("max").GetDouble());
    }

    [Fact]
    public void What_is_not_given_comes_from_the_seed()
    {
        string model = folder.Write("mixed.onnx", new ModelBuilder().Input("f", DType.Float32, "n").Input("h", DType.Float16, "n").Input("i", DType.Int64, "n").Input("b", DType.Bool, "n")
            .Node("Identity", ["f"], ["f2"]).Node("Identity", ["h"], ["h2"]).Node("Identity", ["i"], ["i2"]).Node("Identity", ["b"], ["b2"])
            .Output("f2").Output("h2").Output("i2").Output("b2").Build());
        foreach ((string seed, string to) in new[] { ("1", "x"), ("1", "y"), ("2", "z") })
            Assert.Equal(0, CliRun.Of("run", model, "--dim", "n=1000", "--seed", seed, "--output", folder[to]).Code);
        float[] values = Npy.Read(folder["x/f2.npy"]).Span<float>().ToArray();
        Assert.All(values, v => Assert.InRange(v, 0, 0.99999999));
        Assert.InRange(values.Average(), 0.45, 0.55);
        Assert.True(Npy.Read(folder["x/h2.npy"]).Span<Half>().ToArray().All(v => v >= (Half)0 && v < (Half)1));
        Assert.Equal([0L, 1L], Npy.Read(folder["x/i2.npy"]).Span<long>().ToArray().Distinct().Order());
        Assert.Equal(2, Npy.Read(folder["x/b2.npy"]).Span<bool>().ToArray().Distinct().Count());
        foreach (string name in new[] { "f2", "h2", "i2", "b2" })
        {
            byte[] first = File.ReadAllBytes(folder[$"x/{name}.npy"]);
            Assert.Equal(first, File.ReadAllBytes(folder[$"y/{name}.npy"]));
            Assert.NotEqual(first, File.ReadAllBytes(folder[$"z/{name}.npy"]));
        }
    }

    [Fact]
    public void A_shape_binds_the_dimension_for_all_inputs()
    {
        CliRun run = CliRun.Of("run", Sum(), "--shape", "in_b_0=4x3", "--json");
        Assert.Equal([4, 3], JsonDocument.Parse(run.Output).RootElement.GetProperty("outputs")[0].GetProperty("shape").EnumerateArray().Select(d => d.GetInt32()));
    }

    [Fact]
    public void Sequences_and_strings_are_shown()
    {
        string model = folder.Write("sequence.onnx", new ModelBuilder().Input("a", DType.Float32, 2).Constant("s", Tensor.FromStrings(["cat", "dog"], [2]))
            .Node("SequenceConstruct", ["a", "a"], ["q"]).Node("Identity", ["s"], ["t"]).Output("q").Output("t").Build());
        CliRun run = CliRun.Of("run", model, "--output", folder["out"]);
        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Contains("sequence of 2", run.Output);
        Assert.Contains("q[1]", run.Output);
        Assert.Contains("\"cat\", \"dog\"", run.Output);
        Assert.Equal(["q_0.npy", "q_1.npy", "t.npy"], Directory.EnumerateFiles(folder["out"]).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_budget_below_the_arena_fails()
    {
        string model = folder.Write("chain.onnx", new ModelBuilder().Input("x", DType.Float32, "n").Node("Exp", ["x"], ["p"]).Node("Sin", ["p"], ["q"]).Output("q").Build());
        CliRun run = CliRun.Of("run", model, "--dim", "n=100000", "--memory-budget", "64KiB");
        Assert.Equal(1, run.Code);
        Assert.Single(run.Error.TrimEnd().Split('\n'));
        Assert.Contains("budget", run.Error);
        Assert.Equal(0, CliRun.Of("run", model, "--dim", "n=100000", "--memory-budget", "64MiB").Code);
        Assert.Equal(0, CliRun.Of("run", model, "--dim", "n=100000", "--memory-budget", "auto", "--margin", "0.4").Code);
    }

    [Fact]
    public void Bench_writes_every_key()
    {
        string model = folder.Write("net.onnx", new ModelBuilder().Input("x", DType.Float32, 64, 64).Constant("w", Tensor.From(new float[64 * 64], [64, 64]))
            .Node("MatMul", ["x", "w"], ["p"]).Node("Exp", ["p"], ["q"]).Node("Softmax", ["q"], ["y"]).Output("y").Build());
        CliRun run = CliRun.Of("bench", model, "--runs", "3", "--warmup", "1", "--threads", "1", "--json");
        Assert.Equal((0, ""), (run.Code, run.Error));
        JsonElement result = JsonDocument.Parse(run.Output).RootElement[0];
        string[] keys = ["model", "threads", "mode", "loadMs", "firstRunMs", "minMs", "p50Ms", "p90Ms", "p99Ms", "maxMs", "meanMs", "macs", "gflops", "arenaBytes",
            "arenaBytesNoReuse", "arenaBytesLowerBound", "weightBytes", "peakRssBytes", "allocatedBytesPerRun", "cpuMsPerRun", "joulesPerRun", "baselines", "devices", "splits", "warnings"];
        Assert.Equal(keys, result.EnumerateObject().Select(p => p.Name));
        long Number(string key) => result.GetProperty(key).GetInt64();
        Assert.InRange(Number("macs"), 64 * 64 * 64, 64 * 64 * 64 + 3 * 64 * 64 * 64);
        Assert.InRange(Number("arenaBytesLowerBound"), 1, Number("arenaBytes"));
        Assert.InRange(Number("arenaBytes"), 1, Number("arenaBytesNoReuse"));
        Assert.Equal(4 * 64 * 64, Number("weightBytes"));
        Assert.Equal(1, Number("threads"));
        CliRun table = CliRun.Of("bench", model, "--runs", "1", "--warmup", "0", "--json", folder["bench.json"]);
        Assert.Contains("p50 ms", table.Output);
        Assert.Equal(JsonValueKind.Array, JsonDocument.Parse(File.ReadAllText(folder["bench.json"])).RootElement.ValueKind);
    }

    [PeerFact]
    public void Bench_measures_onnxruntime_beside()
    {
        string model = folder.Write("net.onnx", new ModelBuilder().Input("x", DType.Float32, 64, 64).Node("Softmax", ["x"], ["y"]).Output("y").Build());
        CliRun run = CliRun.Of("bench", model, "--runs", "7", "--warmup", "1", "--threads", "1", "--compare", "onnxruntime", "--json");
        Assert.Equal((0, ""), (run.Code, run.Error));
        JsonElement result = JsonDocument.Parse(run.Output).RootElement[0], baseline = result.GetProperty("baselines")[0];
        Assert.Equal(["name", "version", "p50Ms", "minMs", "loadMs", "peakRssBytes", "cpuMsPerRun", "ratioP50", "outputDifference"], baseline.EnumerateObject().Select(p => p.Name));
        Assert.Equal("onnxruntime", baseline.GetProperty("name").GetString());
        Assert.Equal(baseline.GetProperty("p50Ms").GetDouble() / result.GetProperty("p50Ms").GetDouble(), baseline.GetProperty("ratioP50").GetDouble(), 0.05);
        Assert.InRange(baseline.GetProperty("outputDifference").GetDouble(), 0, 1e-5);
        Assert.InRange(baseline.GetProperty("peakRssBytes").GetInt64(), 1 << 20, long.MaxValue);
    }

    [Fact]
    public void A_comparison_that_cannot_be_made_is_refused()
    {
        string model = Sum();
        CliRun.Refused(["bench", model, "--compare", "tensorflow"], "--compare", "onnxruntime", "tensorflow");
        CliRun.Refused(["bench", model, "--compare", "onnxruntime", "--ort-lib", folder["missing.so"]], "missing.so", "no such file");
        CliRun.Refused(["bench", model, "--compare", "onnxruntime", "--ort-lib", model, "--ablation"], "--compare", "--ablation");
        CliRun.Refused(["bench", model, "--dim", "n=1", "--compare", "onnxruntime", "--ort-lib", model, "--runs", "1"], Path.GetFileName(model), "cannot be loaded as ONNX Runtime");
    }

    [Fact]
    public void A_model_behind_json_is_not_overwritten()
    {
        string model = Sum();
        byte[] before = File.ReadAllBytes(model);
        CliRun run = CliRun.Of("bench", "--runs", "1", "--dim", "n=1", "--json", model);
        Assert.Equal(0, run.Code);
        Assert.Equal(JsonValueKind.Array, JsonDocument.Parse(run.Output).RootElement.ValueKind);
        Assert.Equal(before, File.ReadAllBytes(model));
    }

    [Fact]
    public void The_zoo_lists_and_exports()
    {
        CliRun list = CliRun.Of("zoo", "list");
        foreach (string name in new[] { "yolov8n", "whisper-tiny-encoder", "whisper-tiny-decoder", "swinv2-tiny", "clip-text", "distilbert" }) Assert.Contains(name, list.Output);
        Assert.Equal(0, CliRun.Of("zoo", "export", "yolov8n", folder["y.onnx"]).Code);
        Assert.Equal(["y.onnx"], Directory.EnumerateFiles(folder.Path).Select(Path.GetFileName));
        using var session = new InferenceSession(folder["y.onnx"]);
        Assert.Equal("images: Float32[1x3x640x640]", session.Inputs.Single().ToString());
    }

    [Fact]
    public void A_network_of_the_zoo_takes_another_size()
    {
        CliRun run = CliRun.Of("run", "zoo:yolov8n", "--dim", "height=64", "--dim", "width=64", "--json");
        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Equal([1, 84, 84], JsonDocument.Parse(run.Output).RootElement.GetProperty("outputs")[0].GetProperty("shape").EnumerateArray().Select(d => d.GetInt32()));
    }

    [Fact]
    public void Devices_are_described_in_json()
    {
        JsonElement cpu = JsonDocument.Parse(CliRun.Of("devices", "--json").Output).RootElement.GetProperty("cpu");
        Assert.InRange(cpu.GetProperty("physicalCores").GetInt32(), 1, Environment.ProcessorCount);
        Assert.True(cpu.GetProperty("peakGflopsOneCore").GetDouble() > 0);
        Assert.Contains(cpu.GetProperty("kernels").EnumerateArray(), k => k.GetProperty("inUse").GetBoolean());
    }

    [SharedFact("onnx-backend-tests", "node", "test_add")]
    public void Conformance_counts_and_filters()
    {
        string node = SharedData.Path("onnx-backend-tests", "node")!;
        CliRun run = CliRun.Of("conformance", node, "--filter", "test_add*");
        Assert.Matches(@"^\d+ passed, 0 failed, 0 skipped\s*$", run.Output);
        Assert.Equal(0, run.Code);
        JsonElement json = JsonDocument.Parse(CliRun.Of("conformance", node, "--filter", "test_add", "--json").Output).RootElement;
        Assert.Equal((1, "test_add"), (json.GetProperty("passed").GetInt32(), json.GetProperty("cases")[0].GetProperty("name").GetString()));
        CliRun.Refused(["conformance", node, "--filter", "nothing*"], "nothing*");
    }

    [SharedFact("models", "yolov8n", "model.onnx")]
    public void A_photograph_is_read_and_its_objects_are_named()
    {
        CliRun run = CliRun.Of("run", SharedData.Path("models", "yolov8n", "model.onnx")!, "--image", SharedData.Path("inputs", "bus.jpg")!, "--labels", "coco",
            "--expect", SharedData.Path("models", "yolov8n", "expected")!, "--json");
        Assert.Equal((0, ""), (run.Code, run.Error));
        JsonElement found = JsonDocument.Parse(run.Output).RootElement.GetProperty("detections");
        Assert.Equal(["person", "person", "person", "bus", "person"], found.EnumerateArray().Select(d => d.GetProperty("label").GetString()));
    }
}
