using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Planning;

/// <summary>A value as a box of three extents, the middle one of which is cut.</summary>
/// <param name="Outer">How often the cut extent is passed.</param>
/// <param name="Inner">Elements for each index of it.</param>
public readonly record struct OutputView(long Outer, long Extent, long Inner)
{
    public static OutputView Around(ReadOnlySpan<long> dims, int axis) => new(Shape.Count(dims[..axis]), dims[axis], Shape.Count(dims[(axis + 1)..]));
}

/// <summary>Along which axes the results of convolutions and products can be cut, and what a part of them is.</summary>
public static class OutputAxes
{
    /// <summary>As people call it.</summary>
    public static string NameOf(OutputAxis axis) => axis == OutputAxis.Rows ? "rows" : "channels";

    /// <summary>The axes of a node's result; none where it is no layer, or its operands are vectors.</summary>
    public static ImmutableArray<OutputAxis> Of(Graph graph, Node node)
    {
        switch (node.Op)
        {
            case Conv:
            case Gemm:
                return [OutputAxis.Channels, OutputAxis.Rows];
            case MatMul when Rank(graph, node.Inputs[1]) is { } right and > 1:
                return Rank(graph, node.Inputs[0]) > 1 ? [OutputAxis.Channels, OutputAxis.Rows] : [OutputAxis.Channels];
            default:
                return [];
        }
    }

    /// <summary>A node's result around one of its axes; null where it has no such axis, or a shape is not known.</summary>
    public static OutputView? ViewOf(Graph graph, Node node, OutputAxis axis)
    {
        if (!Of(graph, node).Contains(axis) || Dims(graph, node.Outputs[0]) is not { } dims) return null;
        if (node.Op is Conv) return OutputView.Around(dims, axis == OutputAxis.Rows ? 2 : 1);
        return axis == OutputAxis.Rows ? RowsOf(graph, node, dims) : OutputView.Around(dims, dims.Length - 1);
    }

    /// <summary>Elements along an axis; null where there is no such axis, or a shape is not known.</summary>
    public static long? ExtentOf(Graph graph, Node node, OutputAxis axis) => ViewOf(graph, node, axis)?.Extent;

    /// <summary>The work of computing some of all channels or rows.</summary>
    public static StepWork WorkOf(Graph graph, Node node, OutputAxis axis, long part, long all)
    {
        StepWork work = StepWork.Of(graph, node);
        return work.Has(all, axis) ? work.Part(part, all, axis) : work with { Macs = work.Macs * part / all, Bytes = work.Bytes * part / all, ColdBytes = work.ColdBytes * part / all };
    }

    /// <summary>Rows of products that share one right operand follow one another, unless the left ones are transposed one by one.</summary>
    private static OutputView? RowsOf(Graph graph, Node node, long[] results)
    {
        long rows = results[^2], products = Shape.Count(results.AsSpan(..^2));
        if (node.Op is not MatMul product || products == 1) return new OutputView(1, rows * products, results[^1]);
        if (Dims(graph, node.Inputs[1]) is not { } right) return null;
        return Shape.Count(right.AsSpan(..^2)) == 1 && !product.TransposeA ? new OutputView(1, rows * products, results[^1]) : new OutputView(products, rows, results[^1]);
    }

    private static int? Rank(Graph graph, ValueId value) => graph.TensorFact(value)?.Shape?.Rank;

    private static long[]? Dims(Graph graph, ValueId value) => graph.TensorFact(value) is { Shape: { IsKnown: true } shape } ? shape.ToArray() : null;
}
