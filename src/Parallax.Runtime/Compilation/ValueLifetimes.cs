using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime.Compilation;

/// <summary>Which values share bytes because they are views, and who reads those bytes last.</summary>
internal sealed class ValueLifetimes
{
    private readonly Partition partition;
    private readonly ValueId[] rootOf;
    private readonly Dictionary<ValueId, List<NodeId>> readers = [];
    private readonly HashSet<ValueId> outputs = [];
    private readonly int[] position; // of a node in its branch

    internal ValueLifetimes(Partition partition, Predicate<Node> isView)
    {
        this.partition = partition;
        Graph graph = partition.Graph;
        position = new int[graph.NodeIdBound];
        rootOf = [.. Enumerable.Range(0, graph.ValueIdBound).Select(i => new ValueId(i))];
        foreach (Branch branch in partition.Branches)
            for (int i = 0; i < branch.Nodes.Length; i++)
            {
                Node node = graph[branch.Nodes[i]];
                position[node.Id.Index] = i;
                if (isView(node)) rootOf[node.Outputs[0].Index] = Root(node.Inputs[0]);
            }
        foreach (Node node in graph.Nodes)
            foreach (ValueId input in node.Inputs)
            {
                if (input.IsNone || isView(node)) continue;
                if (!readers.TryGetValue(Root(input), out List<NodeId>? list)) readers[Root(input)] = list = [];
                list.Add(node.Id);
            }
        foreach (GraphOutput output in graph.Outputs) outputs.Add(Root(output.Value));
    }

    /// <summary>The value whose bytes a value shows.</summary>
    internal ValueId Root(ValueId id) => rootOf[id.Index];

    /// <summary>Whether nobody reads the bytes of a value after <paramref name="node"/>, in any order in which branches may run.</summary>
    internal bool DiesAt(ValueId id, Node node)
    {
        ValueId root = Root(id);
        if (outputs.Contains(root)) return false;
        BranchId branch = partition.BranchOf[node.Id.Index];
        return readers[root].TrueForAll(r => r == node.Id || (partition.BranchOf[r.Index] == branch && position[r.Index] < position[node.Id.Index]));
    }
}
