using System.Collections.Immutable;

namespace Parallax.Graphs;

/// <summary>Builds a graph from its inputs on, inferring facts as nodes are added. Not thread-safe.</summary>
public sealed class GraphBuilder(string name)
{
    private readonly Graph graph = new(name);

    public Fact Fact(ValueId id) => graph.Fact(id);

    public ValueId Input(string inputName, Fact fact)
    {
        ValueId id = graph.AddValue(inputName, fact, producer: null);
        graph.AddInput(id);
        return id;
    }

    public ValueId Constant(string constantName, Tensor tensor) => graph.AddValue(constantName, TensorFact.Of(tensor), producer: null);

    /// <summary>Adds a node with outputs of the given names (null: not wanted) and returns their ids.</summary>
    /// <exception cref="InvalidModelException">The inputs do not fit the operator.</exception>
    public ImmutableArray<ValueId> Add(string nodeName, Op op, ImmutableArray<ValueId> inputs, params IReadOnlyList<string?> outputNames)
    {
        ImmutableArray<Fact> facts = Inference.Infer(nodeName, op, inputs.Map(i => i.IsNone ? null : graph.Fact(i)), outputNames.Count);
        return graph.AddNode(nodeName, op, inputs, outputNames, facts).Outputs;
    }

    /// <summary>Adds a node with one output of the node's name.</summary>
    public ValueId Add(string nodeName, Op op, params ReadOnlySpan<ValueId> inputs) => Add(nodeName, op, [.. inputs], [nodeName])[0];

    /// <summary>Adds what the model declares of a value to what was inferred.</summary>
    public void Declare(ValueId id, Fact declared) => graph.SetFact(id, ShapeRules.Merge(graph.Fact(id), declared));

    public void Output(string outputName, ValueId id) => graph.AddOutput(outputName, id);

    /// <summary>The finished graph. The builder must not be used any more.</summary>
    public Graph Build() => graph;
}
