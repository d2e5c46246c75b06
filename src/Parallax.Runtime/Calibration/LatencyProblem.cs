using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime.Calibration;

/// <summary>One operator whose time is sampled.</summary>
/// <param name="Name">The same name means the same work.</param>
/// <param name="Build">Makes the graph of the operator alone, with known shapes.</param>
internal sealed record LatencyProblem(string Name, Func<Graph> Build)
{
    /// <summary>The operators of a graph, each work once: views, control flow and what depends on data are left out.</summary>
    /// <param name="graph">Must live as long as the problems: they use its constants.</param>
    internal static IReadOnlyList<LatencyProblem> Of(Graph graph)
    {
        var found = new Dictionary<string, LatencyProblem>();
        foreach (Node node in graph.TopologicalOrder())
        {
            if (node.Op.IsView || node.Op.IsControlFlow || !node.Inputs.Concat(node.Outputs).All(v => v.IsNone || graph.TensorFact(v) is { IsStatic: true })) continue;
            string name = NameOf(graph, node);
            found.TryAdd(name, new LatencyProblem(name, () => Alone(graph, node)));
        }
        return [.. found.Values];
    }

    /// <summary>Everything that the features of a sample can tell, and the shapes.</summary>
    private static string NameOf(Graph graph, Node node)
    {
        StepWork work = StepWork.Of(graph, node);
        string inputs = string.Join(' ', node.Inputs.Select(i => i.IsNone ? "-" : $"{(graph.Constant(i) is null ? "" : "constant ")}{graph.Fact(i)}"));
        return $"{node.Op.Name}({inputs}) stride {work.Extents.Stride} groups {work.Extents.Groups} epilogue {work.EpilogueResults}";
    }

    private static Graph Alone(Graph graph, Node node)
    {
        var builder = new GraphBuilder(node.Name);
        var values = new Dictionary<ValueId, ValueId> { [ValueId.None] = ValueId.None };
        foreach (ValueId input in node.Inputs)
            if (!values.ContainsKey(input))
                values[input] = graph.Constant(input) is { } constant ? builder.Constant($"c{input.Index}", constant) : builder.Input($"x{input.Index}", graph.Fact(input));
        ImmutableArray<ValueId> outputs = builder.Add(node.Name, node.Op, [.. node.Inputs.Select(i => values[i])], [.. node.Outputs.Select(o => o.IsNone ? null : $"y{o.Index}")]);
        foreach (ValueId output in outputs)
            if (!output.IsNone) builder.Output($"y{output.Index}", output);
        return builder.Build();
    }
}
