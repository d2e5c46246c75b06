using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary><c>Identity(x) = x</c>, <c>Cast(x to its own type) = x</c>, <c>Reshape(x to its own shape) = x</c>, <c>Slice(all of x) = x</c> and the like.</summary>
public sealed class RemoveIdentity : IPass
{
    public string Name => "remove-identity";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Outputs.Length != 1 || !IsIdentity(graph, node)) return null;
        return Patch.ReplaceValue(graph, node.Outputs[0], node.Inputs[0]);
    }

    private static bool IsIdentity(Graph graph, Node node)
    {
        if (node.Op is Identity) return true;
        if (graph.TensorFact(node.Inputs.IsEmpty ? ValueId.None : node.Inputs[0]) is not { Type: not DType.Undefined } input) return false;
        if (node.Op is Cast cast) return cast.To == input.Type;
        // A view between equal shapes changes nothing, and so does a slice in steps forward; a symbolic dim equals itself.
        return (node.Op.IsView || (node.Op is Slice && GoesForward(graph, node))) && Match.SameShape(graph, node.Inputs[0], node.Outputs[0]) && graph.TensorFact(node.Outputs[0])!.Type == input.Type;
    }

    private static bool GoesForward(Graph graph, Node slice) =>
        slice.Inputs.Length < 5 || slice.Inputs[4].IsNone || (graph.TensorFact(slice.Inputs[4])!.TryGetInts(out long[] steps) && steps.All(step => step > 0));
}
