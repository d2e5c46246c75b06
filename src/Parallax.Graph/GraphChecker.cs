namespace Parallax.Graphs;

/// <summary>Checks what every graph must satisfy. Cheap enough to run after import and, in tests, after every pass.</summary>
public static class GraphChecker
{
    /// <exception cref="InvalidModelException">A cycle, a node that reads a value that is not there, or an output without a value.</exception>
    public static void Check(Graph graph)
    {
        foreach (Node node in graph.TopologicalOrder())
        {
            foreach (ValueId input in node.Inputs)
                if (!input.IsNone && !graph.IsConsumer(node.Id, input))
                    throw new InvalidModelException($"graph '{graph.Name}': {node} reads {graph[input].Name}, which does not know it");
            foreach (ValueId output in node.Outputs)
                if (!output.IsNone && graph[output].Producer != node.Id)
                    throw new InvalidModelException($"graph '{graph.Name}': {graph[output].Name} does not name {node} as its producer");
            foreach (Graph body in node.Op.Bodies) Check(body);
        }
        foreach (GraphOutput output in graph.Outputs) _ = graph[output.Value];
    }
}
