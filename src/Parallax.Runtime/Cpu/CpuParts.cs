using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Planning;

namespace Parallax.Runtime.Cpu;

/// <summary>Where the CPU can cut results.</summary>
internal static class CpuParts
{
    /// <summary>Cuts of a layer's output channels lie at multiples of this, so that each part has the bits that it would have in the whole and no tile is computed for nothing.</summary>
    internal static long GranuleOf(Graph graph, Node node) => node.Op switch
    {
        Conv conv => ConvProblem.GranuleOf((int)conv.Groups, (int)OutputChannels.CountOf(graph, node)!.Value),
        _ => GemmCatalog.Best.NR,
    };
}
