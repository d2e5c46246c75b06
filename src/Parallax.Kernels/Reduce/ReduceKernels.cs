using System.Numerics;

namespace Parallax.Kernels.Reduce;

/// <summary>Kernels that reduce axes. Input 0 is the data, output 0 the result, kept axes in order.</summary>
public static class ReduceKernels
{
    /// <param name="axes">The reduced axes, each between 0 and the rank.</param>
    public static Kernel Create(ReduceKind kind, DType type, ReadOnlySpan<long> dims, ReadOnlySpan<int> axes) =>
        TypeDispatch.ForNumber(type, new Factory(kind, new ReduceLayout(dims, axes), type == DType.Bool));

    /// <summary>ArgMax or ArgMin along one axis of [outer, count, inner]; positions are int64.</summary>
    public static Kernel CreateArg(bool largest, bool selectLast, DType type, long outer, long count, long inner) =>
        TypeDispatch.ForNumber(type, new ArgFactory(largest, selectLast, outer, count, inner));

    private readonly record struct Factory(ReduceKind Kind, ReduceLayout Layout, bool Bool) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => Kind switch
        {
            ReduceKind.Sum => new ReduceKernel<T, SumOf<T>>(Layout),
            ReduceKind.Mean => new ReduceKernel<T, MeanOf<T>>(Layout),
            ReduceKind.Max => new ReduceKernel<T, MaxOf<T>>(Layout),
            ReduceKind.Min => new ReduceKernel<T, MinOf<T>>(Layout, Bool ? T.One : null),
            ReduceKind.Prod => new ReduceKernel<T, ProductOf<T>>(Layout),
            ReduceKind.L1 => new ReduceKernel<T, L1Of<T>>(Layout),
            ReduceKind.L2 => new ReduceKernel<T, L2Of<T>>(Layout),
            ReduceKind.LogSum => new ReduceKernel<T, LogSumOf<T>>(Layout),
            ReduceKind.SumSquare => new ReduceKernel<T, SumSquareOf<T>>(Layout),
            _ => new LogSumExpKernel<T>(Layout),
        };
    }

    private readonly record struct ArgFactory(bool Largest, bool Last, long Outer, long Count, long Inner) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => new ArgReduceKernel<T>(Largest, Last, Outer, Count, Inner);
    }
}
