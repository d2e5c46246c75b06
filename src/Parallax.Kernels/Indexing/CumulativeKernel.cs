using System.Numerics;
using Parallax.Kernels.Copy;

namespace Parallax.Kernels.Indexing;

/// <summary>
/// Running sums or products along an axis, which is input 1 (int32 or int64) where it was not known at preparation. Without the axis
/// there is one unit; with it, a unit is one slice before the axis.
/// </summary>
public sealed unsafe class CumulativeKernel<T, TCombine>(long[] dims, int? axis, bool narrowAxis, bool exclusive, bool reverse, T start)
    : UnitKernel($"cumulative_{TCombine.Name}", axis is { } known ? Shape.Count(dims.AsSpan(0, known)) : 1, axis is { } given ? Shape.Count(dims.AsSpan(given)) * sizeof(T) : 1)
    where T : unmanaged where TCombine : IScatterCombine<T>
{
    private readonly int? axis = axis;
    private readonly long[] dims = dims;

    protected override void RunUnits(long first, long end, in KernelArgs args)
    {
        if (axis is { } known)
        {
            Run(known, first, end, args);
            return;
        }
        long given = new Indices(args.Input<byte>(1), narrowAxis).Position(0, dims.Length);
        Run((int)given, 0, Shape.Count(dims.AsSpan(0, (int)given)), args);
    }

    private void Run(int along, long first, long end, in KernelArgs args)
    {
        long length = dims[along], inner = Shape.Count(dims.AsSpan(along + 1));
        long step = reverse ? -inner : inner, begin = reverse ? (length - 1) * inner : 0;
        for (long slice = first; slice < end; slice++)
        {
            T* source = args.Input<T>(0) + slice * length * inner + begin, target = args.Output<T>(0) + slice * length * inner + begin;
            for (long i = 0; i < length; i++, source += step, target += step)
                for (long j = 0; j < inner; j++)
                {
                    T before = i == 0 ? start : target[j - step];
                    target[j] = !exclusive ? TCombine.Combine(before, source[j]) : i == 0 ? start : TCombine.Combine(before, source[j - step]);
                }
        }
    }
}

/// <summary>Makes <see cref="CumulativeKernel{T, TCombine}"/>.</summary>
public readonly record struct CumulativeFactory(bool Product, long[] Dims, int? Axis, bool NarrowAxis, bool Exclusive, bool Reverse) : INumberKernelFactory
{
    public Kernel Create<T>() where T : unmanaged, INumber<T> => Product
        ? new CumulativeKernel<T, MultiplyBy<T>>(Dims, Axis, NarrowAxis, Exclusive, Reverse, T.One)
        : new CumulativeKernel<T, AddUp<T>>(Dims, Axis, NarrowAxis, Exclusive, Reverse, T.Zero);
}

/// <summary>Makes scatter kernels with a reduction: of elements along an axis, or of slices where there are tuples.</summary>
public readonly record struct ScatterElementsFactory(string Reduction, long[] IndexDims, long[] DataDims, int Axis, bool NarrowIndices) : INumberKernelFactory
{
    public Kernel Create<T>() where T : unmanaged, INumber<T> => Reduction switch
    {
        "add" => new ScatterElementsKernel<T, AddUp<T>>(IndexDims, DataDims, Axis, NarrowIndices),
        "mul" => new ScatterElementsKernel<T, MultiplyBy<T>>(IndexDims, DataDims, Axis, NarrowIndices),
        "min" => new ScatterElementsKernel<T, TakeMin<T>>(IndexDims, DataDims, Axis, NarrowIndices),
        _ => new ScatterElementsKernel<T, TakeMax<T>>(IndexDims, DataDims, Axis, NarrowIndices),
    };
}

/// <summary>As <see cref="ScatterElementsFactory"/>, without a reduction, for any element.</summary>
public readonly record struct ReplaceElementsFactory(long[] IndexDims, long[] DataDims, int Axis, bool NarrowIndices) : IElementKernelFactory
{
    public Kernel Create<T>() where T : unmanaged => new ScatterElementsKernel<T, ReplaceBy<T>>(IndexDims, DataDims, Axis, NarrowIndices);
}

/// <summary>Makes <see cref="ScatterNDKernel{T, TCombine}"/> with a reduction.</summary>
public readonly record struct ScatterNDFactory(string Reduction, IndexTuples Tuples, long Count, long SliceElements) : INumberKernelFactory
{
    public Kernel Create<T>() where T : unmanaged, INumber<T> => Reduction switch
    {
        "add" => new ScatterNDKernel<T, AddUp<T>>(Tuples, Count, SliceElements),
        "mul" => new ScatterNDKernel<T, MultiplyBy<T>>(Tuples, Count, SliceElements),
        "min" => new ScatterNDKernel<T, TakeMin<T>>(Tuples, Count, SliceElements),
        _ => new ScatterNDKernel<T, TakeMax<T>>(Tuples, Count, SliceElements),
    };
}

/// <summary>As <see cref="ScatterNDFactory"/>, without a reduction, for any element.</summary>
public readonly record struct ReplaceNDFactory(IndexTuples Tuples, long Count, long SliceElements) : IElementKernelFactory
{
    public Kernel Create<T>() where T : unmanaged => new ScatterNDKernel<T, ReplaceBy<T>>(Tuples, Count, SliceElements);
}
