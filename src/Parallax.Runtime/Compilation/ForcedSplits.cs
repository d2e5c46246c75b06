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
                if (OutputChannels.AxisOf(graph, node) is { } axis && requests.FirstOrDefault(r => r.Names(node)) is { } request && TrySplit(node, axis, request) is { } split) made.Add(node.Id, split);
        Made = made.ToImmutable();
    }

    internal ImmutableDictionary<NodeId, NodeSplit> Made { get; }

    /// <summary>Counted reasons why layers that were asked for are not split.</summary>
    internal IEnumerable<KeyValuePair<string, int>> Refused => refused;

    private NodeSplit? TrySplit(Node node, int axis, LayerSplit request)
    {
        if (OutputChannels.CountOf(graph, node) is not { } extent) return Refuse(Placement.Cpu, node, "a shape is known only at run time");
        foreach (IRegionBackend device in devices)
        {
            if (device.WhyNot(graph, node) is { } why) Refuse(device.Name, node, why);
            else if (device.SplitGranule(graph, node, axis) is not { } granule) Refuse(device.Name, node, "computes whole results of it only");
            else if (extent <= granule) Refuse(device.Name, node, $"{extent} channels have no place to cut them, which is at multiples of {granule}");
            else
            {
                long cut = granule * Math.Clamp((long)Math.Round(request.CpuShare * extent / granule), 1, (extent - 1) / granule);
                StepWork ofDevice = OutputChannels.WorkOf(graph, node, extent - cut, extent);
                return new NodeSplit(device.Name, axis, cut, device.Model.LatencyUs + device.Model.StepUs(ofDevice, device.KernelOf(graph, node)), "split by the call");
            }
        }
        return null;
    }

    private NodeSplit? Refuse(string device, Node node, string why)
    {
        string key = $"{device}: {node.Op.Name}: cannot be split: {why}";
        refused[key] = refused.GetValueOrDefault(key) + 1;
        return null;
    }
}
