using Parallax.Graphs;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Zoo;
using Xunit;
using Xunit.Abstractions;

namespace Parallax.Tests.Models;

/// <summary>How networks are shared with imagined devices: by predicted times alone, nothing is run.</summary>
public class JointZooTests(ITestOutputHelper output)
{
    private const int Workers = 2;

    /// <summary>A device that is so many times as fast as one core, at everything, and can compute parts of layers.</summary>
    private sealed class Imagined(double cores, SyncCosts sync) : IRegionBackend
    {
        private readonly NullAccelerator device = new(new AcceleratorModel("imagined", sync.DispatchUs, cores * CostModel.Default.Rate(OpClass.Dense).UnitsPerSecond, 1e15, Sync: sync));

        public string Name => device.Name;

        public AcceleratorModel Model => device.Model;

        public string? WhyNot(Graph graph, Node node) => device.WhyNot(graph, node);

        public long? SplitGranule(Graph graph, Node node, OutputAxis axis) => 16;
    }

    [Theory]
    [InlineData("yolov8n")]
    [InlineData("swinv2-tiny")]
    [InlineData("whisper-tiny-encoder")]
    [InlineData("clip-text")]
    public void A_network_is_never_planned_to_take_longer_than_on_the_better_side_alone(string name)
    {
        using var session = new InferenceSession(Importer.Import(ZooCatalog.Find(name).Build(new ZooOptions(Dynamic: false))), new SessionOptions { Threads = Workers, DeviceProfile = "none", Dimensions = ZooCatalog.Find(name).DefaultDims });
        foreach ((string kind, double cores, double syncUs) in ((string, double, double)[])[("fast", 40, 20), ("equal", Workers, 20), ("slow", 0.1, 20), ("dear", Workers, 1e5)])
        {
            Partition partition = Partitioner.Partition(session.Graph,
                PartitionOptions.Default with { Accelerators = [new Imagined(cores, new SyncCosts(syncUs, 0, syncUs))], Joint = new JointOptions(), Workers = Workers });
            JointOutcome joint = partition.Joint!;
            output.WriteLine($"{kind}: {joint.Why}; {joint.Placements.Count(p => p.Choice.Side == Side.Both)} split");
            Assert.True(joint.JointUs <= joint.EachForItselfUs / 0.9, joint.Why); // a split that does not save 10 % is left out
            Assert.True(joint.PredictedUs <= Math.Min(joint.CpuUs, joint.DeviceUs), joint.Why);
            double scheduledUs = Scheduler.Schedule(partition, CostModel.Default, new ScheduleOptions(Workers, DispatchUs: CostModel.Default.DispatchUs, MinGain: 0)).PredictedUs;
            Assert.InRange(scheduledUs, 0, joint.PredictedUs * 1.03); // the scheduler gives 2 % for memory
            Assert.Equal(session.Graph.NodeCount, partition.Branches.Sum(b => b.Nodes.Length));
            if (kind is "slow" or "dear") Assert.All(joint.Placements, p => Assert.Equal(Side.Cpu, p.Choice.Side));
            if (kind == "fast") Assert.True(joint.PredictedUs < joint.CpuUs / 2, joint.Why);
            if (kind == "equal") Assert.True(joint.PredictedUs < 0.9 * Math.Min(joint.CpuUs, joint.DeviceUs), joint.Why);
        }
    }
}
