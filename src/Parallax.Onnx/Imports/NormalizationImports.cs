using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class NormalizationImports
{
    private const float Epsilon = 1e-5f;

    internal static readonly OpImport[] All =
    [
        new("BatchNormalization", 1..8, OldBatchNormalization),
        new("BatchNormalization", 9..13, n => new BatchNormalization(n.Float("epsilon", Epsilon))),
        new("BatchNormalization", 14.., n => new BatchNormalization(n.Float("epsilon", Epsilon), n.Float("momentum", 0.9f), n.Bool("training_mode", false))),
        new("InstanceNormalization", 1.., n => new InstanceNormalization(n.Float("epsilon", Epsilon))),
        new("LayerNormalization", 1.., n => new LayerNormalization(n.Int("axis", -1), n.Float("epsilon", Epsilon), n.DType("stash_type", DType.Float32))),
        new("RMSNormalization", 23.., n => new RMSNormalization(n.Int("axis", -1), n.Float("epsilon", Epsilon))),
        new("SimplifiedLayerNormalization", 1.., n => new RMSNormalization(n.Int("axis", -1), n.Float("epsilon", Epsilon))),
        new("SimplifiedLayerNormalization", 1.., n => new RMSNormalization(n.Int("axis", -1), n.Float("epsilon", Epsilon)), "com.microsoft"),
        new("GroupNormalization", 18..20, n => new GroupNormalization(n.Int("num_groups"), n.Float("epsilon", Epsilon), AffinePerGroup: true)),
        new("GroupNormalization", 21.., n => new GroupNormalization(n.Int("num_groups"), n.Float("epsilon", Epsilon))),
        new("LpNormalization", 1.., n => new LpNormalization(n.Int("axis", -1), n.Int("p", 2))),
        new("LRN", 1.., n => new LocalResponseNormalization(n.Int("size"), n.Float("alpha", 1e-4f), n.Float("beta", 0.75f), n.Float("bias", 1f))),
        new("MeanVarianceNormalization", 1..8, n => new MeanVarianceNormalization(n.Bool("across_channels", false) ? [0, 1, 2, 3] : [0, 2, 3])),
        new("MeanVarianceNormalization", 9.., n => new MeanVarianceNormalization([.. n.Ints("axes") ?? [0, 2, 3]])),
        new("SkipLayerNormalization", 1.., n => SkipNormalization(n, new LayerNormalization(-1, n.Float("epsilon", 1e-12f)), biasInput: 4), "com.microsoft"),
        new("SkipSimplifiedLayerNormalization", 1.., n => SkipNormalization(n, new RMSNormalization(-1, n.Float("epsilon", 1e-12f)), biasInput: 3), "com.microsoft"),
    ];

    // Normalizes input + skip (+ bias); output 3 shows that sum.
    private static ImmutableArray<ValueId> SkipNormalization(ImportNode n, Op normalization, int biasInput)
    {
        if (n.OutputNames.Skip(1).Take(2).Any(name => name is not null)) throw n.Unsupported("outputs 1 and 2, the statistics");
        ValueId sum = n.Add("sum", new Binary(BinaryFunction.Add), n.Inputs[0], n.Inputs[1]);
        if (n.HasInput(biasInput)) sum = n.Add("bias", new Binary(BinaryFunction.Add), sum, n.Inputs[biasInput]);
        ValueId result = biasInput == 4 && n.HasInput(3)
            ? n.Add("normalize", normalization, sum, n.Inputs[2], n.Inputs[3])
            : n.Add("normalize", normalization, sum, n.Inputs[2]);
        return [.. new[] { result, ValueId.None, ValueId.None, sum }.Take(n.OutputCount)];
    }

    // Before opset 9 statistics could be kept per element, and before opset 7 an attribute said whether to train.
    private static BatchNormalization OldBatchNormalization(ImportNode n)
    {
        if (!n.Bool("spatial", true)) throw n.Unsupported("statistics per element (spatial = 0)");
        return new BatchNormalization(n.Float("epsilon", Epsilon));
    }
}
