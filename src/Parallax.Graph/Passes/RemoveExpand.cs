using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary><c>f(Expand(x), y) = f(x, y)</c> for a function of elements that broadcasts x as far by itself.</summary>
public sealed class RemoveExpand : IPass
{
    public string Name => "remove-expand";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not (Binary or Where) || graph.TensorFact(node.Outputs[0])?.Shape is not { } shape) return null;
        for (int i = 0; i < node.Inputs.Length; i++)
            if (graph.Producer<Expand>(node.Inputs[i]) is { } expand && Without(graph, node, i) == shape && graph.TensorFact(expand.Inputs[0])?.Shape is not null)
                return Patch.ReplaceNode(graph, node, node.Op, node.Inputs.SetItem(i, expand.Inputs[0]).AsSpan());
        return null;
    }

    /// <summary>The shape of the result where input <paramref name="index"/> is not expanded before; null where it is not known.</summary>
    private static Shape? Without(Graph graph, Node node, int index)
    {
        Shape? result = Shape.Scalar;
        for (int i = 0; i < node.Inputs.Length && result is not null; i++)
            result = ShapeRules.Broadcast(result, graph.TensorFact(i == index ? graph.Producer(node.Inputs[i])!.Inputs[0] : node.Inputs[i])?.Shape);
        return result;
    }
}
