using Parallax.Graphs;
using Parallax.Runtime.Compilation;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Runs a graph node by node with the CPU's kernels.</summary>
internal static class Interpreter
{
    /// <summary>The outputs for an input.</summary>
    internal static Tensor[] Run(Graph graph, Tensor input)
    {
        var values = new Dictionary<ValueId, Tensor> { [graph.Inputs[0]] = input };
        foreach (Node node in graph.TopologicalOrder())
        {
            Tensor?[] results = new ConstantEvaluator().Evaluate(node, [.. node.Inputs.Select(i => i.IsNone ? null : graph.Constant(i) ?? values[i])])!;
            for (int i = 0; i < results.Length; i++)
                if (results[i] is { } result) values[node.Outputs[i]] = result;
        }
        return [.. graph.Outputs.Select(o => values[o.Value])];
    }
}
