using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class ReductionImports
{
    internal static readonly OpImport[] All =
    [
        new("ReduceSum", 1..12, n => ReduceByAttribute(n, ReduceKind.Sum)),
        new("ReduceSum", 13.., n => ReduceByInput(n, ReduceKind.Sum)),
        new("ReduceMean", 1..17, n => ReduceByAttribute(n, ReduceKind.Mean)),
        new("ReduceMean", 18.., n => ReduceByInput(n, ReduceKind.Mean)),
        new("ReduceMax", 1..17, n => ReduceByAttribute(n, ReduceKind.Max)),
        new("ReduceMax", 18.., n => ReduceByInput(n, ReduceKind.Max)),
        new("ReduceMin", 1..17, n => ReduceByAttribute(n, ReduceKind.Min)),
        new("ReduceMin", 18.., n => ReduceByInput(n, ReduceKind.Min)),
        new("ReduceProd", 1..17, n => ReduceByAttribute(n, ReduceKind.Prod)),
        new("ReduceProd", 18.., n => ReduceByInput(n, ReduceKind.Prod)),
        new("ReduceL1", 1..17, n => ReduceByAttribute(n, ReduceKind.L1)),
        new("ReduceL1", 18.., n => ReduceByInput(n, ReduceKind.L1)),
        new("ReduceL2", 1..17, n => ReduceByAttribute(n, ReduceKind.L2)),
        new("ReduceL2", 18.., n => ReduceByInput(n, ReduceKind.L2)),
        new("ReduceLogSum", 1..17, n => ReduceByAttribute(n, ReduceKind.LogSum)),
        new("ReduceLogSum", 18.., n => ReduceByInput(n, ReduceKind.LogSum)),
        new("ReduceLogSumExp", 1..17, n => ReduceByAttribute(n, ReduceKind.LogSumExp)),
        new("ReduceLogSumExp", 18.., n => ReduceByInput(n, ReduceKind.LogSumExp)),
        new("ReduceSumSquare", 1..17, n => ReduceByAttribute(n, ReduceKind.SumSquare)),
        new("ReduceSumSquare", 18.., n => ReduceByInput(n, ReduceKind.SumSquare)),

        new("ArgMax", 1.., n => Arg(n, largest: true)),
        new("ArgMin", 1.., n => Arg(n, largest: false)),

        new("Softmax", 1..12, n => new Softmax(SoftmaxKind.Softmax, n.Int("axis", 1), Flatten: true)),
        new("Softmax", 13.., n => new Softmax(SoftmaxKind.Softmax, n.Int("axis", -1))),
        new("LogSoftmax", 1..12, n => new Softmax(SoftmaxKind.LogSoftmax, n.Int("axis", 1), Flatten: true)),
        new("LogSoftmax", 13.., n => new Softmax(SoftmaxKind.LogSoftmax, n.Int("axis", -1))),
        new("Hardmax", 1..12, n => new Softmax(SoftmaxKind.Hardmax, n.Int("axis", 1), Flatten: true)),
        new("Hardmax", 13.., n => new Softmax(SoftmaxKind.Hardmax, n.Int("axis", -1))),
    ];

    private static Reduce ReduceByAttribute(ImportNode n, ReduceKind kind)
    {
        n.AttributeToInput("axes", 1);
        return new Reduce(kind, n.Bool("keepdims", true));
    }

    private static Reduce ReduceByInput(ImportNode n, ReduceKind kind) =>
        new(kind, n.Bool("keepdims", true), n.Bool("noop_with_empty_axes", false));

    private static ArgReduce Arg(ImportNode n, bool largest) =>
        new(largest, n.Int("axis", 0), n.Bool("keepdims", true), n.Bool("select_last_index", false));
}
