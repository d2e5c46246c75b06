using Parallax.Graphs;

namespace Parallax.Runtime.Cpu;

/// <summary>Whether everything in a graph can be computed here.</summary>
internal static class OperatorSupport
{
    /// <exception cref="UnsupportedModelException">Lists every operator without a binding.</exception>
    internal static void Check(Graph graph)
    {
        var missing = new SortedSet<string>(StringComparer.Ordinal);
        Collect(graph, missing);
        if (missing.Count > 0) throw new UnsupportedModelException($"operators without a CPU implementation: {string.Join(", ", missing)}", [.. missing]);
    }

    private static void Collect(Graph graph, SortedSet<string> missing)
    {
        foreach (Node node in graph.Nodes)
        {
            if (!node.Op.IsView && CpuBindings.Find(node.Op.GetType()) is null) missing.Add(node.Op.Name);
            foreach (Graph body in node.Op.Bodies) Collect(body, missing);
        }
    }
}
