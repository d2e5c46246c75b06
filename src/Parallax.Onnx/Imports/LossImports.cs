using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class LossImports
{
    internal static readonly OpImport[] All =
    [
        new("NegativeLogLikelihoodLoss", 12.., Loss),
        new("SoftmaxCrossEntropyLoss", 12.., CrossEntropy),
        .. OptimizerImports.All,
    ];

    private static NegativeLogLikelihood Loss(ImportNode n) => new(
        n.String("reduction", "mean") switch
        {
            "none" => LossReduction.None,
            "sum" => LossReduction.Sum,
            "mean" => LossReduction.Mean,
            var other => throw n.Invalid($"reduction must be none, sum or mean, got '{other}'"),
        },
        n.Has("ignore_index") ? n.Int("ignore_index") : null);

    private static ImmutableArray<ValueId> CrossEntropy(ImportNode n)
    {
        ValueId logarithms = n.Add("log_prob", new Softmax(SoftmaxKind.LogSoftmax, 1), n.Required(0));
        ValueId loss = n.Add("loss", Loss(n), n.HasInput(2) ? [logarithms, n.Required(1), n.Required(2)] : [logarithms, n.Required(1)]);
        return n.OutputCount > 1 ? [loss, logarithms] : [loss];
    }
}
