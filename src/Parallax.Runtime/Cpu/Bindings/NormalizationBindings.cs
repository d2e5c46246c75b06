using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Norm;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class NormalizationBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<BatchNormalization>((op, x) =>
        {
            long[] dims = x.Dims(0);
            long channels = dims.Length > 1 ? dims[1] : 1;
            return NormKernels.Batch(x.Type(0), dims[0], channels, Shape.Count(dims.AsSpan(Math.Min(2, dims.Length))), op.Epsilon, op.Momentum,
                op.Training, x.Wants(1), x.Wants(2));
        }),
        Binding.Kernel<InstanceNormalization>((op, x) =>
        {
            long[] dims = x.Dims(0);
            int spatial = checked((int)Shape.Count(dims.AsSpan(2)));
            var problem = new RowNormalization(dims[0] * dims[1], spatial, Centered: true, op.Epsilon) { RowPeriod = dims[1], RowStride = 1, Run = Whole(spatial), HasBias = true };
            return NormKernels.Rows(x.Type(0), problem);
        }),
        Binding.Kernel<GroupNormalization>(GroupNormalization),
        Binding.Kernel<LayerNormalization>((op, x) => OverTrailingAxes(x, op.Axis, centered: true, op.Epsilon)),
        Binding.Kernel<RMSNormalization>((op, x) => OverTrailingAxes(x, op.Axis, centered: false, op.Epsilon)),
        Binding.Kernel<LpNormalization>((op, x) =>
        {
            long[] dims = x.Dims(0);
            int axis = ShapeRules.Axis(op.Axis, dims.Length);
            return NormKernels.Lp(x.Type(0), Shape.Count(dims.AsSpan(0, axis)), dims[axis], Shape.Count(dims.AsSpan(axis + 1)), op.P);
        }),
        Binding.Kernel<LocalResponseNormalization>((op, x) =>
        {
            long[] dims = x.Dims(0);
            return NormKernels.LocalResponse(x.Type(0), dims[0], dims[1], Shape.Count(dims.AsSpan(2)), op.Size, op.Alpha, op.Beta, op.Bias);
        }),
        Binding.Kernel<MeanVarianceNormalization>((op, x) =>
            NormKernels.MeanVariance(x.Type(0), x.Dims(0), ShapeRules.Axes(op.Axes.AsSpan(), x.Dims(0).Length))),
    ];

    // A row of one element still has one scale for the whole row.
    private static int Whole(int count) => Math.Max(2, count);

    private static Kernel GroupNormalization(GroupNormalization op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        long spatial = Shape.Count(dims.AsSpan(2)), channels = dims[1] / op.Groups;
        int count = checked((int)(channels * spatial));
        var problem = new RowNormalization(dims[0] * op.Groups, count, Centered: true, op.Epsilon)
        {
            HasBias = true,
            RowPeriod = op.Groups,
            RowStride = op.AffinePerGroup ? 1 : channels,
            Run = op.AffinePerGroup ? Whole(count) : (int)spatial,
        };
        return NormKernels.Rows(x.Type(0), problem);
    }

    private static Kernel OverTrailingAxes(PrepareContext x, long axis, bool centered, double epsilon)
    {
        long[] dims = x.Dims(0);
        int first = ShapeRules.Axis(axis, dims.Length);
        int count = checked((int)Shape.Count(dims.AsSpan(first)));
        var problem = new RowNormalization(Shape.Count(dims.AsSpan(0, first)), count, centered, epsilon)
        {
            HasBias = x.Has(2),
            HasResidual = x.Has(LayerNormalization.ResidualInput),
            KeepsMean = x.Wants(1),
            KeepsDeviation = x.Wants(2),
            FloatStatistics = x.Wants(1) && x.OutputType(1) == DType.Float32 || x.Wants(2) && x.OutputType(2) == DType.Float32,
        };
        bool plain = IsPerElement(x.Dims(1), dims, first) && (!x.Has(2) || IsPerElement(x.Dims(2), dims, first));
        if (!plain) problem = problem with { Pattern = BroadcastPattern(x, dims, first) };
        return NormKernels.Rows(x.Type(0), problem);
    }

    /// <summary>Whether a scale or bias has exactly one element for each element of a row of the data.</summary>
    internal static bool IsPerElement(long[] dims, long[] data, int first)
    {
        ReadOnlySpan<long> trimmed = dims;
        while (trimmed.Length > data.Length - first && trimmed[0] == 1) trimmed = trimmed[1..];
        return trimmed.SequenceEqual(data.AsSpan(first));
    }

    private static (int[] Scale, int[] Bias, long Rows) BroadcastPattern(PrepareContext x, long[] dims, int first)
    {
        bool perRow = SpansRows(x.Dims(1), dims.Length - first) || x.Has(2) && SpansRows(x.Dims(2), dims.Length - first);
        long rows = perRow ? Shape.Count(dims.AsSpan(0, first)) : 1;
        ReadOnlySpan<long> pattern = perRow ? dims : dims.AsSpan(first);
        return (Positions(x.Dims(1), pattern), x.Has(2) ? Positions(x.Dims(2), pattern) : [], rows);
    }

    private static bool SpansRows(long[] dims, int normalizedRank) => dims.Length > normalizedRank && Shape.Count(dims.AsSpan(0, dims.Length - normalizedRank)) > 1;

    // Where each element of a tensor of the wide shape finds its partner in a tensor that broadcasts to it.
    private static int[] Positions(long[] dims, ReadOnlySpan<long> wide)
    {
        var positions = new int[Shape.Count(wide)];
        long[] strides = Shape.Strides(dims);
        for (int i = 0; i < positions.Length; i++)
        {
            long rest = i, position = 0;
            for (int axis = wide.Length - 1, own = dims.Length - 1; axis >= 0; axis--, own--)
            {
                (rest, long digit) = Math.DivRem(rest, wide[axis]);
                if (own >= 0 && dims[own] != 1) position += digit * strides[own];
            }
            positions[i] = (int)position;
        }
        return positions;
    }
}
