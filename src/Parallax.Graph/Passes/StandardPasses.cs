namespace Parallax.Graphs.Passes;

/// <summary>The passes that every model goes through once, when it is loaded: stages, each a pipeline that runs until nothing in it fires.</summary>
public static class StandardPasses
{
    public static IReadOnlyList<IReadOnlyList<IPass>> Stages(IConstantEvaluator evaluator) => [Quantized(evaluator), QuantizedLayout, All(evaluator), Selected(evaluator)];

    /// <summary>Integer operators for QuantizeLinear and DequantizeLinear, before constants that are quantized become floats.</summary>
    public static IReadOnlyList<IPass> Quantized(IConstantEvaluator evaluator) =>
    [
        new FoldConstants(evaluator, keepsQuantized: true),
        new RemoveIdentity(),
        new CancelQuantization(),
        new DequantizeAfterMoving(),
        new QuantizeBeforeMoving(),
        new FuseQuantizedProducts(),
        new FuseQuantizedBinary(),
        new FuseQuantizedMean(),
        new TabulateQuantizedFunctions(evaluator),
        new FuseScaledProducts(),
        new FuseScaledProductBias(),
    ];

    /// <summary>Channels last for the integer operators, once they are known.</summary>
    public static IReadOnlyList<IPass> QuantizedLayout { get; } = [new ConvolveChannelsLast(), new TransposeAfterQuantizedElements(), new MergeTransposes()];

    public static IReadOnlyList<IPass> All(IConstantEvaluator evaluator) =>
    [
        new FoldKnownContents(),
        new WidenNarrowFloats(),
        new FoldConstants(evaluator),
        new RemoveIdentity(),
        new RemoveExpand(),
        new OneHotToGather(),
        new FunctionOfTable(),
        new RecognizeSwish(),
        new RecognizeHardSwish(),
        new RecognizeGelu(),
        new RecognizeGeluTanh(),
        new RecognizeNormalization(),
        new FuseNormalizationBias(),
        new FuseNormalizationResidual(),
        new MergeTransposes(),
        new TransposeToReshape(),
        new MergeReshapes(),
        new PatchesAsRows(),
        new AbsorbTranspose(),
        new FoldScale(),
        new RecognizeAttention(),
        new AbsorbHeadMerge(),
        new AbsorbHeadSplit(),
        new FoldBatchNormalization(),
        new ViewsLast(),
        new FuseBias(),
        new FuseResidual(),
        new FuseActivation(),
    ];

    /// <summary>What nobody reads is not computed: on operators that have got their final form, for these passes change no operator but what it computes.</summary>
    public static IReadOnlyList<IPass> Selected(IConstantEvaluator evaluator) => [new FoldConstants(evaluator), new SelectRowsFirst(), new MergeReshapes()];
}
