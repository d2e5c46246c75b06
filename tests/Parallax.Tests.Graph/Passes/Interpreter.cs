using Parallax.Graphs;
using Parallax.Runtime.Compilation;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Runs a graph node by node with the CPU's kernels.</summary>
internal static class Interpreter
{
    /// <summary>The outputs for the inputs.</summary>
    internal static Tensor[] Run(Graph graph, params Tensor[] inputs)
    {
        var values = new Dictionary<ValueId, Tensor>();
        for (int i = 0; i < inputs.Length; i++) values[graph.Inputs[i]] = inputs[i];
        foreach (Node node in graph.TopologicalOrder())
        {
            Tensor?[] results = new ConstantEvaluator().Evaluate(node, [.. node.Inputs.Select(i => i.IsNone ? null : graph.Constant(i) ?? values[i])])!;
            for (int i = 0; i < results.Length; i++)
                if (results[i] is { } result) values[node.Outputs[i]] = result;
        }
        return [.. graph.Outputs.Select(o => values[o.Value])];
    }
}
