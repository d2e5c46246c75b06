using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>The nodes of a graph as numbers: positions in topological order, their edges, work and facts.</summary>
internal sealed class NodeTable
{
    private readonly HashSet<ValueId> outputs;

    internal NodeTable(Graph graph)
    {
        Graph = graph;
        Nodes = [.. graph.TopologicalOrder()];
        outputs = [];
        foreach (GraphOutput output in graph.Outputs) outputs.Add(output.Value);
        PositionOf = new int[graph.NodeIdBound];
        for (int i = 0; i < Nodes.Length; i++) PositionOf[Nodes[i].Id.Index] = i;
        Dag = new Dag(Nodes.Length, Edges());
        Work = Array.ConvertAll(Nodes, n => StepWork.Of(graph, n));
    }

    internal Graph Graph { get; }

    /// <summary>In topological order.</summary>
    internal Node[] Nodes { get; }

    /// <summary>By node index.</summary>
    internal int[] PositionOf { get; }

    internal Dag Dag { get; }

    internal StepWork[] Work { get; }

    internal bool IsOutput(ValueId id) => outputs.Contains(id);

    /// <summary>The position of the node that computes a value; -1 for inputs, constants and absent values.</summary>
    internal int Producer(ValueId id) => id.IsNone || Graph[id].Producer is not { } producer ? -1 : PositionOf[producer.Index];

    internal bool IsDynamic(int position)
    {
        foreach (ValueId output in Nodes[position].Outputs)
            if (!output.IsNone && Graph.Fact(output) is not TensorFact { IsStatic: true }) return true;
        return false;
    }

    /// <summary>Bytes of a value; 0 where they are not known.</summary>
    internal long BytesOf(ValueId id) => CostOf.Bytes(Graph.Fact(id)).TryGetValue(out long bytes) ? bytes : 0;

    private IEnumerable<(int, int)> Edges()
    {
        for (int i = 0; i < Nodes.Length; i++)
            foreach (ValueId input in Nodes[i].Inputs)
                if (Producer(input) is var producer and >= 0) yield return (producer, i);
    }
}
