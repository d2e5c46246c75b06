using System.Collections.Immutable;

namespace Parallax.Graphs;

/// <summary>Type and shape inference over nodes and graphs.</summary>
public static class Inference
{
    /// <summary>The facts of a node's outputs; errors name the node.</summary>
    public static ImmutableArray<Fact> Infer(string nodeName, Op op, ImmutableArray<Fact?> inputs, int outputCount)
    {
        ImmutableArray<Fact> facts;
        try
        {
            facts = op.Infer(new InferContext(inputs, outputCount));
        }
        catch (InvalidModelException e)
        {
            throw new InvalidModelException($"{nodeName} ({op.Name}): {e.Message}", e);
        }
        catch (OverflowException e)
        {
            throw new InvalidModelException($"{nodeName} ({op.Name}): a shape computed from {string.Join(", ", inputs.Select(i => i?.ToString() ?? "-"))} is too large", e);
        }
        if (facts.Length < outputCount) throw new InvalidModelException($"{nodeName} ({op.Name}): has {outputCount} outputs, the operator gives {facts.Length}");
        return facts;
    }

    /// <summary>
    /// A copy of the graph whose inputs have the given facts, and every other value what follows from them. Contents of inputs
    /// (a shape tensor that a caller gave) may be among the facts.
    /// </summary>
    public static Graph Specialize(Graph graph, IReadOnlyList<Fact> inputFacts)
    {
        var copy = new Graph(graph);
        for (int i = 0; i < inputFacts.Count; i++) copy.SetFact(copy.Inputs[i], inputFacts[i]);
        foreach (Node node in copy.TopologicalOrder())
        {
            ImmutableArray<Fact> facts = Infer(node.Name, node.Op, copy.InputFacts(node), node.Outputs.Length);
            for (int i = 0; i < node.Outputs.Length; i++)
                if (!node.Outputs[i].IsNone) copy.SetFact(node.Outputs[i], facts[i]);
        }
        return copy;
    }
}
