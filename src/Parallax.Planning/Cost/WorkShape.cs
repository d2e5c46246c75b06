using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Planning;

/// <summary>
/// The extents of a float32 operator that its time depends on beside its amount of work, in the terms of a matrix product. Zero in all members where they are not known.
/// </summary>
/// <param name="Batch">Independent products: matrices of a batch, images.</param>
/// <param name="Rows">Rows of one product; results of one channel of a convolution; rows of results of any other operator.</param>
/// <param name="Columns">Columns of one product; output channels of a convolution, those of all groups; the last axis of any other operator's results.</param>
/// <param name="Depth">Multiply-accumulates for one result.</param>
/// <param name="Taps">Of a convolution's window; 0 where it is no convolution.</param>
/// <param name="Stride">The product of a convolution's strides.</param>
public readonly record struct WorkShape(long Batch, long Rows, long Columns, long Depth, long Taps = 0, long Stride = 1, long Groups = 1)
{
    public bool IsKnown => Columns > 0;

    internal static WorkShape Of(Graph graph, Node node, long macs)
    {
        if (node.Outputs[0].IsNone || Dims(graph, node.Outputs[0]) is not { Length: > 0 } results || node.Op is IntegerProduct) return default;
        long count = Shape.Count(results);
        if (count == 0) return default;
        long depth = Math.Max(1, macs / count);
        switch (node.Op)
        {
            case Conv conv when Dims(graph, node.Inputs[1]) is { Length: > 2 } weights && results.Length > 2:
                long stride = 1;
                for (int axis = 0; axis < weights.Length - 2; axis++) stride *= conv.Window.Stride(axis);
                return new WorkShape(results[0], Shape.Count(results.AsSpan(2)), results[1], depth, Shape.Count(weights.AsSpan(2)), stride, conv.Groups);
            case MatMul or Gemm when results.Length > 1 && node.Inputs.Length > 1 && Dims(graph, node.Inputs[1]) is { } right:
                long matrices = right.Length > 2 ? Shape.Count(results.AsSpan(..^2)) : 1;
                return new WorkShape(matrices, count / results[^1] / matrices, results[^1], depth);
            default:
                return new WorkShape(1, count / results[^1], results[^1], depth);
        }
    }

    private static long[]? Dims(Graph graph, ValueId value) =>
        graph.TensorFact(value) is { Type: DType.Float32, Shape: { IsKnown: true } shape } ? shape.ToArray() : null;
}
