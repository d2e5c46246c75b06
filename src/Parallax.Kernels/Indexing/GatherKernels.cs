using System.Runtime.InteropServices;
using Parallax.Kernels.Copy;

namespace Parallax.Kernels.Indexing;

/// <summary>Data [outer, length, slice], indices [count]; result [outer, count, slice].</summary>
public sealed unsafe class GatherKernel(long outer, long length, long sliceBytes, long count, bool narrowIndices)
    : UnitKernel("gather", outer * count, Math.Max(sliceBytes, 16))
{
    private readonly long sliceBytes = sliceBytes, count = count;

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        var indices = new Indices(args.Input<byte>(1), narrowIndices);
        byte* target = args.Output<byte>(0);
        (long row, long i) = Math.DivRem(start, count);
        byte* source = args.Input<byte>(0) + row * length * sliceBytes;
        for (long unit = start; unit < end; unit++, i++)
        {
            if (i == count)
            {
                i = 0;
                source += length * sliceBytes;
            }
            byte* from = source + indices.Position(i, length) * sliceBytes, to = target + unit * sliceBytes;
            if (sliceBytes == 4) *(uint*)to = *(uint*)from;
            else if (sliceBytes == 8) *(ulong*)to = *(ulong*)from;
            else NativeMemory.Copy(from, to, (nuint)sliceBytes);
        }
    }
}

/// <summary>The place of one row of indices among data that has other strides: shared by GatherElements and ScatterElements.</summary>
internal sealed class RowPlaces
{
    private readonly long[] dims, strides;

    internal RowPlaces(long[] indexDims, long[] dataDims, int axis)
    {
        dims = indexDims[..^1];
        strides = Shape.Strides(dataDims);
        Columns = indexDims[^1];
        Length = dataDims[axis];
        Step = strides[axis];
        ColumnStep = axis == indexDims.Length - 1 ? 0 : 1;
        strides[axis] = 0;
    }

    internal long Columns { get; }

    /// <summary>Length of the indexed axis of the data.</summary>
    internal long Length { get; }

    /// <summary>Elements between neighbours along the indexed axis.</summary>
    internal long Step { get; }

    /// <summary>Elements from one column to the next; 0 where the columns are what is indexed.</summary>
    internal long ColumnStep { get; }

    internal long Start(long row)
    {
        long start = 0;
        for (int i = dims.Length - 1; i >= 0; i--)
        {
            (row, long at) = Math.DivRem(row, dims[i]);
            start += at * strides[i];
        }
        return start;
    }
}

/// <summary>Gathers single elements along an axis.</summary>
public sealed unsafe class GatherElementsKernel<T>(long[] indexDims, long[] dataDims, int axis, bool narrowIndices)
    : UnitKernel("gather_elements", Shape.Count(indexDims.AsSpan(0, indexDims.Length - 1)), indexDims[^1] * sizeof(T)) where T : unmanaged
{
    private readonly RowPlaces places = new(indexDims, dataDims, axis);

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        var indices = new Indices(args.Input<byte>(1), narrowIndices);
        for (long row = start; row < end; row++)
        {
            T* source = args.Input<T>(0) + places.Start(row);
            T* target = args.Output<T>(0) + row * places.Columns;
            for (long i = 0; i < places.Columns; i++, source += places.ColumnStep)
                target[i] = source[indices.Position(row * places.Columns + i, places.Length) * places.Step];
        }
    }
}

/// <summary>Makes <see cref="GatherElementsKernel{T}"/>.</summary>
public readonly record struct GatherElementsFactory(long[] IndexDims, long[] DataDims, int Axis, bool NarrowIndices) : IElementKernelFactory
{
    public Kernel Create<T>() where T : unmanaged => new GatherElementsKernel<T>(IndexDims, DataDims, Axis, NarrowIndices);
}

/// <summary>Tuples of indices (int64) into the leading axes of the data.</summary>
public readonly struct IndexTuples
{
    private readonly long[] dims, strides;

    /// <param name="dims">The indexed axes.</param>
    public IndexTuples(ReadOnlySpan<long> dims)
    {
        this.dims = dims.ToArray();
        strides = Shape.Strides(dims);
        Slices = Shape.Count(dims);
    }

    public int Depth => dims.Length;

    /// <summary>Slices of the data.</summary>
    public long Slices { get; }

    /// <summary>The slice that a tuple names.</summary>
    internal unsafe long Slice(long* tuple)
    {
        var indices = new Indices((byte*)tuple, narrow: false);
        long slice = 0;
        for (int i = 0; i < dims.Length; i++) slice += indices.Position(i, dims[i]) * strides[i];
        return slice;
    }
}

/// <summary>Data [batch, slices, slice], indices [batch, count, depth]; result [batch, count, slice].</summary>
public sealed unsafe class GatherNDKernel(IndexTuples tuples, long batches, long count, long sliceBytes)
    : UnitKernel("gather_nd", batches * count, Math.Max(sliceBytes, 16))
{
    private readonly long sliceBytes = sliceBytes, count = count;

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        for (long unit = start; unit < end; unit++)
        {
            long slice = unit / count * tuples.Slices + tuples.Slice(args.Input<long>(1) + unit * tuples.Depth);
            NativeMemory.Copy(args.Input<byte>(0) + slice * sliceBytes, args.Output<byte>(0) + unit * sliceBytes, (nuint)sliceBytes);
        }
    }
}
