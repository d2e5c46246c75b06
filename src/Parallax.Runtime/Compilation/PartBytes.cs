using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Cpu;

namespace Parallax.Runtime.Compilation;

/// <summary>Which bytes of a node's operands a part of its result uses. All shapes are known.</summary>
internal static class PartBytes
{
    internal static ByteRows OfResult(Graph graph, Node node, OutputPart part) => Of(OutputAxes.ViewOf(graph, node, part.Axis)!.Value, part.First, part.Count, graph.TensorFact(node.Outputs[0])!.Type);

    /// <summary>Null where every part takes all of an input.</summary>
    internal static ByteRows? OfInput(Graph graph, Node node, OutputPart part, int input)
    {
        if (input == IFusible.ResidualInput) return OfResult(graph, node, part);
        if (input != 0 || part.Axis != OutputAxis.Rows || node.Op is MatMul { TransposeA: true } or Gemm { TransposeA: true }) return null;
        TensorFact fact = graph.TensorFact(node.Inputs[0])!;
        long[] dims = fact.Shape!.Value.ToArray();
        if (node.Op is Conv conv)
        {
            (WindowAxis seen, long first) = Windows.Over(conv.WindowOver(graph.TensorFact(node.Inputs[1])!.Shape!.Value), dims)[0].Part(part.First, part.Count);
            return Of(OutputView.Around(dims, 2), first, seen.Input, fact.Type);
        }
        long rows = OutputAxes.ViewOf(graph, node, part.Axis)!.Value.Extent;
        return Of(new OutputView(Shape.Count(dims.AsSpan(..^1)) / rows, rows, dims[^1]), part.First, part.Count, fact.Type);
    }

    private static ByteRows Of(OutputView whole, long first, long count, DType type)
    {
        long one = type.ElementBytes() * whole.Inner;
        return new ByteRows(first * one, count * one, whole.Extent * one, whole.Outer);
    }
}
