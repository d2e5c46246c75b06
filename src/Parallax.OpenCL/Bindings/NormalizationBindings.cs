using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Cpu = Parallax.Runtime.Cpu.Bindings;

namespace Parallax.OpenCL.Bindings;

internal static class NormalizationBindings
{
    internal static readonly ClBinding[] All =
    [
        ClBinding.Of<Softmax>(
            (op, x) => op.Kind == SoftmaxKind.Hardmax ? "Hardmax is not supported" : OperandLimits.UnlessFloat32(x, 0), PrepareSoftmax),
        ClBinding.Of<LayerNormalization>(
            (op, x) => WhyNotOverTrailingAxes(x, op.Axis) ?? WhyNotStash(op, x), (op, x) => OverTrailingAxes(x, op.Axis, centered: true, op.Epsilon)),
        ClBinding.Of<RMSNormalization>(
            (op, x) => WhyNotOverTrailingAxes(x, op.Axis), (op, x) => OverTrailingAxes(x, op.Axis, centered: false, op.Epsilon)),
        ClBinding.Of<InstanceNormalization>(
            (_, x) => OperandLimits.UnlessFloat32(x, 0, 1, 2),
            (op, x) => OverChannels(x, x.Dims(0)[1], channelsPerRow: 1, op.Epsilon, affinePerRow: true)),
        ClBinding.Of<GroupNormalization>(
            (_, x) => OperandLimits.UnlessFloat32(x, 0, 1, 2),
            (op, x) => OverChannels(x, op.Groups, x.Dims(0)[1] / op.Groups, op.Epsilon, op.AffinePerGroup)),
        ClBinding.Of<BatchNormalization>(
            (op, x) => op.Training ? "training is not supported" : OperandLimits.UnlessFloat32(x, 0, 1, 2, 3, 4), PrepareBatchNormalization),
    ];

    private static ClCall PrepareSoftmax(Softmax op, ClPrepareContext x)
    {
        (long outer, long count, long inner) = op.View(x.Dims(0));
        ClArg logarithm = ClArg.Int(op.Kind == SoftmaxKind.LogSoftmax ? 1 : 0);
        return ClCall.Of(RowFolds.AreRows(x, count, inner)
            ? RowFolds.OverRows(x, "softmax", "", outer, ClArg.Input(0), ClArg.Output(0), ClArg.Int(count), logarithm)
            : RowFolds.OverColumns(x, "softmax", "", outer, count, inner, logarithm));
    }

    /// <summary>Data [batch, channels, spatial...] as rows of whole channels.</summary>
    /// <param name="rows">Rows of an image.</param>
    /// <param name="affinePerRow">Whether scale and bias have a number for each row, instead of for each channel.</param>
    private static ClCall OverChannels(ClPrepareContext x, long rows, long channelsPerRow, float epsilon, bool affinePerRow)
    {
        long[] dims = x.Dims(0);
        long spatial = Shape.Count(dims.AsSpan(2)), count = channelsPerRow * spatial;
        return ClCall.Of(RowFolds.OverRows(x, "normalize_channels", "", dims[0] * rows,
            ClArg.Input(0), ClArg.Input(1), ClArg.Input(2), ClArg.Output(0), ClArg.Int(count), ClArg.Float(epsilon), ClArg.Int(rows),
            ClArg.Int(affinePerRow ? 1 : channelsPerRow), ClArg.Int(affinePerRow ? count : spatial)));
    }

    private static ClCall PrepareBatchNormalization(BatchNormalization op, ClPrepareContext x)
    {
        long[] dims = x.Dims(0);
        long channels = dims.Length > 1 ? dims[1] : 1, planes = dims[0] * channels, spatial = Shape.Count(dims.AsSpan(Math.Min(2, dims.Length)));
        return ClCall.Of(new ClLaunch(x.VectorKernel(RowFolds.Items, "normalize_channels"), x.OverChunks(spatial, planes),
        [
            ClArg.Input(0), ClArg.Input(1), ClArg.Input(2), ClArg.Input(3), ClArg.Input(4), ClArg.Output(0), ClArg.Int(spatial), ClArg.Int(planes),
            ClArg.Int(channels), ClArg.Float(op.Epsilon),
        ]));
    }

    private static string? WhyNotOverTrailingAxes(OperandFacts x, long axis)
    {
        if (OperandLimits.UnlessFloat32(x, 0, 1, 2, LayerNormalization.ResidualInput) is { } reason) return reason;
        long[] dims = x.Dims(0);
        int first = ShapeRules.Axis(axis, dims.Length);
        for (int i = 1; i < 3; i++)
            if (x.Has(i) && !Cpu.NormalizationBindings.IsPerElement(x.Dims(i), dims, first))
                return $"input {i} of shape {Shape.ToString(x.Dims(i))} does not have the shape that is normalized, {Shape.ToString(dims.AsSpan(first))}";
        return null;
    }

    private static string? WhyNotStash(LayerNormalization op, OperandFacts x) =>
        op.StashType != DType.Float32 && (x.Wants(1) || x.Wants(2)) ? $"mean and deviation as {op.StashType} are not supported" : null;

    private static ClCall OverTrailingAxes(ClPrepareContext x, long axis, bool centered, float epsilon)
    {
        long[] dims = x.Dims(0);
        int first = ShapeRules.Axis(axis, dims.Length);
        bool hasBias = x.Has(2), hasResidual = x.Has(LayerNormalization.ResidualInput), keepsMean = x.Wants(1), keepsDeviation = x.Wants(2);
        return ClCall.Of(RowFolds.OverRows(x, "normalize", "", Shape.Count(dims.AsSpan(0, first)),
            ClArg.Input(0), ClArg.Input(1), ClArg.Input(hasBias ? 2 : 1), ClArg.Input(hasResidual ? LayerNormalization.ResidualInput : 0), ClArg.Output(0), ClArg.Output(keepsMean ? 1 : 0), ClArg.Output(keepsDeviation ? 2 : 0),
            ClArg.Int(Shape.Count(dims.AsSpan(first))), ClArg.Float(epsilon), ClArg.Int(centered ? 1 : 0), ClArg.Ints(hasBias ? 1 : 0, hasResidual ? 1 : 0),
            ClArg.Ints(keepsMean ? 1 : 0, keepsDeviation ? 1 : 0)));
    }
}
