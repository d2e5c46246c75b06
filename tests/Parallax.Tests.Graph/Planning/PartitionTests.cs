using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Planning;

public class PartitionTests
{
    /// <summary>Supports a drawn half of the nodes, and keeps every region.</summary>
    private sealed class CoinBackend(int seed, AcceleratorModel model, string name = "coin") : IRegionBackend
    {
        public string Name => name;

        public AcceleratorModel Model => model;

        public string? WhyNot(Graph graph, Node node) => ((uint)(seed ^ (node.Id.Index * 0x9E3779B1)) * 0x85EBCA6B >> 29) > 1 || node.Op.IsControlFlow ? null : "tails";
    }

    private static PartitionOptions With(params IRegionBackend[] backends) => PartitionOptions.Default with { Accelerators = [.. backends] };

    private static PartitionOptions Draw(Random random) => random.Next(3) switch
    {
        0 => PartitionOptions.Default,
        1 => With(new CoinBackend(random.Next(), AcceleratorModel.Ideal)),
        _ => With(new CoinBackend(random.Next(), AcceleratorModel.Snapdragon8Gen1, "first"), new CoinBackend(random.Next(), AcceleratorModel.Ideal, "second")),
    };

    [Fact]
    public void Every_node_is_in_one_branch_and_edges_go_forward() => Property.Holds(2000, 120, (random, size) =>
    {
        Graph graph = ToyGraphs.Random(random, size);
        Partition partition = Partitioner.Partition(graph, Draw(random));
        List<NodeId> placed = [.. partition.Branches.SelectMany(b => b.Nodes)];
        Assert.Equal(graph.Nodes.Select(n => n.Id).OrderBy(n => n.Index), placed.OrderBy(n => n.Index));
        Assert.All(partition.Branches, b => Assert.All(b.Nodes, n => Assert.Equal(b.Id, partition.BranchOf[n.Index])));
        Assert.All(partition.Branches, b => Assert.All(b.Predecessors, p => Assert.True(p.Index < b.Id.Index)));
        var done = new HashSet<NodeId>();
        foreach (Node node in placed.Select(n => graph[n]))
        {
            Assert.All(node.Inputs, i => Assert.True(graph.Producer(i) is not { } producer || done.Contains(producer.Id)));
            done.Add(node.Id);
        }
        NodeClassCounts classes = partition.Classes;
        Assert.Equal(graph.NodeCount, classes.Sequential + classes.Splitter + classes.Merger + classes.SplitMerge + classes.ControlFlow);
    });

    [Fact]
    public void Layers_are_Kahn_levels() => Property.Holds(500, 120, (random, size) =>
    {
        Partition partition = Partitioner.Partition(ToyGraphs.Random(random, size), Draw(random));
        Assert.All(partition.Branches, b => Assert.Equal(b.Predecessors.IsEmpty ? 0 : 1 + b.Predecessors.Max(p => partition[p].Layer), b.Layer));
        Assert.Equal(partition.Branches.Length, partition.Layers.Sum(l => l.Length));
        for (int layer = 0; layer < partition.Layers.Length; layer++) Assert.All(partition.Layers[layer], b => Assert.Equal(layer, partition[b].Layer));
    });

    [Fact]
    public void Branches_are_maximal_chains() => Property.Holds(1000, 120, (random, size) =>
    {
        Graph graph = ToyGraphs.Random(random, size);
        Partition partition = Partitioner.Partition(graph, Draw(random));
        foreach (Branch branch in partition.Branches)
        {
            if (branch.Region is null) AssertChain(graph, partition, branch);
            if (branch.Successors is [var next] && partition[next].Predecessors.Length == 1) Assert.True(StandsAlone(branch) || StandsAlone(partition[next]), $"{branch.Id} and {next} are one chain");
        }

        bool StandsAlone(Branch branch) => branch.Region is not null || branch.Nodes.Any(n => graph[n].Op.IsControlFlow);
    });

    /// <summary>Values enter a chain at its first working node only, and leave it at its last one.</summary>
    private static void AssertChain(Graph graph, Partition partition, Branch branch)
    {
        List<Node> working = [.. branch.Nodes.Select(n => graph[n]).Where(n => !n.Op.IsView)];
        foreach (Node node in working.Skip(1))
            Assert.All(node.Inputs, i => Assert.True(graph.Producer(i) is not { } producer || partition.BranchOf[producer.Id.Index] == branch.Id, $"{node} reads from another branch"));
        foreach (Node node in working.SkipLast(1))
            Assert.All(node.Outputs.Where(o => !o.IsNone).SelectMany(graph.Consumers), c => Assert.True(partition.BranchOf[c.Index] == branch.Id, $"{node} is read by another branch"));
    }

    [Fact]
    public void Regions_are_supported_connected_and_convex() => Property.Holds(2000, 100, (random, size) =>
    {
        Graph graph = ToyGraphs.Random(random, size);
        var backend = new CoinBackend(random.Next(), AcceleratorModel.Ideal with { MinNodes = random.Next(1, 3) });
        Partition partition = Partitioner.Partition(graph, With(backend));
        foreach (Region region in partition.Regions)
        {
            Assert.All(region.Nodes, n => Assert.Null(backend.WhyNot(graph, graph[n])));
            var inside = region.Nodes.ToHashSet();
            Assert.Equal(inside.Count, Reach(inside.First(), n => Neighbours(graph, n).Where(inside.Contains)).Count);
            var after = inside.SelectMany(n => Readers(graph, n)).Where(n => !inside.Contains(n)).SelectMany(n => Reach(n, m => Readers(graph, m)));
            Assert.DoesNotContain(after, inside.Contains);
        }
    });

    [Fact]
    public void No_two_neighbouring_regions_could_be_one() => Property.Holds(1000, 40, (random, size) =>
    {
        Graph graph = ToyGraphs.Random(random, size);
        Partition partition = Partitioner.Partition(graph, With(new CoinBackend(random.Next(), AcceleratorModel.Ideal)));
        // With every region contracted, merging a and b is allowed exactly if no path from a to b passes a third.
        var groupOf = new int[graph.NodeIdBound];
        foreach (Node node in graph.Nodes) groupOf[node.Id.Index] = node.Id.Index;
        foreach (Region region in partition.Regions)
            foreach (NodeId node in region.Nodes) groupOf[node.Index] = region.Nodes[0].Index;
        var contracted = new Dag(graph.NodeIdBound, graph.Nodes.SelectMany(n => Readers(graph, n.Id).Select(r => (groupOf[n.Id.Index], groupOf[r.Index]))).Where(e => e.Item1 != e.Item2));
        var regions = partition.Regions.Select(r => r.Nodes[0].Index).ToHashSet();
        foreach ((int from, int to) in contracted.Edges())
            if (regions.Contains(from) && regions.Contains(to))
                Assert.Throws<ArgumentException>(() => contracted.Contract([.. Enumerable.Range(0, contracted.Count).Select(i => i == to ? from : i)], contracted.Count));
    });

    [Fact]
    public void A_refused_region_says_why_with_numbers()
    {
        Graph graph = ToyGraphs.Blocks(blocks: 2, width: 2, depth: 2);
        Partition refused = Partitioner.Partition(graph, With(new CoinBackend(1, AcceleratorModel.Snapdragon8Gen1)));
        Assert.NotEmpty(refused.Regions);
        Assert.All(refused.Regions, r => Assert.False(r.Kept));
        Assert.Contains(refused.Regions, r => r.Why.Contains("at least 1E+9", StringComparison.Ordinal));
        Assert.All(refused.Branches, b => Assert.Equal(Placement.Cpu, b.Placement.Backend));
        Partition kept = Partitioner.Partition(graph, With(new CoinBackend(1, AcceleratorModel.Ideal)));
        Assert.Contains(kept.Regions, r => r.Kept);
        Assert.Contains(kept.Branches, b => b.Placement.Backend == "coin" && b.Region is not null);
        Assert.Contains("kept", kept.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_papers_constants_keep_a_heavy_region_with_a_thin_boundary()
    {
        var builder = new GraphBuilder("heavy");
        ValueId value = builder.Input("x", new TensorFact(DType.Float32, [1000]));
        for (int i = 0; i < 4; i++) value = builder.Add($"conv{i}", new ToyOp(1000, 500_000_000), value);
        builder.Output("y", value);
        Region region = Assert.Single(Partitioner.Partition(builder.Build(), With(new AllBackend())).Regions);
        Assert.True(region.Kept, region.Why);
        Assert.Equal((4, 2_000_000_000, 8000), (region.NodeCount, region.Macs, region.BoundaryBytes));
        Assert.Equal(2e6, region.PredictedCpuUs, 3);
        Assert.Equal(200 + 2e9 / 2.6e13 * 1e6 + 8000 / 51.2e9 * 1e6, region.PredictedOffloadUs, 3);
    }

    private sealed class AllBackend : IRegionBackend
    {
        public string Name => "all";

        public AcceleratorModel Model => AcceleratorModel.Snapdragon8Gen1;

        public string? WhyNot(Graph graph, Node node) => null;
    }

    [Theory]
    [InlineData(OutputAxis.Channels, 100)]
    [InlineData(OutputAxis.Rows, 64)]
    public void A_split_node_is_a_branch_of_its_own_and_has_workers(OutputAxis axis, long extent)
    {
        (Graph graph, Node[] chain) = Products(rows: 64, columns: 100);
        var split = new NodeSplit("all", axis, 25, 40, "asked for");
        Partition partition = Partitioner.Partition(graph, With(new AllBackend()) with { Splits = ImmutableDictionary<NodeId, NodeSplit>.Empty.Add(chain[1].Id, split) });
        Assert.Equal(3, partition.Branches.Length);
        Branch branch = Assert.Single(partition.Branches, b => b.Region is { } r && partition.Regions[r].Split == split);
        Assert.Equal(chain[1].Id, Assert.Single(branch.Nodes));
        Region region = partition.Regions[branch.Region!.Value];
        Assert.True(region.Kept);
        Assert.Contains($"split at 25 of its {OutputAxes.NameOf(axis)}", partition.Dump(), StringComparison.Ordinal);

        CostModel cpu = CostModel.Default;
        double cpuUs = cpu.PredictUs(StepWork.Of(graph, chain[1]).Part(25, extent, axis));
        Assert.Equal(Math.Max(40, cpuUs), region.PredictedOffloadUs, 6);
        var times = BranchTimes.Of(partition, cpu, workers: 2);
        Assert.Null(times.Devices[branch.Id.Index]);
        Assert.Equal(Math.Max(40, cpuUs), times.Us(branch.Id.Index, 1), 6);
        foreach (long cut in (long[])[0, extent, extent + 1])
            Assert.Throws<ArgumentException>(() => Partitioner.Partition(graph, With(new AllBackend()) with { Splits = ImmutableDictionary<NodeId, NodeSplit>.Empty.Add(chain[1].Id, split with { Cut = cut }) }));
        (Graph toys, Node[] noLayers) = Chain(100);
        Assert.Throws<ArgumentException>(() => Partitioner.Partition(toys, With(new AllBackend()) with { Splits = ImmutableDictionary<NodeId, NodeSplit>.Empty.Add(noLayers[1].Id, split) }));
    }

    /// <summary>Three nodes, one after the other, over a vector.</summary>
    private static (Graph Graph, Node[] Chain) Products(long rows, long columns)
    {
        var builder = new GraphBuilder("products");
        ValueId value = builder.Input("x", new TensorFact(DType.Float32, [rows, columns])), weights = builder.Constant("w", Tensor.Zeros(DType.Float32, [columns, columns]));
        for (int i = 0; i < 3; i++) value = builder.Add($"product{i}", new MatMul(), value, weights);
        builder.Output("y", value);
        Graph graph = builder.Build();
        return (graph, [.. graph.TopologicalOrder()]);
    }

    private static (Graph Graph, Node[] Chain) Chain(long extent)
    {
        var builder = new GraphBuilder("chain");
        ValueId value = builder.Input("x", new TensorFact(DType.Float32, [extent]));
        for (int i = 0; i < 3; i++) value = builder.Add($"node{i}", new ToyOp(extent, 500_000_000), value);
        builder.Output("y", value);
        Graph graph = builder.Build();
        return (graph, [.. graph.TopologicalOrder()]);
    }

    [Fact]
    public void Blocks_make_a_branch_per_chain()
    {
        Partition partition = Partitioner.Partition(ToyGraphs.Blocks(blocks: 3, width: 4, depth: 2));
        Assert.Equal(3 * 4 + 4, partition.Branches.Length);
        Assert.Equal(4, partition.MaxBranches);
        Assert.Equal(3, partition.ParallelLayers);
        Assert.Equal(3, partition.Classes.Splitter + partition.Classes.SplitMerge);
    }

    [Fact]
    public void A_large_graph_is_cut_whole()
    {
        Graph graph = ToyGraphs.Random(new Random(3), 100_000);
        Partition partition = Partitioner.Partition(graph, With(new CoinBackend(5, AcceleratorModel.Ideal)));
        Assert.Equal(100_000, partition.Branches.Sum(b => b.Nodes.Length));
    }

    [Fact]
    public void A_profile_survives_json()
    {
        var profile = new DeviceProfile("this", 2, CostModel.Default with { ForkUs = 7 }, [AcceleratorModel.Snapdragon8Gen1, AcceleratorModel.Ideal]);
        DeviceProfile read = DeviceProfile.FromJson(profile.ToJson());
        Assert.Equal(7, read.Cpu.ForkUs);
        Assert.Equal(profile.ToJson(), read.ToJson());
        Assert.Equal(profile.Accelerators.AsEnumerable(), read.Accelerators);
    }

    internal static IEnumerable<NodeId> Readers(Graph graph, NodeId node) => graph[node].Outputs.Where(o => !o.IsNone).SelectMany(o => graph.Consumers(o));

    internal static IEnumerable<NodeId> Neighbours(Graph graph, NodeId node) =>
        Readers(graph, node).Concat(graph[node].Inputs.Select(graph.Producer).OfType<Node>().Select(p => p.Id));

    internal static HashSet<NodeId> Reach(NodeId start, Func<NodeId, IEnumerable<NodeId>> next)
    {
        var seen = new HashSet<NodeId> { start };
        var stack = new Stack<NodeId>([start]);
        while (stack.TryPop(out NodeId node))
            foreach (NodeId other in next(node))
                if (seen.Add(other)) stack.Push(other);
        return seen;
    }
}
