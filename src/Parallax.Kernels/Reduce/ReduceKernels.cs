using System.Numerics;

namespace Parallax.Kernels.Reduce;

/// <summary>Which fold a reduction is; the names are those of ONNX.</summary>
public enum Reduction
{
    Sum,
    Mean,
    Max,
    Min,
    Prod,
    L1,
    L2,
    LogSum,
    LogSumExp,
    SumSquare,
}

/// <summary>Kernels that reduce axes. Input 0 is the data, output 0 the result, kept axes in order.</summary>
public static class ReduceKernels
{
    /// <param name="axes">The reduced axes, each between 0 and the rank.</param>
    public static Kernel Create(Reduction reduction, DType type, ReadOnlySpan<long> dims, ReadOnlySpan<int> axes) =>
        TypeDispatch.ForNumber(type, new Factory(reduction, new ReduceLayout(dims, axes), type == DType.Bool));

    /// <summary>ArgMax or ArgMin along one axis of [outer, count, inner]; positions are int64.</summary>
    public static Kernel CreateArg(bool largest, bool selectLast, DType type, long outer, long count, long inner) =>
        TypeDispatch.ForNumber(type, new ArgFactory(largest, selectLast, outer, count, inner));

    private readonly record struct Factory(Reduction Reduction, ReduceLayout Layout, bool Bool) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => Reduction switch
        {
            Reduction.Sum => new ReduceKernel<T, SumOf<T>>(Layout),
            Reduction.Mean => new ReduceKernel<T, MeanOf<T>>(Layout),
            Reduction.Max => new ReduceKernel<T, MaxOf<T>>(Layout),
            Reduction.Min => new ReduceKernel<T, MinOf<T>>(Layout, Bool ? T.One : null),
            Reduction.Prod => new ReduceKernel<T, ProductOf<T>>(Layout),
            Reduction.L1 => new ReduceKernel<T, L1Of<T>>(Layout),
            Reduction.L2 => new ReduceKernel<T, L2Of<T>>(Layout),
            Reduction.LogSum => new ReduceKernel<T, LogSumOf<T>>(Layout),
            Reduction.SumSquare => new ReduceKernel<T, SumSquareOf<T>>(Layout),
            _ => new LogSumExpKernel<T>(Layout),
        };
    }

    private readonly record struct ArgFactory(bool Largest, bool Last, long Outer, long Count, long Inner) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => new ArgReduceKernel<T>(Largest, Last, Outer, Count, Inner);
    }
}
