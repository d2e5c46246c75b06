using System.Text.Json;
using Xunit;

namespace Parallax.Tests.Cli;

public class ProfileTests
{
    [Fact]
    public void The_trace_has_an_event_per_step_and_run_with_the_documented_keys()
    {
        using var folder = new TemporaryFolder();
        CliRun run = CliRun.Of("profile", "zoo:whisper-tiny-decoder", "--dim", "tokens=4", "--dim", "batch=1", "--threads", "2", "--mode", "parallel", "--warmup", "0", "--runs", "2", "--trace", folder["trace.json"], "--json");
        Assert.Equal((0, ""), (run.Code, run.Error));
        JsonElement summary = JsonDocument.Parse(run.Output).RootElement;
        int steps = summary.GetProperty("steps").GetArrayLength();
        Assert.True(steps > 50);
        Assert.Equal(1, summary.GetProperty("operators").EnumerateArray().Sum(o => o.GetProperty("share").GetDouble()), 1e-2);

        JsonElement[] events = [.. JsonDocument.Parse(File.ReadAllBytes(folder["trace.json"])).RootElement.EnumerateArray()];
        JsonElement[] nodes = [.. events.Where(e => e.GetProperty("cat").GetString() == "Node")];
        Assert.Equal(2 * steps, nodes.Length);
        Assert.Equal(2, events.Count(e => e.GetProperty("cat").GetString() == "Session"));
        Assert.All(nodes, e =>
        {
            Assert.Equal("X", e.GetProperty("ph").GetString());
            Assert.EndsWith("_kernel_time", e.GetProperty("name").GetString());
            Assert.True(e.GetProperty("ts").GetDouble() >= 0 && e.GetProperty("dur").GetDouble() >= 0);
            Assert.True(e.GetProperty("pid").GetInt32() > 0);
            Assert.InRange(e.GetProperty("tid").GetInt32(), 0, 63);
            JsonElement args = e.GetProperty("args");
            foreach (string key in (string[])["op_name", "provider", "node_index", "thread"]) Assert.NotEqual("", args.GetProperty(key).GetString());
            Assert.True(args.GetProperty("output_type_shape").GetArrayLength() > 0);
        });
        JsonElement product = nodes.First(e => e.GetProperty("args").GetProperty("op_name").GetString() == "MatMul");
        Assert.Equal(JsonValueKind.Array, product.GetProperty("args").GetProperty("input_type_shape")[0].GetProperty("float").ValueKind);
    }

    [Fact]
    public void Steps_of_a_thread_do_not_overlap()
    {
        using var session = new InferenceSession(Toy(), new SessionOptions { Threads = 2, Mode = Planning.ScheduleMode.Parallel });
        RunProfile profile = session.Profile(runs: 3);
        Assert.Equal(3, profile.RunUs.Length);
        Assert.Equal(12, profile.Steps.Length);
        foreach (var thread in profile.Steps.GroupBy(s => s.Worker))
        {
            ProfiledStep[] order = [.. thread.OrderBy(s => s.StartUs)];
            for (int i = 1; i < order.Length; i++) Assert.True(order[i].StartUs >= order[i - 1].EndUs);
        }
        Assert.All(profile.Steps, s => Assert.InRange(s.StartUs, profile.RunUs[s.Run].StartUs, s.EndUs));
    }

    [Fact]
    public void Steps_of_a_body_are_told_from_the_operator_around_them()
    {
        Suite.ModelBuilder body = new Suite.ModelBuilder().Input("i", DType.Int64).Input("going", DType.Bool).Input("v", DType.Float32, 8, 8)
            .Node("Identity", ["going"], ["still"]).Node("MatMul", ["v", "v"], ["next"]).Output("still").Output("next");
        byte[] model = new Suite.ModelBuilder().Input("x", DType.Float32, 8, 8).Constant("trips", Tensor.From(new long[] { 5 }, []))
            .Node("Loop", ["trips", "", "x"], ["y"], new Onnx.AttributeProto("body", body.Graph())).Output("y").Build();
        using var session = new InferenceSession(model);
        RunProfile profile = session.Profile(runs: 2);
        StepTimes product = Assert.Single(profile.ByStep, s => s.Step.Operator == "MatMul"), loop = Assert.Single(profile.ByStep, s => s.Step.Operator == "Loop");
        Assert.Equal((5, 1), (product.Calls, loop.Calls));
        Assert.Equal(loop.Step.Path, product.Step.Body);
        double whole = profile.Steps.Where(s => s.Operator == "Loop").Max(s => s.Us);
        Assert.InRange(product.Us, 0, whole);
        Assert.InRange(loop.Us, 0, whole);
    }

    [Fact]
    public void A_table_names_the_operators() =>
        Assert.Matches("MatMul +\\d+ ", CliRun.Of("profile", "zoo:whisper-tiny-decoder", "--dim", "tokens=4", "--dim", "batch=1", "--runs", "1", "--warmup", "0").Output);

    private static byte[] Toy() => new Suite.ModelBuilder()
        .Input("x", DType.Float32, 8, 8)
        .Node("Exp", ["x"], ["a"])
        .Node("Tanh", ["a"], ["b"])
        .Node("MatMul", ["a", "a"], ["c"])
        .Node("Mul", ["b", "c"], ["y"])
        .Output("y")
        .Build();
}
