using System.Collections.Immutable;
using System.Globalization;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>Adds up what the branches consist of.</summary>
internal static class BranchBuilder
{
    internal static ImmutableArray<Branch> Build(NodeTable nodes, Dag branchGraph, int[] branchOf, Regions.Choice chosen, CostModel cpu)
    {
        ImmutableArray<Region> regions = chosen.All;
        var members = new List<int>[branchGraph.Count];
        for (int i = 0; i < members.Length; i++) members[i] = [];
        for (int i = 0; i < branchOf.Length; i++) members[branchOf[i]].Add(i);
        int[] levels = branchGraph.Levels();
        long[] peaks = Peaks(nodes, branchOf, members);
        var branches = ImmutableArray.CreateBuilder<Branch>(members.Length);
        for (int b = 0; b < members.Length; b++)
        {
            int region = chosen.RegionOf[members[b][0]];
            int count = members[b].Count(i => !nodes.Nodes[i].Op.IsView);
            branches.Add(new Branch(
                new BranchId(b),
                [.. members[b].Select(i => nodes.Nodes[i].Id)],
                Ids(branchGraph.Predecessors(b)),
                Ids(branchGraph.Successors(b)),
                levels[b],
                count,
                members[b].Sum(i => nodes.Work[i].Macs),
                members[b].Sum(i => nodes.Work[i].Bytes),
                peaks[b],
                members[b].Exists(nodes.IsDynamic),
                region < 0 ? null : region,
                region >= 0
                    ? new Placement(regions[region].Backend, regions[region].Why, regions[region].PredictedOffloadUs)
                    : new Placement(Placement.Cpu, WhyCpu(nodes, members[b], chosen), CpuUs(nodes, members[b], cpu)))
            {
                PlannedWorkers = chosen.WorkersOf.IsDefault ? null : chosen.WorkersOf[b],
            });
        }
        return branches.MoveToImmutable();
    }

    private static ImmutableArray<BranchId> Ids(ReadOnlySpan<int> branches)
    {
        var ids = ImmutableArray.CreateBuilder<BranchId>(branches.Length);
        foreach (int branch in branches) ids.Add(new BranchId(branch));
        return ids.MoveToImmutable();
    }

    private static double CpuUs(NodeTable nodes, List<int> members, CostModel cpu) =>
        members.Sum(i => cpu.PredictUs(nodes.Work[i]));

    private static string WhyCpu(NodeTable nodes, List<int> members, Regions.Choice chosen)
    {
        if (members.Exists(i => nodes.Nodes[i].Op.IsControlFlow)) return "control flow";
        if (members.Exists(nodes.IsDynamic)) return "a shape is known only at run time";
        if (chosen.Joint is { } joint) return $"planned jointly with {joint.Backend}";
        return chosen.All.IsEmpty ? "the only backend" : "in no region that pays for offloading";
    }

    /// <summary>
    /// The liveness peak of each branch on its own: a value lives from its producer to its last reader in the branch, or to the branch's end where
    /// another branch or the caller reads it.
    /// </summary>
    private static long[] Peaks(NodeTable nodes, int[] branchOf, List<int>[] members)
    {
        ValueId[] rootOf = ValueRoots.Of(nodes.Graph, nodes.Nodes);
        var lastUse = new int[nodes.Graph.ValueIdBound]; // by root: a position in the topological order
        foreach (Node node in nodes.Nodes)
        {
            int position = nodes.PositionOf[node.Id.Index];
            foreach (ValueId input in node.Inputs)
                if (nodes.Producer(input) >= 0) lastUse[Root(input)] = LastUse(Root(input), position);
            foreach (ValueId output in node.Outputs)
                if (!output.IsNone) lastUse[Root(output)] = nodes.IsOutput(output) ? int.MaxValue : LastUse(Root(output), position);
        }
        var peaks = new long[members.Length];
        var freed = new Dictionary<int, long>();
        for (int b = 0; b < members.Length; b++)
        {
            long live = 0;
            freed.Clear();
            foreach (int position in members[b])
            {
                foreach (ValueId output in nodes.Nodes[position].Outputs)
                {
                    if (output.IsNone || Root(output) != output.Index) continue;
                    long bytes = MemoryProblem.Align(nodes.BytesOf(output));
                    live += bytes;
                    int last = lastUse[output.Index];
                    freed[last] = freed.GetValueOrDefault(last) + bytes;
                }
                peaks[b] = Math.Max(peaks[b], live);
                live -= freed.GetValueOrDefault(position);
            }
        }
        return peaks;

        int Root(ValueId id) => rootOf[id.Index].Index;

        int LastUse(int root, int position)
        {
            int producer = nodes.Producer(new ValueId(root));
            return producer >= 0 && branchOf[producer] != branchOf[position] ? int.MaxValue : Math.Max(lastUse[root], position);
        }
    }
}
