using Parallax.Graphs;
using Parallax.Runtime;

namespace Parallax.OpenCL.Regions;

/// <summary>What is known of a node's operands.</summary>
internal static class RegionFacts
{
    internal static OperandFacts Of(Graph graph, Node node) => new([.. node.Inputs.Select(graph.TensorFact)], [.. node.Outputs.Select(graph.TensorFact)]);
}
