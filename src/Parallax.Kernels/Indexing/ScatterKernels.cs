using System.Numerics;
using System.Runtime.InteropServices;
using Parallax.Kernels.Copy;

namespace Parallax.Kernels.Indexing;

/// <summary>What becomes of an element that is updated.</summary>
public interface IScatterCombine<T>
{
    static abstract string Name { get; }

    static abstract T Combine(T old, T update);
}

public readonly struct ReplaceBy<T> : IScatterCombine<T>
{
    public static string Name => "replace";

    public static T Combine(T old, T update) => update;
}

public readonly struct AddUp<T> : IScatterCombine<T> where T : INumber<T>
{
    public static string Name => "add";

    public static T Combine(T old, T update) => old + update;
}

public readonly struct MultiplyBy<T> : IScatterCombine<T> where T : INumber<T>
{
    public static string Name => "mul";

    public static T Combine(T old, T update) => old * update;
}

public readonly struct TakeMin<T> : IScatterCombine<T> where T : INumber<T>
{
    public static string Name => "min";

    public static T Combine(T old, T update) => T.Min(old, update);
}

public readonly struct TakeMax<T> : IScatterCombine<T> where T : INumber<T>
{
    public static string Name => "max";

    public static T Combine(T old, T update) => T.Max(old, update);
}

/// <summary>Phase 0 copies the data (input 0) unless the result lies in its place; phase 1 writes the updates.</summary>
public abstract unsafe class ScatterKernel(string name, long dataBytes) : Kernel
{
    private readonly StridedCopy copy = StridedCopy.Bytes(dataBytes);

    public sealed override string Name => name;

    public sealed override int PhaseCount => 2;

    /// <summary>Blocks of updates; they must write different elements.</summary>
    protected abstract int UpdateBlocks { get; }

    public sealed override int BlockCount(int phase) => phase == 0 ? copy.BlockCount : UpdateBlocks;

    public sealed override void RunBlock(int phase, int block, in KernelArgs args)
    {
        byte* data = args.Input<byte>(0), target = args.Output<byte>(0);
        if (phase == 1) Update(block, args);
        else if (data != target) copy.RunBlock(block, data, target);
    }

    public sealed override bool CanRunInPlace(int input) => input == 0;

    protected abstract void Update(int block, in KernelArgs args);
}

/// <summary>Scatters single elements along an axis. The slices before the axis are independent; inside one, updates come in order.</summary>
public sealed unsafe class ScatterElementsKernel<T, TCombine>(long[] indexDims, long[] dataDims, int axis, bool narrowIndices)
    : ScatterKernel($"scatter_elements_{TCombine.Name}", Shape.Count(dataDims) * sizeof(T)) where T : unmanaged where TCombine : IScatterCombine<T>
{
    private readonly RowPlaces places = new(indexDims, dataDims, axis);
    private readonly long rows = Shape.Count(indexDims.AsSpan(0, indexDims.Length - 1));
    private readonly long slices = axis == indexDims.Length - 1 ? Shape.Count(indexDims.AsSpan(0, indexDims.Length - 1)) : Shape.Count(indexDims.AsSpan(0, axis));

    protected override int UpdateBlocks => rows == 0 ? 0 : (int)Math.Min(slices, Math.Max(1, Shape.Count(indexDims) / 8192));

    protected override void Update(int block, in KernelArgs args)
    {
        var indices = new Indices(args.Input<byte>(1), narrowIndices);
        long rowsPerSlice = rows / slices, blocks = UpdateBlocks;
        for (long row = block * slices / blocks * rowsPerSlice; row < (block + 1) * slices / blocks * rowsPerSlice; row++)
        {
            T* target = args.Output<T>(0) + places.Start(row);
            T* updates = args.Input<T>(2) + row * places.Columns;
            for (long i = 0; i < places.Columns; i++, target += places.ColumnStep)
            {
                T* element = target + indices.Position(row * places.Columns + i, places.Length) * places.Step;
                *element = TCombine.Combine(*element, updates[i]);
            }
        }
    }
}

/// <summary>Scatters slices; every block takes a part of all slices, so updates of one element come in order.</summary>
public sealed unsafe class ScatterNDKernel<T, TCombine>(IndexTuples tuples, long count, long sliceElements)
    : ScatterKernel($"scatter_nd_{TCombine.Name}", tuples.Slices * sliceElements * sizeof(T)) where T : unmanaged where TCombine : IScatterCombine<T>
{
    private readonly long sliceElements = sliceElements;
    private readonly long chunk = Math.Max(64, StridedCopy.BlockBytes / sizeof(T) / Math.Max(1, count));

    protected override int UpdateBlocks => count == 0 ? 0 : checked((int)((sliceElements + chunk - 1) / chunk));

    protected override void Update(int block, in KernelArgs args)
    {
        long start = block * chunk, length = Math.Min(chunk, sliceElements - start);
        for (long i = 0; i < count; i++)
        {
            T* target = args.Output<T>(0) + tuples.Slice(args.Input<long>(1) + i * tuples.Depth) * sliceElements + start;
            T* updates = args.Input<T>(2) + i * sliceElements + start;
            for (long j = 0; j < length; j++) target[j] = TCombine.Combine(target[j], updates[j]);
        }
    }
}

/// <summary>Writes updates [batch, prefix, steps, item] into a cache [batch, prefix, length, item] from a position by batch on: input 2 where the node has it, else 0.</summary>
public sealed unsafe class TensorScatterKernel(long batches, long prefix, long length, long steps, long itemBytes, bool circular, bool hasPositions)
    : ScatterKernel("tensor_scatter", batches * prefix * length * itemBytes)
{
    private readonly long itemBytes = itemBytes, batches = batches, prefix = prefix, length = length;

    protected override int UpdateBlocks => batches * prefix * steps * itemBytes == 0 ? 0 : (int)Math.Clamp(batches * prefix * steps * itemBytes / StridedCopy.BlockBytes, 1, batches * prefix);

    protected override void Update(int block, in KernelArgs args)
    {
        long* positions = hasPositions ? args.Input<long>(2) : null;
        long rows = batches * prefix, blocks = UpdateBlocks;
        for (long row = block * rows / blocks; row < (block + 1) * rows / blocks; row++)
        {
            long position = positions is null ? 0 : positions[row / prefix];
            if (position < 0 || position >= Math.Max(1, length) || !circular && position + steps > length)
                throw new InvalidInputException($"write position {position} of batch {row / prefix} does not leave room for {steps} steps in a cache of {length}");
            byte* cache = args.Output<byte>(0) + row * length * itemBytes, update = args.Input<byte>(1) + row * steps * itemBytes;
            long whole = Math.Min(steps, length - position);
            NativeMemory.Copy(update, cache + position * itemBytes, (nuint)(whole * itemBytes));
            NativeMemory.Copy(update + whole * itemBytes, cache, (nuint)((steps - whole) * itemBytes));
        }
    }
}
