using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Planning;

namespace Parallax.Runtime.Cpu;

/// <summary>Where the CPU can cut results.</summary>
internal static class CpuParts
{
    /// <summary>Cuts of a layer's result lie at multiples of this, so that each part has the bits that it would have in the whole and no tile is computed for nothing.</summary>
    /// <param name="axis">One that the node has, with a known extent.</param>
    internal static long GranuleOf(Graph graph, Node node, OutputAxis axis) => node.Op switch
    {
        Conv when axis == OutputAxis.Rows => ConvProblem.RowGranuleOf(new Shape(graph.TensorFact(node.Inputs[1])!.Shape!.Value.Dims[2..]).ToArray()),
        Conv conv => ConvProblem.ChannelGranuleOf((int)conv.Groups, (int)OutputAxes.ExtentOf(graph, node, axis)!.Value),
        _ => axis == OutputAxis.Rows ? GemmCatalog.Best.MR : GemmCatalog.Best.NR,
    };
}
