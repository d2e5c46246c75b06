using System.Numerics;
using Parallax.Kernels.Reduce;

namespace Parallax.Kernels.Pool;

public enum Pooling
{
    Max,
    Average,
    Lp,
}

/// <summary>Pooling kernels. Input 0 is [planes, spatial...], output 0 [planes, results...].</summary>
public static class PoolKernels
{
    /// <param name="axes">One per spatial axis, at least one.</param>
    /// <param name="countIncludePad">Whether averages count padding.</param>
    /// <param name="p">The exponent of Lp pooling.</param>
    public static Kernel Create(Pooling pooling, DType type, long planes, ReadOnlySpan<WindowAxis> axes, bool countIncludePad = false, double p = 2)
    {
        WindowAxis[] windows = axes.ToArray();
        int[][] counts = Array.ConvertAll(windows, axis => Counts(axis, countIncludePad));
        return TypeDispatch.ForNumber(type, new Factory(pooling, planes, windows, counts, p));
    }

    /// <summary>Max pooling with positions in output 1 (int64). One to three spatial axes.</summary>
    public static Kernel CreateWithIndices(DType type, long planes, ReadOnlySpan<WindowAxis> axes, bool columnMajor)
    {
        if (axes.Length > 3) throw new UnsupportedModelException($"positions of a max pooling over {axes.Length} spatial axes", ["MaxPool: indices over more than 3 spatial axes"]);
        return TypeDispatch.ForNumber(type, new IndexFactory(planes, axes.ToArray(), columnMajor));
    }

    /// <summary>One result per plane.</summary>
    public static Kernel CreateGlobal(Pooling pooling, DType type, long planes, long spatial, double p = 2)
    {
        ReduceKind? reduction = pooling switch
        {
            Pooling.Max => ReduceKind.Max,
            Pooling.Average => ReduceKind.Mean,
            _ => p == 2 ? ReduceKind.L2 : p == 1 ? ReduceKind.L1 : null,
        };
        return reduction is { } direct
            ? ReduceKernels.Create(direct, type, [planes, spatial], [1])
            : Create(pooling, type, planes, [new WindowAxis(spatial, 1, spatial, 1, 1, 0, 0)], p: p);
    }

    /// <summary>Places elements at positions; <paramref name="positionDims"/> is the shape that positions count in.</summary>
    public static Kernel CreateUnpool(DType type, long elements, ReadOnlySpan<long> positionDims, ReadOnlySpan<long> outputDims) =>
        TypeDispatch.ForElement(type, new UnpoolFactory(elements, positionDims.ToArray(), outputDims.ToArray()));

    private static int[] Counts(WindowAxis axis, bool countIncludePad)
    {
        var counts = new int[axis.Output];
        WindowAxis counted = countIncludePad ? axis with { Input = axis.Input + axis.PadBegin + axis.PadEnd, PadBegin = 0 } : axis;
        for (int o = 0; o < counts.Length; o++)
        {
            (long first, long end) = counted.Inside(o);
            counts[o] = (int)Math.Max(0, end - first);
        }
        return counts;
    }

    private readonly record struct Factory(Pooling Pooling, long Planes, WindowAxis[] Axes, int[][] Counts, double P) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => Pooling switch
        {
            Pooling.Max => new PoolKernel<T, MaxPooling<T>>(Planes, Axes, Counts, P),
            Pooling.Average => new PoolKernel<T, AveragePooling<T>>(Planes, Axes, Counts, P),
            _ => new PoolKernel<T, LpPooling<T>>(Planes, Axes, Counts, P),
        };
    }

    private readonly record struct IndexFactory(long Planes, WindowAxis[] Axes, bool ColumnMajor) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => new MaxPoolIndexKernel<T>(Planes, Axes, ColumnMajor);
    }

    private readonly record struct UnpoolFactory(long Elements, long[] PositionDims, long[] OutputDims) : IElementKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged => new MaxUnpoolKernel<T>(Elements, PositionDims, OutputDims);
    }
}
