namespace Parallax.Graphs.Passes;

/// <summary>The pipeline that every model goes through once, when it is loaded.</summary>
public static class StandardPasses
{
    public static IReadOnlyList<IPass> All(IConstantEvaluator evaluator) =>
    [
        new FoldKnownContents(),
        new WidenNarrowFloats(),
        new FoldConstants(evaluator),
        new RemoveIdentity(),
        new RecognizeSwish(),
        new RecognizeHardSwish(),
        new RecognizeGelu(),
        new RecognizeGeluTanh(),
        new RecognizeNormalization(),
        new FuseNormalizationBias(),
        new MergeTransposes(),
        new TransposeToReshape(),
        new MergeReshapes(),
        new AbsorbTranspose(),
        new FoldScale(),
        new RecognizeAttention(),
        new FoldBatchNormalization(),
        new FuseBias(),
        new FuseResidual(),
        new FuseActivation(),
    ];
}
