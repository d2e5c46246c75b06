using System.Text.RegularExpressions;
using Parallax.Onnx;
using Parallax.OpenCL;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Execution;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Sessions whose regions an OpenCL device computes, under every way of sharing memory.</summary>
public sealed class SessionTests
{
    private static Dictionary<string, Datum> Given(Tensor x) => new() { ["x"] = x };

    private static string? NoPools(Graphs.Node node) => node.Op.Name.Contains("Pool") ? "no pooling" : null;

    [ClTheory]
    [InlineData(ScheduleMode.Sequential, ArenaCheck.Poisoned)]
    [InlineData(ScheduleMode.Layered, ArenaCheck.None)]
    [InlineData(ScheduleMode.Parallel, ArenaCheck.Guarded)]
    [InlineData(ScheduleMode.Auto, ArenaCheck.Poisoned)]
    public void Branches_on_a_device_and_on_the_CPU_agree_with_the_CPU(ScheduleMode mode, ArenaCheck check)
    {
        var inputs = Given(BranchyNetwork.Image(8, 24, 31));
        for (int seed = 1; seed <= 4; seed++)
        {
            byte[] model = BranchyNetwork.Build(seed);
            Tensor[] expected = ClSessions.OnCpu(model, inputs);
            foreach (ClBackend backend in ClSessions.Backends)
            {
                using var session = new InferenceSession(model, ClSessions.On(new Narrowed(backend, "opencl", NoPools)) with { Mode = mode, ArenaCheck = check });
                for (int run = 0; run < 4; run++) ClSessions.AssertClose(expected, ClSessions.Run(session, inputs), $"seed {seed}, {backend.Sharing}, run {run}");
                Assert.Empty(session.Warnings);
                PlanReport plan = session.Explain(inputs);
                Assert.Contains(plan.Branches, b => b is { Device: "opencl", MeasuredUs: > 0 });
                Assert.Contains(plan.Branches, b => b.Device == "cpu");
            }
        }
    }

    [ClFact]
    public void A_whole_network_may_be_one_region() => ClSessions.AgreesWithCpu(BranchyNetwork.Build(7), Given(BranchyNetwork.Image(8, 16, 9)), "branchy network");

    [ClFact]
    public void New_shapes_build_no_programs()
    {
        byte[] model = BranchyNetwork.Build(2);
        using var folder = new TemporaryFolder();
        foreach (ClSharing sharing in Enum.GetValues<ClSharing>())
        {
            var api = new FaultyApi();
            using ClBackend backend = ClBackend.Open(api.Device, new ClBackendOptions { Sharing = sharing });
            using var session = new InferenceSession(model, ClSessions.On(backend));
            for (int size = 20; size < 30; size++)
            {
                var inputs = Given(BranchyNetwork.Image(8, size, size + 3, seed: size));
                ClSessions.AssertClose(ClSessions.OnCpu(model, inputs), ClSessions.Run(session, inputs), $"{size} under {sharing}");
                if (size == 20) api.Reset();
            }
            Assert.Empty(session.Warnings);
            Assert.Contains("clEnqueueNDRangeKernel", api.Calls);
            Assert.DoesNotContain("clBuildProgram", api.Calls);
        }
    }

    [ClFact]
    public void A_kernel_that_is_asked_for_is_the_one_that_runs_and_asking_builds_nothing()
    {
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 1, 16, 20, 20).Constant("w3", ClSessions.Floats(1, 48, 16, 3, 3)).Constant("w1", ClSessions.Floats(2, 24, 48, 1, 1)).Constant("g", ClSessions.Floats(3, 400, 30))
            .Node("Conv", ["x", "w3"], ["c"], new AttributeProto("pads", [1L, 1, 1, 1])).Node("Conv", ["c", "w1"], ["d"]).Node("Reshape", ["d", "rows"], ["r"]).Constant("rows", Tensor.From([24L, 400], [2]))
            .Node("MatMul", ["r", "g"], ["m"]).Node("Softmax", ["m"], ["y"]).Output("y").Build();
        var api = new FaultyApi();
        using ClBackend backend = ClBackend.Open(api.Device);
        using var session = new InferenceSession(model, ClSessions.On(backend));
        ExecutionPlan plan = session.PlanFor(Given(ClSessions.Floats(4, 1, 16, 20, 20)));
        Graphs.Graph graph = plan.Partition.Graph;
        api.Reset();
        var families = new List<string>();
        foreach (RegionStep region in plan.Branches.SelectMany(b => b).OfType<RegionStep>())
            foreach ((Graphs.Node node, string kernel) in region.Members.Zip(region.Compiled.Kernels))
            {
                KernelFacts facts = backend.KernelOf(graph, node);
                Assert.Equal(kernel.Split(" + ").Select(k => Regex.Replace(k, @"_\d+x\d+$", "")).Distinct(), facts.Implementation!.Split(" + "));
                if (kernel.Contains("gemm")) Assert.Contains($"gemm_{facts.TileRows}x{facts.TileColumns}", kernel);
                Assert.True(facts is { Groups: > 0, GroupSize: > 0 });
                families.Add(facts.Implementation);
            }
        Assert.Contains("winograd4_input + gemm + winograd4_output", families);
        Assert.Contains("gemm", families);
        Assert.Contains("softmax_rows", families);
        Graphs.Node layer = graph.Nodes.First(n => n.Op is Graphs.Ops.Conv);
        Assert.Equal("pad_planes + gemm", backend.KernelOf(graph, layer, new OutputPart(47, 1)).Implementation); // for one channel the transformation does not pay
        Assert.Equal(1, backend.KernelOf(graph, layer, new OutputPart(47, 1)).TileRows);
        using (IBackend strict = backend.Tuned([], isStrict: true)) Assert.Equal("pad_planes + gemm", strict.KernelOf(graph, layer).Implementation);
        Assert.Empty(api.Calls);
    }

    [ClFact]
    public void Bodies_of_control_flow_hold_regions()
    {
        GraphProto body = new ModelBuilder().Input("i", DType.Int64).Input("go", DType.Bool).Input("s", DType.Float32, 8, 8)
            .Node("Identity", ["go"], ["more"]).Node("MatMul", ["s", "x"], ["m"]).Node("Tanh", ["m"], ["next"]).Output("more").Output("next").Graph();
        GraphProto then = new ModelBuilder().Node("Exp", ["y"], ["a"]).Node("Softmax", ["a"], ["t"]).Output("t").Graph();
        GraphProto otherwise = new ModelBuilder().Node("Neg", ["y"], ["e"]).Output("e").Graph();
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 8, 8).Input("which", DType.Bool).Constant("trips", Tensor.From([6L], [])).Constant("yes", Tensor.From([true], []))
            .Node("Loop", ["trips", "yes", "x"], ["y"], new AttributeProto("body", body))
            .Node("If", ["which"], ["z"], new AttributeProto("then_branch", then), new AttributeProto("else_branch", otherwise)).Output("z").Build();
        Tensor x = ClSessions.Floats(5, 8, 8);
        foreach (ClSharing sharing in Enum.GetValues<ClSharing>())
        {
            var api = new FaultyApi();
            using ClBackend backend = ClBackend.Open(api.Device, new ClBackendOptions { Sharing = sharing, Strict = true });
            using var session = new InferenceSession(model, ClSessions.On(backend));
            foreach (bool which in new[] { true, false, true })
            {
                var inputs = new Dictionary<string, Datum> { ["x"] = x, ["which"] = Tensor.From([which], []) };
                Tensor[] expected = ClSessions.OnCpu(model, inputs);
                api.Reset();
                ClSessions.AssertClose(expected, ClSessions.Run(session, inputs), $"{which} under {sharing}");
                Assert.True(api.Calls.Count(c => c == "clEnqueueNDRangeKernel") > 6, "a launch at least for each round of the loop and one for the choice");
            }
            Assert.Empty(session.Warnings);
        }
    }

    [ClFact]
    public void Outputs_go_to_the_callers_buffers()
    {
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 4, 5)
            .Node("Tanh", ["x"], ["t"]).Node("Reshape", ["t", "shape"], ["r"]).Constant("shape", Tensor.From([5L, 4], [2])).Node("Exp", ["r"], ["e"])
            .Output("t").Output("r").Output("e").Output("x").Build();
        var inputs = Given(ClSessions.Floats(1, 4, 5));
        Tensor[] expected = ClSessions.OnCpu(model, inputs);
        foreach (ClBackend backend in ClSessions.Backends)
        {
            using var session = new InferenceSession(model, ClSessions.On(backend));
            Dictionary<string, Tensor> outputs = session.Outputs.ToDictionary(o => o.Name, o => Tensor.Zeros(DType.Float32, o.Shape!.Value.ToArray()));
            for (int run = 0; run < 3; run++) session.Run(inputs, outputs);
            ClSessions.AssertClose(expected, [.. session.Outputs.Select(o => outputs[o.Name])], $"{backend.Sharing}");
            Assert.Empty(session.Warnings);
        }
    }

    [ClFact]
    public void Eight_callers_at_once_get_their_own_answers()
    {
        byte[] model = BranchyNetwork.Build(6);
        Dictionary<string, Datum>[] inputs = [.. Enumerable.Range(0, 8).Select(i => Given(BranchyNetwork.Image(8, 12, 17, seed: i)))];
        Tensor[][] expected = [.. inputs.Select(i => ClSessions.OnCpu(model, i))];
        foreach (ClBackend backend in ClSessions.Backends)
        {
            using var session = new InferenceSession(model, ClSessions.On(new Narrowed(backend, "opencl", NoPools)));
            Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
            {
                for (int run = 0; run < 10; run++) ClSessions.AssertClose(expected[i], ClSessions.Run(session, inputs[i]), $"caller {i}, run {run} under {backend.Sharing}");
            });
            Assert.Empty(session.Warnings);
        }
    }

    [ClFact]
    public void A_steady_run_allocates_nothing()
    {
        byte[] model = BranchyNetwork.Build(4);
        var inputs = Given(BranchyNetwork.Image(8, 24, 31));
        foreach (ClBackend backend in ClSessions.Backends)
        {
            using var session = new InferenceSession(model, ClSessions.On(new Narrowed(backend, "opencl", NoPools)));
            using RunResult first = session.Run(inputs);
            Dictionary<string, Tensor> outputs = first.ToDictionary(o => o.Key, o => ((Tensor)o.Value).Clone());
            for (int i = 0; i < 100; i++) session.Run(inputs, outputs);
            long least = ProcessMemory.LeastAllocated(50, () => session.Run(inputs, outputs));
            Assert.True(least == 0, $"{least} bytes a run under {backend.Sharing}");
            Assert.Empty(session.Warnings);
        }
    }

    /// <summary>The arena is memory of the first; the second, another context of the device, cannot use it.</summary>
    [ClFact]
    public void Several_devices_share_an_arena_through_mirrors()
    {
        byte[] model = BranchyNetwork.Build(3);
        var inputs = Given(BranchyNetwork.Image(8, 24, 31));
        Tensor[] expected = ClSessions.OnCpu(model, inputs);
        foreach (ClBackend one in ClSessions.Backends)
            foreach (ClBackend two in ClSessions.Backends)
            {
                if (one == two) continue;
                var convolutions = new Narrowed(one, "convolutions", n => n.Op.Name == "Conv" ? null : "only convolutions");
                var rest = new Narrowed(two, "rest", NoPools);
                using var session = new InferenceSession(model, ClSessions.On(convolutions, rest));
                for (int run = 0; run < 3; run++) ClSessions.AssertClose(expected, ClSessions.Run(session, inputs), $"{one.Sharing} and {two.Sharing}, run {run}");
                Assert.Empty(session.Warnings);
                PlanReport plan = session.Explain(inputs);
                Assert.Contains(plan.Branches, b => b.Device == "convolutions");
                Assert.Contains(plan.Branches, b => b.Device == "rest");
            }
    }

    [ClFact]
    public void The_cost_model_decides_by_measured_constants_where_there_are_any()
    {
        byte[] model = BranchyNetwork.Build(7);
        var inputs = Given(BranchyNetwork.Image(8, 24, 31));
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "profile.json");
        ClBackend backend = ClSessions.Backends[0];
        foreach (bool isFast in new[] { true, false })
        {
            AcceleratorModel measured = AcceleratorModel.Ideal with { Name = backend.Name, Device = backend.Description, LatencyUs = isFast ? 0.001 : 1e9 };
            File.WriteAllText(path, (DeviceProfile.Default with { Accelerators = [measured] }).ToJson());
            using var session = new InferenceSession(model, ClSessions.On(backend) with { OffloadAll = false, DeviceProfile = path });
            PlanReport plan = session.Explain(inputs);
            Assert.Equal(isFast, plan.Regions.Any(r => r.Kept));
            Assert.StartsWith("measured: ", Assert.Single(plan.Devices).Costs);
            File.Delete(path);
        }
        using var plain = new InferenceSession(model, ClSessions.On(backend) with { OffloadAll = false, DeviceProfile = "none" });
        PlanReport assumed = plain.Explain(inputs);
        Assert.StartsWith("assumed: ", Assert.Single(assumed.Devices).Costs);
        Assert.False(Assert.Single(assumed.Regions).Kept);
    }

    [ClFact]
    public void Reports_name_the_kernels()
    {
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 4, 4).Node("MatMul", ["x", "x"], ["m"]).Node("Softmax", ["m"], ["y"]).Output("y").Build();
        using var session = new InferenceSession(model, ClSessions.On(ClSessions.Backends[0]));
        PlanBranch region = Assert.Single(session.Explain(Given(ClSessions.Floats(1, 4, 4))).Branches);
        Assert.Equal("opencl", region.Device);
        Assert.All(region.Operators, o => Assert.Equal(2, o.Split(' ', 2).Length));
        Assert.Contains(region.Operators, o => o.StartsWith("Softmax softmax", StringComparison.Ordinal));
        Assert.StartsWith(ClDevice.All[0].Identity, Assert.Single(session.Plan.Devices).Description);
    }

    [Fact]
    public void No_device_is_a_device_error()
    {
        if (ClDevice.All.IsEmpty) Assert.Contains("no OpenCL device", Assert.Throws<DeviceException>(() => ClBackend.Open()).Message);
        else Assert.NotNull(ClBackend.Preferred);
    }
}
