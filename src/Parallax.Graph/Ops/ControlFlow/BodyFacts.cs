using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Facts and costs of the bodies of control flow.</summary>
public static class BodyFacts
{
    /// <summary>The facts of a body's outputs where its inputs have the given facts.</summary>
    internal static ImmutableArray<Fact> Infer(Graph body, IReadOnlyList<Fact?> inputs)
    {
        if (body.Inputs.Count != inputs.Count)
            throw new InvalidModelException($"body '{body.Name}' has {body.Inputs.Count} inputs, gets {inputs.Count}");
        var facts = new Fact[inputs.Count];
        for (int i = 0; i < facts.Length; i++)
            facts[i] = inputs[i] ?? throw new InvalidModelException($"body '{body.Name}': input {i} is missing");
        Graph specialized = Inference.Specialize(body, facts);
        return [.. specialized.Outputs.Select(output => specialized.Fact(output.Value))];
    }

    /// <summary>The fact of an iteration's number or condition: a scalar, or one element where the body says so.</summary>
    internal static TensorFact Scalar(Graph body, int input, DType type) => new(type, Shape.Of(ScalarDims(body, input)));

    /// <summary>The dims in which <see cref="Scalar"/>'s value is given to the body.</summary>
    public static long[] ScalarDims(Graph body, int input) => body.Fact(body.Inputs[input]) is TensorFact { Shape.Rank: 1 } ? [1] : [];

    /// <summary>What one run of a body costs, as far as its facts tell.</summary>
    internal static Cost Cost(Graph body) => body.Nodes.Aggregate(new Cost(0, 0), (sum, node) => sum + body.Cost(node));

    /// <summary>The value behind operators that only rename it.</summary>
    internal static ValueId Origin(Graph body, ValueId value)
    {
        while (body.Producer(value) is { Op: { IsView: true, Name: "Identity" } } node) value = node.Inputs[0];
        return value;
    }
}
