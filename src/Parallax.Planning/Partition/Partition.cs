using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>Identity of a branch in one partition. Branches are numbered in a topological order.</summary>
public readonly record struct BranchId(int Index)
{
    public override string ToString() => $"B{Index}";
}

/// <summary>A node by how many nodes it reads from and how many read from it. Constants and inputs of the graph do not count.</summary>
public enum NodeClass
{
    Sequential,
    Splitter,
    Merger,
    SplitMerge,

    /// <summary>Stands alone like a split-merge, whatever its degrees.</summary>
    ControlFlow,
}

/// <summary>Where something runs, why, and how long that is predicted to take with one worker.</summary>
public sealed record Placement(string Backend, string Why, double PredictedUs)
{
    public const string Cpu = "cpu";
}

/// <summary>A chain of nodes that runs as one, or a delegate region.</summary>
/// <param name="Nodes">In the order in which they run.</param>
/// <param name="Layer">The Kahn level.</param>
/// <param name="NodeCount">N: the nodes that do any work; views do none.</param>
/// <param name="Macs">F. Symbolic costs count as nothing.</param>
/// <param name="Bytes">Bytes that the nodes read and write.</param>
/// <param name="PeakBytes">M: the peak of what the branch computes and still needs, values for other branches included. Values of unknown size count as nothing.</param>
/// <param name="IsDynamic">Whether the shape of something that the branch computes is not known before it runs.</param>
/// <param name="Region">The index in <see cref="Partition.Regions"/> where the branch is a delegate region.</param>
public sealed record Branch(
    BranchId Id,
    ImmutableArray<NodeId> Nodes,
    ImmutableArray<BranchId> Predecessors,
    ImmutableArray<BranchId> Successors,
    int Layer,
    int NodeCount,
    long Macs,
    long Bytes,
    long PeakBytes,
    bool IsDynamic,
    int? Region,
    Placement Placement)
{
    /// <summary>So many workers of the CPU at most, as joint planning says; null where it has no say.</summary>
    public int? PlannedWorkers { get; init; }
}

/// <summary>A connected, convex set of nodes that an accelerator supports, and what the cost model said of it.</summary>
/// <param name="NodeCount">N: operators that do any work.</param>
/// <param name="Macs">F.</param>
/// <param name="BoundaryBytes">B: bytes of the tensors that enter or leave; constants do not.</param>
/// <param name="Kept">Whether the region runs on <paramref name="Backend"/>; its nodes stay on the CPU otherwise.</param>
/// <param name="PredictedOffloadUs">Of a split node, both sides together.</param>
public sealed record Region(
    string Backend,
    ImmutableArray<NodeId> Nodes,
    int NodeCount,
    long Macs,
    long BoundaryBytes,
    bool Kept,
    string Why,
    double PredictedCpuUs,
    double PredictedOffloadUs)
{
    /// <summary>Set where the region is one node of which <see cref="Backend"/> computes only a part, and the CPU's workers the rest.</summary>
    public NodeSplit? Split { get; init; }
}

/// <summary>How many nodes are of each class.</summary>
public readonly record struct NodeClassCounts(int Sequential, int Splitter, int Merger, int SplitMerge, int ControlFlow);

/// <summary>
/// The work of a graph cut into delegate regions and branches. Every node is in exactly one branch, and the branches form a directed acyclic graph.
/// </summary>
public sealed record Partition
{
    public required Graph Graph { get; init; }

    /// <summary>In topological order; a branch's id is its index here.</summary>
    public required ImmutableArray<Branch> Branches { get; init; }

    /// <summary>The branches' dependencies, by <see cref="BranchId.Index"/>.</summary>
    public required Dag BranchGraph { get; init; }

    /// <summary>Kahn levels over the branches.</summary>
    public required ImmutableArray<ImmutableArray<BranchId>> Layers { get; init; }

    /// <summary>Every region that was grown, kept or not.</summary>
    public required ImmutableArray<Region> Regions { get; init; }

    /// <summary>What decided about the regions, where that was the time of the whole graph; null where they were judged one by one.</summary>
    public JointOutcome? Joint { get; init; }

    public required NodeClassCounts Classes { get; init; }

    /// <summary>Per accelerator and reason, how many nodes it cannot run.</summary>
    public required ImmutableSortedDictionary<string, int> Unsupported { get; init; }

    /// <summary>By <see cref="NodeId.Index"/>; meaningless where the graph has no such node.</summary>
    public required ImmutableArray<NodeClass> ClassOf { get; init; }

    /// <summary>By <see cref="NodeId.Index"/>; meaningless where the graph has no such node.</summary>
    public required ImmutableArray<BranchId> BranchOf { get; init; }

    public Branch this[BranchId id] => Branches[id.Index];

    /// <summary>Layers with two branches or more.</summary>
    public int ParallelLayers => Layers.Count(l => l.Length > 1);

    public int MaxBranches => Layers.IsEmpty ? 0 : Layers.Max(l => l.Length);

    public string Dump()
    {
        var text = new StringBuilder();
        text.AppendLine($"partition {Graph.Name}: {Graph.NodeCount} nodes, {Branches.Length} branches, {Layers.Length} layers, {ParallelLayers} parallel, at most {MaxBranches} branches");
        text.AppendLine($"  classes: {Classes.Sequential} sequential, {Classes.Splitter} splitter, {Classes.Merger} merger, {Classes.SplitMerge} split-merge, {Classes.ControlFlow} control flow");
        if (Joint is { } joint) text.AppendLine($"  {joint.Why}; {joint.Evaluations} schedules looked at");
        foreach (Region region in Regions)
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"  region {region.Backend}: N={region.NodeCount} F={region.Macs} B={region.BoundaryBytes} cpu={region.PredictedCpuUs:0.0}us "
                + $"offload={region.PredictedOffloadUs:0.0}us {(region.Split is { } split ? $"split at {split.Cut} of its {OutputAxes.NameOf(split.Axis)}" : region.Kept ? "kept" : "refused")}: {region.Why}");
        foreach ((string reason, int count) in Unsupported) text.AppendLine($"  {count} x {reason}");
        foreach (Branch branch in Branches)
        {
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"  {branch.Id} layer {branch.Layer} <- [{string.Join(' ', branch.Predecessors)}] {branch.Placement.Backend} N={branch.NodeCount} "
                + $"F={branch.Macs} M={branch.PeakBytes} {branch.Placement.PredictedUs:0.0}us{(branch.IsDynamic ? " dynamic" : "")}");
            text.AppendLine($"    {string.Join(", ", branch.Nodes.Select(n => Graph[n].ToString()))}");
        }
        return text.ToString();
    }
}
