using System.Numerics;
using Parallax.Kernels.Reduce;

namespace Parallax.Kernels.Norm;

/// <summary>Normalization kernels for float32 and float64.</summary>
public static class NormKernels
{
    /// <summary>Longer rows are summed in stretches.</summary>
    private const int LongestVectorRow = 4096;

    /// <param name="width">The vectors of float32 rows; null for the widest here.</param>
    public static Kernel Rows(DType type, RowNormalization problem, VecWidth? width = null)
    {
        if (type == DType.Float64) return new RowNormKernel<double>(problem);
        if (!Float(type, problem).IsPerElement || problem.Count > LongestVectorRow) return new RowNormKernel<float>(problem);
        return (width ?? Vec.Widest) switch
        {
            VecWidth.V512 => new VectorRowNormKernel<Vec512>(problem),
            VecWidth.V256 => new VectorRowNormKernel<Vec256>(problem),
            VecWidth.V128 => new VectorRowNormKernel<Vec128>(problem),
            _ => new VectorRowNormKernel<Vec1>(problem),
        };
    }

    /// <summary>Inputs data [batch, channels, spatial], scale, bias, mean, variance; outputs result, and in training running mean and variance where they are kept.</summary>
    public static Kernel Batch(DType type, long batch, long channels, long spatial, double epsilon, double momentum, bool training = false,
        bool keepsMean = false, bool keepsVariance = false) => type == DType.Float64
        ? new BatchNormKernel<double>(batch, channels, spatial, epsilon, momentum, training, keepsMean, keepsVariance)
        : new BatchNormKernel<float>(Float(type, batch), channels, spatial, epsilon, momentum, training, keepsMean, keepsVariance);

    public static Kernel LocalResponse(DType type, long batch, long channels, long spatial, long size, double alpha, double beta, double bias) => type == DType.Float64
        ? new LrnKernel<double>(batch, channels, spatial, size, alpha, beta, bias)
        : new LrnKernel<float>(Float(type, batch), channels, spatial, size, alpha, beta, bias);

    /// <summary>Division by the p-norm (p 1 or 2) along the middle of [outer, count, inner].</summary>
    public static Kernel Lp(DType type, long outer, long count, long inner, long p) => type == DType.Float64
        ? new LpNormKernel<double>(outer, count, inner, p == 2)
        : new LpNormKernel<float>(Float(type, outer), count, inner, p == 2);

    public static Kernel MeanVariance(DType type, ReadOnlySpan<long> dims, ReadOnlySpan<int> axes)
    {
        var layout = new ReduceLayout(dims, axes);
        return type == DType.Float64 ? new MeanVarianceKernel<double>(layout) : new MeanVarianceKernel<float>(Float(type, layout));
    }

    private static TValue Float<TValue>(DType type, TValue value) => type == DType.Float32
        ? value
        : throw new UnsupportedModelException($"normalization of {type}", [$"normalization of {type}"]);
}
