using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>Sessions whose work is shared with a device by the predicted time of the whole. The device computes with the CPU's kernels, so every answer must have the same bits.</summary>
[Collection("workers")]
public sealed class JointTests
{
    private static readonly Tensor Image = BranchyNetwork.Image(32, 40, 40);
    private static readonly byte[] Model = BranchyNetwork.Build(5, stages: 4, channels: 32);

    /// <summary>As fast at products as so many cores.</summary>
    private static AcceleratorModel Costs(double cores, double syncUs) =>
        new("device", syncUs, cores * CostModel.Default.Rate(OpClass.Dense).UnitsPerSecond, 1e15, Sync: new SyncCosts(syncUs, 0, syncUs));

    private static SessionOptions With(IBackend device) => new() { Threads = 2, Backends = [device], DeviceProfile = "none" };

    private static Dictionary<string, Datum> Given => new() { ["x"] = Image };

    private static byte[] Run(InferenceSession session) => Bytes(session.Run(Given));

    private static byte[] Bytes(RunResult result)
    {
        using (result) return [.. result.SelectMany(r => ((Tensor)r.Value).Bytes.ToArray())];
    }

    private static byte[] OnCpu()
    {
        using var session = new InferenceSession(Model, new SessionOptions { Threads = 1 });
        return Run(session);
    }

    [Theory]
    [InlineData(ScheduleMode.Auto, true, ArenaCheck.Poisoned)]
    [InlineData(ScheduleMode.Auto, false, ArenaCheck.Guarded)]
    [InlineData(ScheduleMode.Parallel, true, ArenaCheck.None)]
    public void Both_sides_have_a_part_and_the_bits_are_the_CPUs(ScheduleMode mode, bool sharesMemory, ArenaCheck check)
    {
        byte[] expected = OnCpu();
        foreach (double cores in (double[])[2, 3])
        {
            using var device = new CpuDevice(sharesMemory: sharesMemory) { Granule = null };
            using var session = new InferenceSession(Model, With(new Measured(device, Costs(cores, 1))) with { Mode = mode, ArenaCheck = check });
            for (int run = 0; run < 4; run++) Assert.True(Run(session).AsSpan().SequenceEqual(expected), $"{cores} cores, run {run}");
            PlanJoint joint = session.Explain(Given).Joint!;
            Assert.Contains(joint.Operators, o => o is { Side: Side.Device, Workers: 0 });
            Assert.Contains(joint.Operators, o => o is { Side: Side.Cpu, Workers: > 0 });
            Assert.True(joint.PredictedUs == joint.JointUs && joint.JointUs < Math.Min(joint.CpuUs, joint.DeviceUs), joint.Why);
            Assert.True(device.RegionRuns > 0);
        }
    }

    [Fact]
    public void A_device_that_costs_too_much_gets_nothing_and_one_that_is_fast_gets_all()
    {
        byte[] expected = OnCpu();
        foreach (bool isDear in (bool[])[true, false])
        {
            using var device = new CpuDevice();
            using var session = new InferenceSession(Model, With(new Measured(device, isDear ? Costs(2, 1e6) : Costs(1e4, 0.5))));
            Assert.Equal(expected, Run(session));
            Assert.Equal(isDear ? 0 : 1, device.RegionRuns);
            PlanJoint joint = session.Summarize(Given).Joint!;
            Assert.All(joint.Operators, o => Assert.Equal(isDear ? Side.Cpu : Side.Device, o.Side));
            Assert.Equal(isDear ? joint.CpuUs : joint.DeviceUs, joint.PredictedUs);
            Assert.Contains(isDear ? "the CPU alone, for" : "device alone, for", joint.Why);
        }
    }

    [Fact]
    public void The_plan_says_where_every_operator_is_and_when_nothing_was_planned_jointly()
    {
        using var device = new CpuDevice { Granule = null };
        using var session = new InferenceSession(Model, With(new Measured(device, Costs(2, 1))));
        PlanReport plan = session.Explain(Given);
        Assert.Equal(plan.Branches.SelectMany(b => b.Nodes).Count(), plan.Joint!.Operators.Length);
        Assert.All(plan.Joint.Operators, o => Assert.Contains(plan.Branches, b => b.Nodes.Contains(o.Name) && b.Device == (o.Side == Side.Device ? "device" : "cpu")));
        Assert.Contains($"joint plan with device: ", plan.Dump());
        Assert.Contains("\"eachForItselfUs\"", plan.ToJson());
        foreach (SessionOptions options in (SessionOptions[])
            [
                With(new Measured(device, Costs(2, 1))) with { JointPlanning = false }, With(new Measured(device, Costs(2, 1))) with { Mode = ScheduleMode.Sequential },
                With(new Measured(device, Costs(2, 1))) with { OffloadAll = true }, With(device),
            ])
        {
            using var other = new InferenceSession(Model, options);
            Assert.Null(other.Explain(Given).Joint);
            Assert.DoesNotContain("joint plan", other.Plan.Dump());
        }
    }

    [Fact]
    public void Large_layers_are_split_where_that_shortens_the_whole_and_the_bits_are_the_CPUs()
    {
        byte[] model = SplitNetwork.Build(size: 40);
        Dictionary<string, Datum> given = new() { ["x"] = SplitNetwork.Image(size: 40) };
        byte[] expected;
        using (var session = new InferenceSession(model, new SessionOptions { Threads = 1 })) expected = Bytes(session.Run(given));
        using var device = new CpuDevice();
        using var both = new InferenceSession(model, With(new Measured(device, Costs(2, 5))) with { ArenaCheck = ArenaCheck.Poisoned });
        for (int run = 0; run < 3; run++) Assert.Equal(expected, Bytes(both.Run(given)));
        PlanReport plan = both.Explain(given);
        PlanOperator[] split = [.. plan.Joint!.Operators.Where(o => o.Side == Side.Both)];
        Assert.NotEmpty(split);
        Assert.All(split, o => Assert.Equal(o.Cut, plan.Branches.Single(b => b.Nodes.Contains(o.Name)).Split!.Cut));
        Assert.All(split, o => Assert.StartsWith($"split {OutputAxes.NameOf(o.Axis!.Value)} at {o.Cut} of ", o.Why));
        using var whole = new InferenceSession(model, With(new Measured(device, Costs(2, 1e5))));
        Assert.DoesNotContain(whole.Explain(given).Joint!.Operators, o => o.Side == Side.Both);
    }

    [Fact]
    public void Each_operator_for_itself_splits_whatever_that_costs_the_rest_and_the_bits_are_the_CPUs()
    {
        byte[] model = SplitNetwork.Build(size: 40);
        Dictionary<string, Datum> given = new() { ["x"] = SplitNetwork.Image(size: 40) };
        byte[] expected;
        using (var session = new InferenceSession(model, new SessionOptions { Threads = 1 })) expected = Bytes(session.Run(given));
        using var device = new CpuDevice();
        using var each = new InferenceSession(model, With(new Measured(device, Costs(2, 5))) with { EachForItself = true });
        Assert.Equal(expected, Bytes(each.Run(given)));
        PlanJoint joint = each.Summarize(given).Joint!;
        Assert.Equal((joint.EachForItselfUs, joint.EachForItselfUs), (joint.PredictedUs, joint.JointUs));
        PlanSplit[] splits = [.. each.Summarize(given).Splits];
        Assert.Equal(joint.Operators.Where(o => o.Side == Side.Both).Select(o => (o.Name, o.Cut)).Order(), splits.Select(s => (s.Node, (long?)s.Cut)).Order());
        Assert.NotEmpty(splits);
        Assert.All(splits, s => Assert.True(s is { PredictedCpuUs: > 0, PredictedDeviceUs: > 0 } && s.Why.StartsWith($"split {OutputAxes.NameOf(s.Axis)} at {s.Cut} of {s.Extent}: ", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_device_that_fails_is_left_alone_and_the_answer_is_finished()
    {
        byte[] expected = OnCpu();
        using var device = new CpuDevice { FailAtNode = 3 };
        using var session = new InferenceSession(Model, With(new Measured(device, Costs(2, 1))));
        for (int run = 0; run < 3; run++) Assert.Equal(expected, Run(session));
        Assert.Single(session.Warnings);
    }

    /// <summary>A device with other costs.</summary>
    private sealed class Measured(CpuDevice device, AcceleratorModel costs) : IBackend
    {
        public string Name => device.Name;

        public string Description => device.Description;

        public AcceleratorModel Model => costs;

        public IArenaAllocator? Allocator => device.Allocator;

        public long? SplitGranule(Graphs.Graph graph, Graphs.Node node, OutputAxis axis) => device.SplitGranule(graph, node, axis);

        public string? WhyNot(Graphs.Graph graph, Graphs.Node node) => device.WhyNot(graph, node);

        public ICompiledRegion Compile(DeviceRegion region) => device.Compile(region);

        public void Dispose() => device.Dispose();
    }
}
