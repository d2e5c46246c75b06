using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Cpu.Bindings;

namespace Parallax.Runtime.Cpu;

/// <summary>What is known of the CPU's kernels before any is prepared.</summary>
internal static class CpuKernels
{
    /// <summary>The kernel for a float32 product or convolution of known shapes, and what it counts of its work; null for any other operator.</summary>
    /// <param name="strict">Whether convolutions are sums of products.</param>
    /// <param name="part">What is computed, by the kernel of the whole: parts are cut where its tiles end; null for all.</param>
    internal static KernelFacts? FactsOf(Graph graph, Node node, bool strict, OutputPart? part = null)
    {
        switch (node.Op)
        {
            case Conv conv when ShapeOf(graph, node, 0) is { Rank: > 2 } data && ShapeOf(graph, node, 1) is { Rank: > 2 } weights:
                ConvProblem problem = ConvolutionBindings.ProblemOf(conv, data.ToArray(), weights);
                ConvAlgorithm algorithm = ConvCatalog.Select(problem, graph.Constant(node.Inputs[1]) is not null, strict);
                return algorithm.Describe(part is { } some ? problem.Part(some) : problem) is var (name, work) ? FactsOf(name, work) : null;
            case MatMul or Gemm when ShapeOf(graph, node, 0) is not null && graph.Constant(node.Inputs[1]) is { DType: DType.Float32 }:
                return FactsOf(GemmCatalog.Best.Name, new KernelWork(GemmCatalog.Best.MR, GemmCatalog.Best.NR));
            default:
                return null;
        }
    }

    /// <param name="blocks">That run at the same time where there are workers for them; 0 where that is not known.</param>
    internal static KernelFacts FactsOf(string name, in KernelWork work, int blocks = 0) =>
        new(name, blocks, TileRows: work.TileRows, TileColumns: work.TileColumns, Macs: work.Macs, Moves: work.Moves);

    private static Shape? ShapeOf(Graph graph, Node node, int input) => graph.TensorFact(node.Inputs[input]) is { Type: DType.Float32, IsStatic: true } fact ? fact.Shape : null;
}
