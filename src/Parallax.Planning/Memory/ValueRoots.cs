using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>Which value owns the bytes of each value.</summary>
public static class ValueRoots
{
    /// <summary>By value index: the value whose bytes a chain of views shows; the value itself where it is no view.</summary>
    /// <param name="order">All nodes, producers first.</param>
    public static ValueId[] Of(Graph graph, IEnumerable<Node> order)
    {
        var roots = new ValueId[graph.ValueIdBound];
        for (int i = 0; i < roots.Length; i++) roots[i] = new ValueId(i);
        foreach (Node node in order)
            if (node.Op.IsView && !node.Inputs[0].IsNone && !node.Outputs[0].IsNone) roots[node.Outputs[0].Index] = roots[node.Inputs[0].Index];
        return roots;
    }
}
