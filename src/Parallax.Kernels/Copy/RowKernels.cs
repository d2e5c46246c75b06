using System.Numerics;
using System.Runtime.InteropServices;

namespace Parallax.Kernels.Copy;

/// <summary>Keeps the upper or lower triangle of matrices. Inputs: matrices, diagonal (int64 scalar) where the node has it; else it is 0.</summary>
public sealed unsafe class TriluKernel(int elementBytes, bool upper, bool hasDiagonal, long matrices, long rows, long columns)
    : UnitKernel(upper ? "triu" : "tril", matrices * rows, columns * elementBytes)
{
    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        long diagonal = hasDiagonal ? Math.Clamp(*args.Input<long>(1), -rows - 1, columns + 1) : 0;
        for (long unit = start; unit < end; unit++)
        {
            long row = unit % rows;
            long split = Math.Clamp(row + diagonal + (upper ? 0 : 1), 0, columns);
            byte* source = args.Input<byte>(0) + unit * columns * elementBytes, target = args.Output<byte>(0) + unit * columns * elementBytes;
            Write(source, target, split, keep: !upper);
            Write(source + split * elementBytes, target + split * elementBytes, columns - split, keep: upper);
        }
    }

    public override bool CanRunInPlace(int input) => input == 0;

    private void Write(byte* source, byte* target, long count, bool keep)
    {
        if (!keep) NativeMemory.Clear(target, (nuint)(count * elementBytes));
        else if (source != target) NativeMemory.Copy(source, target, (nuint)(count * elementBytes));
    }
}

/// <summary>Reverses the first elements of each sequence; data is [first, second, item], lengths are int64, one per batch.</summary>
public sealed unsafe class ReverseSequenceKernel(long first, long second, long itemBytes, bool timeIsFirst)
    : UnitKernel("reverse_sequence", first * second, itemBytes)
{
    private readonly long itemBytes = itemBytes;

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        long* lengths = args.Input<long>(1);
        for (long unit = start; unit < end; unit++)
        {
            (long i, long j) = Math.DivRem(unit, second);
            (long time, long batch) = timeIsFirst ? (i, j) : (j, i);
            long length = lengths[batch], times = timeIsFirst ? first : second;
            if (length < 0 || length > times) throw new InvalidInputException($"the length {length} of sequence {batch} must be 0 to {times}");
            long from = time < length ? length - 1 - time : time;
            long source = timeIsFirst ? from * second + batch : batch * second + from;
            NativeMemory.Copy(args.Input<byte>(0) + source * itemBytes, args.Output<byte>(0) + unit * itemBytes, (nuint)itemBytes);
        }
    }
}

/// <summary>One image axis of <see cref="Col2ImKernel{T}"/>: how many places the block takes along it.</summary>
public readonly record struct BlockAxis(long Image, long Block, long Dilation, long Stride, long PadBefore, long Places);

/// <summary>Adds blocks to their places in images: input [images, block elements, places], output [images, image elements].</summary>
public sealed unsafe class Col2ImKernel<T>(BlockAxis[] axes, long images) : UnitKernel("col2im", images, Count(axes, a => a.Block * a.Places) * sizeof(T))
    where T : unmanaged, INumber<T>
{
    private readonly long imageElements = Count(axes, a => a.Image), blockElements = Count(axes, a => a.Block), places = Count(axes, a => a.Places);

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        for (long image = start; image < end; image++)
        {
            T* columns = args.Input<T>(0) + image * blockElements * places, target = args.Output<T>(0) + image * imageElements;
            NativeMemory.Clear(target, (nuint)(imageElements * sizeof(T)));
            for (long element = 0; element < blockElements; element++)
                for (long place = 0; place < places; place++)
                    if (Position(element, place) is var at and >= 0) target[at] += columns[element * places + place];
        }
    }

    private long Position(long element, long place)
    {
        long at = 0, stride = 1;
        for (int i = axes.Length - 1; i >= 0; i--)
        {
            BlockAxis axis = axes[i];
            (element, long inBlock) = Math.DivRem(element, axis.Block);
            (place, long step) = Math.DivRem(place, axis.Places);
            long along = step * axis.Stride - axis.PadBefore + inBlock * axis.Dilation;
            if (along < 0 || along >= axis.Image) return -1;
            at += along * stride;
            stride *= axis.Image;
        }
        return at;
    }

    private static long Count(BlockAxis[] axes, Func<BlockAxis, long> length)
    {
        long product = 1;
        foreach (BlockAxis axis in axes) product = checked(product * length(axis));
        return product;
    }
}

/// <summary>Makes <see cref="Col2ImKernel{T}"/>.</summary>
public readonly record struct Col2ImFactory(BlockAxis[] Axes, long Images) : INumberKernelFactory
{
    public Kernel Create<T>() where T : unmanaged, INumber<T> => new Col2ImKernel<T>(Axes, Images);
}
