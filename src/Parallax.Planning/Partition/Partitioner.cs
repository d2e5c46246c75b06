using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>What the partitioner may use.</summary>
/// <param name="Accelerators">Asked in this order; a node belongs to the first that keeps a region with it.</param>
public sealed record PartitionOptions(CostModel Cpu, ImmutableArray<IRegionBackend> Accelerators)
{
    /// <summary>Nodes that are split between the CPU and a device: each a region of its own, kept whatever the cost model says.</summary>
    public ImmutableDictionary<NodeId, NodeSplit> Splits { get; init; } = ImmutableDictionary<NodeId, NodeSplit>.Empty;

    /// <summary>
    /// How long joint planning may search: where there is one accelerator, and what it costs to synchronize with it was measured, the time of the whole graph decides
    /// what it computes. Null: regions are judged one by one.
    /// </summary>
    public JointOptions? Joint { get; init; }

    /// <summary>The CPU's kernel for a node, or for a part of its result, as joint planning tells predictors; null for what is not known.</summary>
    public Func<Graph, Node, OutputPart?, KernelFacts?>? CpuKernelOf { get; init; }

    /// <summary>Workers of the CPU, as joint planning counts on them.</summary>
    public int Workers { get; init; } = 1;

    public static PartitionOptions Default { get; } = new(CostModel.Default, []);
}

/// <summary>
/// Cuts a graph into delegate regions and branches (arXiv 2512.11532, as a true partition). A branch is a maximal chain: it may start with a
/// merger or a source and end with a splitter or a sink; a split-merge, control flow or a kept region stands alone. A view rides with the node
/// whose bytes it shows, so that it never makes a branch of its own.
/// </summary>
public static class Partitioner
{
    public static Partition Partition(Graph graph, PartitionOptions? options = null)
    {
        options ??= PartitionOptions.Default;
        var nodes = new NodeTable(graph);
        Regions.Choice chosen = Regions.Choose(nodes, options);
        (int[] branchOfNode, Dag branchGraph) = Branches(nodes, chosen.RegionOf);
        ImmutableArray<Branch> branches = BranchBuilder.Build(nodes, branchGraph, branchOfNode, chosen, options.Cpu);

        ImmutableArray<NodeClass> classes = Classify(nodes);
        return new Partition
        {
            Graph = graph,
            Branches = branches,
            BranchGraph = branchGraph,
            Layers = Layers(branches),
            Regions = chosen.All,
            Classes = Count(nodes, classes),
            Unsupported = chosen.Unsupported,
            Joint = chosen.Joint,
            ClassOf = classes,
            BranchOf = ByNode(nodes, i => new BranchId(branchOfNode[i])),
        };
    }

    /// <summary>The branch of each node position, and the branches' dependencies.</summary>
    /// <param name="regionOf">By position; -1 where the node is in no region.</param>
    internal static (int[] BranchOf, Dag Branches) Branches(NodeTable nodes, int[] regionOf)
    {
        int[] unitOf = Units(nodes, regionOf, out int unitCount);
        Dag units = nodes.Dag.Contract(unitOf, unitCount);
        int[] branchOf = Chains(units, StandingAlone(nodes, regionOf, unitOf, units), out int branchCount);
        Dag unordered = units.Contract(branchOf, branchCount);
        var rank = new int[branchCount];
        for (int i = 0; i < branchCount; i++) rank[unordered.Order[i]] = i;
        int[] branchOfNode = Array.ConvertAll(unitOf, u => rank[branchOf[u]]);
        return (branchOfNode, nodes.Dag.Contract(branchOfNode, branchCount));
    }

    private static ImmutableArray<ImmutableArray<BranchId>> Layers(ImmutableArray<Branch> branches)
    {
        var layers = new List<ImmutableArray<BranchId>.Builder>();
        foreach (Branch branch in branches)
        {
            while (layers.Count <= branch.Layer) layers.Add(ImmutableArray.CreateBuilder<BranchId>());
            layers[branch.Layer].Add(branch.Id);
        }
        return layers.Map(l => l.ToImmutable());
    }

    private static ImmutableArray<T> ByNode<T>(NodeTable nodes, Func<int, T> ofPosition)
    {
        var table = new T[nodes.Graph.NodeIdBound];
        for (int i = 0; i < nodes.Nodes.Length; i++) table[nodes.Nodes[i].Id.Index] = ofPosition(i);
        return ImmutableCollectionsMarshal.AsImmutableArray(table);
    }

    private static ImmutableArray<NodeClass> Classify(NodeTable nodes) =>
        ByNode(nodes, i => (nodes.Nodes[i].Op.IsControlFlow, nodes.Dag.Predecessors(i).Length > 1, nodes.Dag.Successors(i).Length > 1) switch
        {
            (true, _, _) => NodeClass.ControlFlow,
            (_, true, true) => NodeClass.SplitMerge,
            (_, true, false) => NodeClass.Merger,
            (_, false, true) => NodeClass.Splitter,
            _ => NodeClass.Sequential,
        });

    private static NodeClassCounts Count(NodeTable nodes, ImmutableArray<NodeClass> classes)
    {
        var counts = new int[5];
        foreach (Node node in nodes.Nodes) counts[(int)classes[node.Id.Index]]++;
        return new NodeClassCounts(counts[0], counts[1], counts[2], counts[3], counts[4]);
    }

    /// <summary>
    /// The unit of each node: a kept region, or a node with the views that ride with it. A view with one predecessor joins it, and one without
    /// any joins its only reader; neither can close a cycle. Units are numbered by their first node.
    /// </summary>
    private static int[] Units(NodeTable nodes, int[] regionOf, out int unitCount)
    {
        int count = nodes.Nodes.Length;
        var leader = new int[count];
        var leaderOfRegion = new Dictionary<int, int>();
        for (int i = 0; i < count; i++)
        {
            leader[i] = i;
            if (regionOf[i] >= 0)
            {
                if (!leaderOfRegion.TryAdd(regionOf[i], i)) leader[i] = leaderOfRegion[regionOf[i]];
                continue;
            }
            if (nodes.Nodes[i].Op.IsView && nodes.Dag.Predecessors(i) is [var only] && regionOf[only] < 0) leader[i] = leader[only];
        }
        int[] unitOf = Renumber(leader, out unitCount);
        return JoinReaders(nodes, regionOf, unitOf, ref unitCount);
    }

    /// <summary>Views over nothing but constants and inputs join their reader where they have one.</summary>
    private static int[] JoinReaders(NodeTable nodes, int[] regionOf, int[] unitOf, ref int unitCount)
    {
        Dag units = nodes.Dag.Contract(unitOf, unitCount);
        bool[] onlyViews = Mapping.Repeat(true, unitCount);
        var isRegion = new bool[unitCount];
        for (int i = 0; i < unitOf.Length; i++)
        {
            onlyViews[unitOf[i]] &= nodes.Nodes[i].Op.IsView;
            isRegion[unitOf[i]] |= regionOf[i] >= 0;
        }
        var leader = new int[unitCount];
        for (int unit = 0; unit < unitCount; unit++)
            leader[unit] = onlyViews[unit] && !isRegion[unit] && units.Predecessors(unit).IsEmpty && units.Successors(unit) is [var reader] && !isRegion[reader] ? reader : unit;
        int[] joined = Renumber(Array.ConvertAll(unitOf, u => leader[u]), out int joinedCount);
        unitCount = joinedCount;
        return joined;
    }

    /// <summary>Group numbers from 0 in the order of first members, from a representative of each group.</summary>
    private static int[] Renumber(int[] leader, out int groupCount)
    {
        int[] numberOf = Mapping.Repeat(-1, leader.Length);
        var result = new int[leader.Length];
        groupCount = 0;
        for (int i = 0; i < leader.Length; i++)
        {
            ref int number = ref numberOf[leader[i]];
            if (number < 0) number = groupCount++;
            result[i] = number;
        }
        return result;
    }

    private static bool[] StandingAlone(NodeTable nodes, int[] regionOf, int[] unitOf, Dag units)
    {
        var alone = new bool[units.Count];
        for (int unit = 0; unit < units.Count; unit++) alone[unit] = units.Predecessors(unit).Length > 1 && units.Successors(unit).Length > 1;
        for (int i = 0; i < unitOf.Length; i++) alone[unitOf[i]] |= regionOf[i] >= 0 || nodes.Nodes[i].Op.IsControlFlow;
        return alone;
    }

    /// <summary>The chain of each unit. Two units share a chain where the one's only successor is the other, whose only predecessor it is.</summary>
    private static int[] Chains(Dag units, bool[] alone, out int chainCount)
    {
        var head = new int[units.Count];
        foreach (int unit in units.Order)
            head[unit] = !alone[unit] && units.Predecessors(unit) is [var before] && !alone[before] && units.Successors(before).Length == 1 ? head[before] : unit;
        return Renumber(head, out chainCount);
    }
}
