using System.Runtime.InteropServices;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>Regions on a device beside branches on the CPU. The device computes with the CPU's kernels, so every answer must have the same bits.</summary>
[Collection("workers")]
public sealed class BackendTests
{
    private static readonly Tensor Image = BranchyNetwork.Image(8, 24, 31);

    private static string? NoPools(Graphs.Node node) => node.Op.Name.Contains("Pool") ? "no pooling" : null;

    private static SessionOptions With(CpuDevice device) => new() { Threads = 2, Mode = ScheduleMode.Parallel, Backends = [device], OffloadAll = true };

    private static Dictionary<string, Datum> Given(Tensor image) => new() { ["x"] = image };

    private static byte[] Bytes(RunResult result) => [.. result.SelectMany(r => ((Tensor)r.Value).Bytes.ToArray())];

    private static byte[] Run(InferenceSession session, Tensor? image = null)
    {
        using RunResult result = session.Run(new() { ["x"] = image ?? Image });
        return Bytes(result);
    }

    private static byte[] OnCpu(byte[] model, Tensor? image = null)
    {
        using var session = new InferenceSession(model, new SessionOptions { Threads = 1 });
        return Run(session, image);
    }

    public static TheoryData<ScheduleMode, int, bool, ArenaCheck> Ways()
    {
        var ways = new TheoryData<ScheduleMode, int, bool, ArenaCheck>();
        foreach (ScheduleMode mode in new[] { ScheduleMode.Sequential, ScheduleMode.Layered, ScheduleMode.Parallel, ScheduleMode.Auto })
            foreach (int threads in new[] { 1, 3 })
                foreach (bool shares in new[] { true, false })
                    ways.Add(mode, threads, shares, shares ? ArenaCheck.Poisoned : ArenaCheck.Guarded);
        return ways;
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Regions_give_the_CPUs_bits(ScheduleMode mode, int threads, bool sharesMemory, ArenaCheck check)
    {
        for (int seed = 1; seed <= 3; seed++)
        {
            byte[] model = BranchyNetwork.Build(seed);
            using var device = new CpuDevice(sharesMemory: sharesMemory) { Refuses = NoPools };
            using (var session = new InferenceSession(model, With(device) with { Threads = threads, Mode = mode, ArenaCheck = check }))
            {
                byte[] expected = OnCpu(model);
                for (int run = 0; run < 5; run++) Assert.True(Run(session).AsSpan().SequenceEqual(expected), $"seed {seed}, run {run}");
                PlanReport plan = session.Explain(Given(Image));
                Assert.Empty(session.Warnings);
                Assert.Contains(plan.Branches, b => b is { Device: "device", MeasuredUs: > 0 });
                Assert.All(plan.Regions, r => Assert.True(r.Kept));
            }
            Assert.True(device.RegionRuns > 0);
            Assert.Equal(0, device.Live);
        }
    }

    [Fact]
    public void A_whole_network_may_be_one_region()
    {
        byte[] model = BranchyNetwork.Build(7);
        using var device = new CpuDevice();
        using var session = new InferenceSession(model, With(device) with { ArenaCheck = ArenaCheck.Poisoned });
        Assert.Equal(OnCpu(model), Run(session));
        Assert.Equal(1, device.RegionRuns);
    }

    [Fact]
    public void The_cost_model_decides_where_not_everything_is_asked_for()
    {
        byte[] model = BranchyNetwork.Build(7);
        using var device = new CpuDevice();
        using var session = new InferenceSession(model, new SessionOptions { Backends = [new SlowDevice(device)] });
        Assert.Equal(OnCpu(model), Run(session));
        Assert.Equal(0, device.RegionRuns);
        PlanRegion region = Assert.Single(session.Explain(Given(Image)).Regions);
        Assert.False(region.Kept);
        Assert.Contains("offloading is predicted", region.Why);
    }

    [Fact]
    public void What_is_excluded_stays_on_the_CPU()
    {
        byte[] model = BranchyNetwork.Build(3);
        using var device = new CpuDevice();
        using var session = new InferenceSession(model, With(device) with { Exclude = ["Conv", "s0cat"] });
        Assert.Equal(OnCpu(model), Run(session));
        PlanReport plan = session.Explain(Given(Image));
        Assert.True(plan.Unsupported["device: Conv: excluded by the call"] > 0);
        Assert.DoesNotContain(plan.Branches.Where(b => b.Device == "device"), b => b.Nodes.Contains("s0cat") || b.Operators.Any(o => o.StartsWith("Conv", StringComparison.Ordinal)));
        Assert.Contains(plan.Branches, b => b.Device == "device");
        Assert.Throws<InvalidInputException>(() => new InferenceSession(model, With(device) with { Exclude = ["nobody"] }));
    }

    [Fact]
    public void Outputs_go_to_the_callers_buffers_and_inputs_and_outputs_may_be_one_value()
    {
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 4, 5)
            .Node("Tanh", ["x"], ["t"]).Node("Reshape", ["t", "shape"], ["r"]).Constant("shape", Tensor.From([5L, 4], [2])).Node("Exp", ["r"], ["e"])
            .Output("t").Output("r").Output("e").Output("x").Build();
        using var device = new CpuDevice();
        using var session = new InferenceSession(model, With(device));
        Tensor x = Tensor.From([.. Enumerable.Range(0, 20).Select(i => i / 10f)], [4, 5]);
        using var plain = new InferenceSession(model);
        using RunResult expected = plain.Run(new() { ["x"] = x });
        Dictionary<string, Tensor> outputs = expected.ToDictionary(o => o.Key, o => Tensor.Zeros(DType.Float32, ((Tensor)o.Value).Dims.ToArray()));
        for (int run = 0; run < 3; run++) session.Run(new() { ["x"] = x }, outputs);
        foreach ((string name, Datum want) in expected) Assert.True(outputs[name].Bytes.SequenceEqual(((Tensor)want).Bytes), name);
        Assert.True(device.RegionRuns >= 3);
    }

    [Theory]
    [InlineData(0, -1)]
    [InlineData(2, -1)]
    [InlineData(-1, 0)]
    [InlineData(-1, 5)]
    [InlineData(-1, 17)]
    public void A_device_that_fails_loses_no_answer(int region, int node)
    {
        byte[] model = BranchyNetwork.Build(5);
        byte[] expected = OnCpu(model);
        foreach ((ScheduleMode mode, bool shares) in new[] { (ScheduleMode.Parallel, true), (ScheduleMode.Parallel, false), (ScheduleMode.Sequential, true), (ScheduleMode.Sequential, false) })
        {
            using var device = new CpuDevice(sharesMemory: shares) { Refuses = NoPools, FailAtRegion = region, FailAtNode = node };
            using (var session = new InferenceSession(model, With(device) with { Mode = mode }))
            {
                for (int run = 0; run < 4; run++) Assert.True(Run(session).AsSpan().SequenceEqual(expected), $"run {run}");
                Assert.Contains(region >= 0 ? "failed to enqueue" : "was pulled out", Assert.Single(session.Warnings));
                int runs = device.RegionRuns;
                Assert.Equal(expected, Run(session));
                Assert.Equal(runs, device.RegionRuns);
                PlanReport plan = session.Explain(Given(Image));
                Assert.NotNull(Assert.Single(plan.Devices).Lost);
                Assert.NotNull(Assert.Single(session.Plan.Devices).Lost);
                Assert.All(plan.Branches, b => Assert.Equal("cpu", b.Device));
                Assert.Contains(plan.Branches, b => b.Why.Contains("was lost"));
                // Shapes that were not met before get no regions at all.
                Tensor other = BranchyNetwork.Image(8, 12, 12);
                Assert.Equal(OnCpu(model, other), Run(session, other));
                Assert.Empty(session.Explain(Given(other)).Regions);
            }
            Assert.Equal(0, device.Live);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_device_that_cannot_be_set_up_is_left_alone(bool compile)
    {
        byte[] model = BranchyNetwork.Build(5);
        using var device = new CpuDevice { Refuses = NoPools, FailAtCompile = compile ? 1 : -1, FailToAllocate = !compile };
        using (var session = new InferenceSession(model, With(device)))
        {
            Assert.Equal(OnCpu(model), Run(session));
            Assert.Single(session.Warnings);
        }
        Assert.Equal((0, 0), (device.RegionRuns, device.Live));
    }

    [Fact]
    public void Eight_callers_at_once_are_right_also_while_the_device_fails()
    {
        byte[] model = BranchyNetwork.Build(6);
        byte[] expected = OnCpu(model);
        foreach (int failAt in new[] { -1, 40 })
        {
            using var device = new CpuDevice { Refuses = NoPools, FailAtNode = failAt };
            using (var session = new InferenceSession(model, With(device)))
                Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
                {
                    for (int run = 0; run < 10; run++) Assert.Equal(expected, Run(session));
                });
            Assert.Equal(0, device.Live);
        }
    }

    [Fact]
    public void A_cancelled_run_waits_for_the_device_and_leaves_the_session_usable()
    {
        byte[] model = BranchyNetwork.Build(6);
        byte[] expected = OnCpu(model);
        using var device = new CpuDevice { Refuses = NoPools };
        using (var session = new InferenceSession(model, With(device)))
        {
            Run(session);
            int regions = device.RegionRuns;
            Assert.True(regions > 2, $"{regions} regions");
            // While the device works on a region that is not the last one, and that the run therefore cannot end with.
            for (int i = 0; i < regions - 1; i++)
            {
                using var cancellation = new CancellationTokenSource();
                int before = i;
                device.BeforeWork = () => { if (before-- == 0) cancellation.Cancel(); };
                Assert.ThrowsAny<OperationCanceledException>(() => session.Run(new() { ["x"] = Image }, cancellation.Token));
            }
            device.BeforeWork = null;
            Assert.Equal(expected, Run(session));
        }
        Assert.Equal(0, device.Live);
    }

    [Fact]
    public void CPU_branches_run_while_the_device_works_even_with_one_worker()
    {
        // The device is asleep for longer than the branch beside it takes.
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 64, 64)
            .Node("Tanh", ["x"], ["device0"]).Node("Tanh", ["device0"], ["device"])
            .Node("Exp", ["x"], ["a"]).Node("MatMul", ["a", "x"], ["b"]).Node("Add", ["device", "b"], ["y"]).Output("y").Build();
        using var device = new CpuDevice { Refuses = n => n.Op.Name == "Tanh" ? null : "only Tanh", BeforeWork = () => Thread.Sleep(100) };
        using var session = new InferenceSession(model, With(device) with { Threads = 1 });
        var inputs = new Dictionary<string, Datum> { ["x"] = Tensor.From(new float[64 * 64], [64, 64]) };
        session.Run(inputs).Dispose();
        RunProfile profile = session.Profile(inputs);
        ProfiledStep region = Assert.Single(profile.Steps, s => s.Operator == "Region");
        Assert.Equal("device", region.Kernel);
        Assert.Contains(profile.Steps, s => s.Operator == "Exp" && s.StartUs >= region.StartUs && s.EndUs < region.EndUs);
    }

    [Fact]
    public void Two_devices_each_get_their_regions()
    {
        byte[] model = BranchyNetwork.Build(3);
        using var convolutions = new CpuDevice("convolutions") { Refuses = n => n.Op.Name == "Conv" ? null : "only Conv" };
        using var rest = new CpuDevice("rest", sharesMemory: false) { Refuses = NoPools };
        using (var session = new InferenceSession(model, With(convolutions) with { Backends = [convolutions, rest] }))
        {
            byte[] expected = OnCpu(model);
            for (int run = 0; run < 5; run++) Assert.Equal(expected, Run(session));
        }
        Assert.True(convolutions.RegionRuns > 0 && rest.RegionRuns > 0);
        Assert.Equal(0, convolutions.Live + rest.Live);
        Assert.Throws<InvalidInputException>(() => new InferenceSession(model, new SessionOptions { Backends = [rest, rest] }));
    }

    [Fact]
    public void Many_sessions_leave_nothing_behind()
    {
        byte[] model = BranchyNetwork.Build(2, stages: 1, branches: 2);
        using var device = new CpuDevice { Refuses = NoPools };
        for (int i = 0; i < 100; i++)
        {
            using var session = new InferenceSession(model, With(device));
            Run(session, BranchyNetwork.Image(8, 6, 6));
        }
        Assert.Equal(0, device.Live);
    }

    [Fact]
    public void A_steady_run_allocates_nothing_of_the_runtimes()
    {
        byte[] model = BranchyNetwork.Build(4);
        using var device = new CpuDevice { Refuses = NoPools };
        using var session = new InferenceSession(model, With(device));
        var inputs = new Dictionary<string, Datum> { ["x"] = Image };
        using RunResult first = session.Run(inputs);
        Dictionary<string, Tensor> outputs = first.ToDictionary(o => o.Key, o => ((Tensor)o.Value).Clone());
        device.FailAtRegion = device.RegionRuns; // the twins are part of the runtime, the device's thread is not
        for (int i = 0; i < 20; i++) session.Run(inputs, outputs);
        Assert.Equal(0, ProcessMemory.LeastAllocated(20, () => session.Run(inputs, outputs)));
    }

    [Fact]
    public void Bodies_of_control_flow_may_hold_regions()
    {
        GraphProto body = new ModelBuilder().Input("i", DType.Int64).Input("go", DType.Bool).Input("s", DType.Float32, 4, 4)
            .Node("Identity", ["go"], ["more"]).Node("MatMul", ["s", "x"], ["m"]).Node("Tanh", ["m"], ["next"])
            .Output("more").Output("next").Graph();
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 4, 4).Constant("trips", Tensor.From([6L], [])).Constant("yes", Tensor.From([true], []))
            .Node("Loop", ["trips", "yes", "x"], ["y"], new AttributeProto("body", body)).Output("y").Build();
        Tensor x = Tensor.From([.. Enumerable.Range(0, 16).Select(i => MathF.Sin(i))], [4, 4]);
        using var device = new CpuDevice { Refuses = n => n.Op.Name is "MatMul" or "Tanh" ? null : "neither MatMul nor Tanh", FailAtNode = 3 };
        using (var session = new InferenceSession(model, With(device)))
        {
            for (int run = 0; run < 3; run++) Assert.Equal(OnCpu(model, x), Run(session, x));
            Assert.Equal(4, device.RegionRuns); // the product with its activation is one node: three good ones, and the one that fails
            Assert.Single(session.Warnings);
        }
        Assert.Equal(0, device.Live);
    }

    /// <summary>The same device, said to be slow.</summary>
    private sealed class SlowDevice(CpuDevice device) : Runtime.IBackend
    {
        public string Name => device.Name;

        public string Description => device.Description;

        public AcceleratorModel Model => device.Model with { LatencyUs = 1e9 };

        public Runtime.IArenaAllocator? Allocator => device;

        public string? WhyNot(Graphs.Graph graph, Graphs.Node node) => device.WhyNot(graph, node);

        public Runtime.ICompiledRegion Compile(Runtime.DeviceRegion region) => device.Compile(region);

        public void Dispose()
        {
        }
    }
}
