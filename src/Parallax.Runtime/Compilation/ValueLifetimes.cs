using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime.Compilation;

/// <summary>Who reads the bytes last that values share.</summary>
internal sealed class ValueLifetimes
{
    private readonly Partition partition;
    private readonly ValueRanges ranges;
    private readonly Dictionary<ValueId, List<NodeId>> readers = [];
    private readonly HashSet<ValueId> outputs = [];
    private readonly int[] position; // of a node in its branch

    internal ValueLifetimes(Partition partition, CopyElision elision)
    {
        this.partition = partition;
        ranges = elision.Ranges;
        Graph graph = partition.Graph;
        position = new int[graph.NodeIdBound];
        foreach (Branch branch in partition.Branches)
            for (int i = 0; i < branch.Nodes.Length; i++) position[branch.Nodes[i].Index] = i;
        foreach (Node node in graph.Nodes)
            for (int i = 0; i < node.Inputs.Length; i++)
            {
                if (node.Inputs[i].IsNone || !elision.Reads(node, i)) continue;
                ValueId root = ranges.Root(node.Inputs[i]);
                if (!readers.TryGetValue(root, out List<NodeId>? list)) readers[root] = list = [];
                list.Add(node.Id);
            }
        foreach (GraphOutput output in graph.Outputs) outputs.Add(ranges.Root(output.Value));
    }

    /// <summary>Whether nobody reads the bytes of a value after <paramref name="node"/>, in any order in which branches may run.</summary>
    internal bool DiesAt(ValueId id, Node node)
    {
        ValueId root = ranges.Root(id);
        if (outputs.Contains(root)) return false;
        BranchId branch = partition.BranchOf[node.Id.Index];
        return readers[root].TrueForAll(r => r == node.Id || (partition.BranchOf[r.Index] == branch && position[r.Index] < position[node.Id.Index]));
    }
}
