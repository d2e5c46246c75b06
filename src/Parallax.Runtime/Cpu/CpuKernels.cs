using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Cpu.Bindings;

namespace Parallax.Runtime.Cpu;

/// <summary>What is known of the CPU's kernels before any is prepared.</summary>
internal static class CpuKernels
{
    /// <summary>Name and tile of the kernel for a float32 product or convolution of known shapes, which are those of its parts too, for these are cut where the whole's tiles end; null for any other operator.</summary>
    /// <param name="strict">Whether convolutions are sums of products.</param>
    internal static KernelFacts? FactsOf(Graph graph, Node node, bool strict)
    {
        switch (node.Op)
        {
            case Conv conv when ShapeOf(graph, node, 0) is { Rank: > 2 } data && ShapeOf(graph, node, 1) is { Rank: > 2 } weights:
                ConvProblem problem = ConvolutionBindings.ProblemOf(conv, data.ToArray(), weights);
                return ConvCatalog.Select(problem, graph.Constant(node.Inputs[1]) is not null, strict).Describe(problem) is var (name, rows, columns) ? new KernelFacts(name, 0, TileRows: rows, TileColumns: columns) : null;
            case MatMul or Gemm when ShapeOf(graph, node, 0) is not null && graph.Constant(node.Inputs[1]) is { DType: DType.Float32 }:
                return new KernelFacts(GemmCatalog.Best.Name, 0, TileRows: GemmCatalog.Best.MR, TileColumns: GemmCatalog.Best.NR);
            default:
                return null;
        }
    }

    private static Shape? ShapeOf(Graph graph, Node node, int input) => graph.TensorFact(node.Inputs[input]) is { Type: DType.Float32, IsStatic: true } fact ? fact.Shape : null;
}
