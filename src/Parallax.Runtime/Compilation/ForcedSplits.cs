using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime.Compilation;

/// <summary>The layers of a graph that are split because the caller asked for it, each with the first device that can compute a part of it.</summary>
internal sealed class ForcedSplits
{
    private readonly Graph graph;
    private readonly ImmutableArray<IRegionBackend> devices;
    private readonly SortedDictionary<string, int> refused = new(StringComparer.Ordinal);

    internal ForcedSplits(Graph graph, ImmutableArray<IRegionBackend> devices, ImmutableArray<LayerSplit> requests)
    {
        (this.graph, this.devices) = (graph, devices);
        var made = ImmutableDictionary.CreateBuilder<NodeId, NodeSplit>();
        if (!devices.IsEmpty && !requests.IsEmpty)
            foreach (Node node in graph.Nodes)
                if (OutputAxes.Of(graph, node) is { IsEmpty: false } axes && requests.FirstOrDefault(r => r.Names(node)) is { } request && TrySplit(node, axes, request) is { } split) made.Add(node.Id, split);
        Made = made.ToImmutable();
    }

    internal ImmutableDictionary<NodeId, NodeSplit> Made { get; }

    /// <summary>Counted reasons why layers that were asked for are not split.</summary>
    internal IEnumerable<KeyValuePair<string, int>> Refused => refused;

    /// <summary>Along the axis that was asked for, else along the first of a layer's axes that some device can cut.</summary>
    private NodeSplit? TrySplit(Node node, ImmutableArray<OutputAxis> axes, LayerSplit request)
    {
        var whyNot = new SortedSet<string>(StringComparer.Ordinal);
        foreach (OutputAxis axis in request.Axis is { } asked ? [asked] : axes)
            foreach (IRegionBackend device in devices)
                if (TrySplit(node, axis, request, device, out string why) is { } split) return split;
                else whyNot.Add(why);
        foreach (string why in whyNot) refused[why] = refused.GetValueOrDefault(why) + 1;
        return null;
    }

    private NodeSplit? TrySplit(Node node, OutputAxis axis, LayerSplit request, IRegionBackend device, out string why)
    {
        why = "";
        if (!OutputAxes.Of(graph, node).Contains(axis)) return Refuse(Placement.Cpu, $"has no {OutputAxes.NameOf(axis)} that can be cut", out why);
        if (OutputAxes.ExtentOf(graph, node, axis) is not { } extent) return Refuse(Placement.Cpu, "a shape is known only at run time", out why);
        if (device.WhyNot(graph, node) is { } refusal) return Refuse(device.Name, refusal, out why);
        if (device.SplitGranule(graph, node, axis) is not { } granule) return Refuse(device.Name, "computes whole results of it only", out why);
        if (extent <= granule) return Refuse(device.Name, $"{extent} {OutputAxes.NameOf(axis)} have no place to cut them, which is at multiples of {granule}", out why);
        long cut = granule * Math.Clamp((long)Math.Round(request.CpuShare * extent / granule), 1, (extent - 1) / granule);
        StepWork ofDevice = OutputAxes.WorkOf(graph, node, axis, extent - cut, extent);
        KernelFacts kernel = device.KernelOf(graph, node, new OutputPart(cut, extent - cut, axis));
        return new NodeSplit(device.Name, axis, cut, device.Model.LatencyUs + device.Model.StepUs(ofDevice, kernel), "split by the call") { DispatchUs = device.Model.Sync?.HandOverUs(kernel) ?? 0 };

        NodeSplit? Refuse(string by, string reason, out string why)
        {
            why = $"{by}: {node.Op.Name}: cannot be split: {reason}";
            return null;
        }
    }
}
