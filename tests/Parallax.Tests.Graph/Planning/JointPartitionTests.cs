using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;
using Xunit.Abstractions;

namespace Parallax.Tests.Planning;

public class JointPartitionTests(ITestOutputHelper output)
{
    private const int Workers = 2;

    /// <summary>A device that is so many times as fast as one core at everything, and computes a drawn part of the nodes.</summary>
    private sealed class Device(double speed, SyncCosts sync, Func<Node, bool>? refuses = null, Func<OutputAxis, long?>? granule = null, LatencyPredictor? predictor = null, int launches = 1) : IRegionBackend
    {
        public string Name => "toy";

        public AcceleratorModel Model { get; } = new("toy", sync.DispatchUs + sync.ToCpuUs, speed * CostModel.Default.Rate(OpClass.Dense).UnitsPerSecond, 1e15, Predictors: predictor is null ? [] : [predictor], Sync: sync);

        public string? WhyNot(Graph graph, Node node) => node.Op.IsControlFlow || refuses?.Invoke(node) == true ? "tails" : null;

        public long? SplitGranule(Graph graph, Node node, OutputAxis axis) => granule?.Invoke(axis);

        public KernelFacts KernelOf(Graph graph, Node node, OutputPart? part) => new("product", 0, Launches: launches);
    }

    private static readonly SyncCosts Cheap = new(10, 2, 5), Dear = new(2000, 200, 500, 0.01);

    private static PartitionOptions Options(IRegionBackend device) => PartitionOptions.Default with { Accelerators = [device], Joint = new JointOptions(), Workers = Workers };

    /// <summary>What the scheduler makes of a partition, run in the simulator.</summary>
    private static double ScheduledUs(Partition partition) =>
        Scheduler.Schedule(partition, CostModel.Default, new ScheduleOptions(Workers, DispatchUs: CostModel.Default.DispatchUs, MinGain: 0)).PredictedUs;

    /// <summary>Products one after another, and every third time two side by side.</summary>
    private static Graph Products(int count, long rows, long columns)
    {
        var builder = new GraphBuilder("products");
        ValueId value = builder.Input("x", new TensorFact(DType.Float32, [rows, columns]));
        for (int i = 0; i < count; i++)
        {
            ValueId weights = builder.Constant($"w{i}", Tensor.Zeros(DType.Float32, [columns, columns]));
            ValueId product = builder.Add($"product{i}", new MatMul(), value, weights);
            value = i % 3 == 2 ? builder.Add($"sum{i}", new Binary(BinaryFunction.Add), product, builder.Add($"side{i}", new MatMul(), value, weights)) : product;
        }
        builder.Output("y", value);
        return builder.Build();
    }

    [Fact]
    public void Regions_of_a_joint_plan_are_supported_connected_and_convex_and_the_plan_is_no_worse_than_either_side() => Property.Holds(250, 80, (random, size) =>
    {
        Graph graph = ToyGraphs.Random(random, size);
        int seed = random.Next();
        var device = new Device(Math.Pow(9, random.NextDouble() - 0.5), random.Next(2) == 0 ? Cheap : Dear, n => ((uint)(seed ^ (n.Id.Index * 0x9E3779B1)) * 0x85EBCA6B >> 30) == 0);
        Partition partition = Partitioner.Partition(graph, Options(device));
        Assert.Equal(graph.NodeCount, partition.Branches.Sum(b => b.Nodes.Length));
        foreach (Region region in partition.Regions)
        {
            Assert.True(region.Kept);
            Assert.All(region.Nodes, n => Assert.Null(device.WhyNot(graph, graph[n])));
            var inside = region.Nodes.ToHashSet();
            Assert.Equal(inside.Count, PartitionTests.Reach(inside.First(), n => PartitionTests.Neighbours(graph, n).Where(inside.Contains)).Count);
            var after = inside.SelectMany(n => PartitionTests.Readers(graph, n)).Where(n => !inside.Contains(n)).SelectMany(n => PartitionTests.Reach(n, m => PartitionTests.Readers(graph, m)));
            Assert.DoesNotContain(after, inside.Contains);
        }
        if (partition.Joint is not { } joint) return;
        Assert.Equal(graph.Nodes.Count(n => !n.Op.IsView), joint.Placements.Length);
        Assert.True(joint.PredictedUs <= Math.Min(joint.CpuUs, joint.DeviceUs), joint.Why);
        Assert.InRange(ScheduledUs(partition), 0, joint.PredictedUs * 1.03); // the scheduler gives 2 % for memory
    });

    [Theory]
    [InlineData(30, false)]
    [InlineData(2, false)]
    [InlineData(0.03, false)]
    [InlineData(2, true)]
    public void A_network_is_shared_as_the_device_deserves(double speed, bool isDear)
    {
        Graph graph = Products(24, 128, 512);
        Partition partition = Partitioner.Partition(graph, Options(new Device(speed, isDear ? Dear : Cheap)));
        JointOutcome joint = partition.Joint!;
        output.WriteLine(joint.Why);
        int there = joint.Placements.Count(p => p.Choice.Side == Side.Device);
        if (speed > 2) Assert.Equal(joint.Placements.Length, there);
        else if (speed < 1) Assert.Equal(0, there);
        else if (isDear) Assert.True(joint.PredictedUs == joint.CpuUs && there == 0);
        else
        {
            Assert.InRange(there, 6, joint.Placements.Length - 6);
            Assert.True(joint.PredictedUs < 0.9 * Math.Min(joint.CpuUs, joint.DeviceUs));
        }
        Assert.Equal(partition.Regions.Where(r => r.Kept).Sum(r => r.NodeCount), there);
        Assert.Contains(joint.Why, partition.Dump());
    }

    [Theory]
    [InlineData(64L, null, OutputAxis.Channels, 1024)]
    [InlineData(null, 64L, OutputAxis.Rows, 512)]
    [InlineData(768L, 16L, OutputAxis.Rows, 512)]
    [InlineData(16L, 384L, OutputAxis.Channels, 1024)]
    public void A_large_layer_is_split_where_the_device_can_and_the_split_is_a_region(long? ofChannels, long? ofRows, OutputAxis better, long extent)
    {
        Graph graph = Products(4, 512, 1024);
        Partition partition = Partitioner.Partition(graph, Options(new Device(2, Cheap, granule: a => a == OutputAxis.Rows ? ofRows : ofChannels)));
        Region[] split = [.. partition.Regions.Where(r => r.Split is not null)];
        Assert.NotEmpty(split);
        long granule = (better == OutputAxis.Rows ? ofRows : ofChannels)!.Value;
        Assert.All(split, r => Assert.True(r.Split!.Cut % granule == 0 && r.Split.Cut > 0 && r.Split.Cut < extent && r.Split.Axis == better));
        Assert.All(split, r => Assert.Contains($"split {OutputAxes.NameOf(better)} at", r.Why));
        Partition whole = Partitioner.Partition(graph, Options(new Device(2, Cheap)));
        Assert.DoesNotContain(whole.Regions, r => r.Split is not null);
        Assert.True(partition.Joint!.PredictedUs < whole.Joint!.PredictedUs);
        Assert.InRange(ScheduledUs(partition), 0, partition.Joint.PredictedUs * 1.03);
    }

    [Fact]
    public void What_each_launch_adds_to_handing_over_delays_the_CPUs_part_of_a_split()
    {
        SyncCosts sync = Cheap with { LaunchUs = 20 };
        Graph graph = Products(1, 512, 1024);
        (NodeSplit one, NodeSplit many) = (Split(1), Split(31));
        Assert.Equal((10, 10 + 30 * 20), (one.DispatchUs, many.DispatchUs));
        Assert.True(many.Cut < one.Cut, $"{many.Cut} after 31 launches, {one.Cut} after one");

        NodeSplit Split(int launches) => Partitioner.Partition(graph, Options(new Device(1, sync, granule: _ => 16, launches: launches)) with { Workers = 1 }).Regions.Single(r => r.Split is not null).Split!;
    }

    /// <summary>A product of so many rows, and 512 columns of depth 512.</summary>
    private static StepWork Work(long rows) => new(OpClass.Dense, rows * 512 * 512, 4 * (rows * 1024 + 512 * 512), 4 * 512 * 512, 0, new WorkShape(1, rows, 512, 512));

    [Fact]
    public void Times_of_the_CPU_are_those_of_the_kernels_that_it_would_take()
    {
        // Over the same shapes one kernel takes ten times as long as the other.
        LatencySample[] samples = [.. Enumerable.Range(1, 80).Select(i => (Work: Work(16 * i), IsSlow: i % 2 == 0)).Select(s => new LatencySample("cpu", $"{s.Work.Extents}", s.Work, 1,
            new KernelFacts(s.IsSlow ? "slow" : "fast", 0), s.Work.Macs / 1e5 * (s.IsSlow ? 10 : 1)))];
        CostModel cpu = CostModel.Default with { Predictors = [PredictorTrainer.TrainKind(samples, 0, s => 1, new TreeOptions())] };
        Graph graph = Products(4, 512, 512);
        PartitionOptions options = Options(new Device(2, Cheap, granule: _ => 16)) with { Cpu = cpu };
        double Of(string kernel) => Partitioner.Partition(graph, options with { CpuKernelOf = (_, node, _) => node.Op is MatMul ? new KernelFacts(kernel, 0) : null }).Joint!.CpuUs;
        Assert.InRange(Of("slow") / Of("fast"), 5, 20);
    }

    [Theory]
    [InlineData(0.05, 0.2, true)]
    [InlineData(0.05, 0.9, true)]
    [InlineData(0.5, 0.5, false)]
    [InlineData(2, 0.5, false)]
    public void A_plan_must_save_more_than_its_predictions_may_be_off_by(double mape, double speed, bool isTaken)
    {
        LatencySample[] samples = [.. Enumerable.Range(1, 60).Select(i => Work(16 * i)).Select(w => new LatencySample("toy", $"{w.Extents}", w, 1, default, w.Macs / (speed * CostModel.Default.Rate(OpClass.Dense).UnitsPerSecond) * 1e6))];
        LatencyPredictor predictor = PredictorTrainer.TrainKind(samples, 0, s => 1, new TreeOptions()) with { Accuracy = new PredictorAccuracy(60, 12, mape, mape, 1) };
        Partition partition = Partitioner.Partition(Products(40, 512, 512), Options(new Device(speed, Cheap, granule: _ => 16, predictor: predictor)));
        JointOutcome joint = partition.Joint!;
        output.WriteLine(joint.Why);
        Assert.True(joint.EachForItselfUs < 0.97 * Math.Min(joint.CpuUs, joint.DeviceUs)); // what is predicted of splits is the same whatever the error
        Assert.Equal(isTaken, partition.Regions.Any(r => r.Split is not null));
        if (!isTaken) Assert.Equal(Math.Min(joint.CpuUs, joint.DeviceUs), joint.PredictedUs);
    }

    [Theory]
    [InlineData(100, 30, 100, 30)]
    [InlineData(100, 30, 60, 5)]
    [InlineData(20, 1, 100, 30)]
    [InlineData(100, 0, 90, 0)]
    public void The_later_of_two_sides_is_expected_later_than_either(double mean, double deviation, double otherMean, double otherDeviation)
    {
        var random = new Random(4);
        double drawn = Enumerable.Range(0, 200_000).Average(_ => Math.Max(mean + deviation * Normal(), otherMean + otherDeviation * Normal())), expected = JointGraph.ExpectedLater(mean, deviation, otherMean, otherDeviation);
        Assert.InRange(expected, drawn * 0.995, drawn * 1.005);
        Assert.True(expected >= Math.Max(mean, otherMean));
        Assert.Equal(expected, JointGraph.ExpectedLater(otherMean, otherDeviation, mean, deviation), 9);

        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    [Fact]
    public void Only_an_accelerator_that_was_measured_is_planned_for_jointly()
    {
        Graph graph = Products(4, 512, 1024);
        var device = new Device(4, Cheap);
        Assert.NotNull(Partitioner.Partition(graph, Options(device)).Joint);
        Assert.Null(Partitioner.Partition(graph, Options(device) with { Joint = null }).Joint);
        Assert.Null(Partitioner.Partition(graph, Options(new NullAccelerator(device.Model with { Sync = null }))).Joint);
        Assert.Null(Partitioner.Partition(graph, Options(new NullAccelerator(device.Model with { KeepsAll = true }))).Joint);
        Assert.Null(Partitioner.Partition(graph, Options(device) with { Accelerators = [device, new NullAccelerator(AcceleratorModel.Ideal)] }).Joint);
        Assert.Null(Partitioner.Partition(graph, Options(new Device(4, Cheap, _ => true))).Joint);
    }
}
