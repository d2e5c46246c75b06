using System.Runtime.InteropServices;

namespace Parallax.Kernels;

/// <summary>
/// A constant operand of integer products in panels, with the sum of each lane, in native memory. The packing depends on the matrix, its side and the entry,
/// not on the other operand: kernels for different shapes share it. Created with one reference, which <see cref="Dispose"/> gives up; every kernel takes its
/// own and gives it up in its own Dispose; the last one frees the memory. Thread-safe.
/// </summary>
public sealed unsafe class PackedIntegers : IDisposable
{
    private readonly byte* panels;
    private readonly int* sums;
    private readonly IntegerMicroKernel entry;
    private readonly bool isLeft;
    private readonly int lanes, depth, count;
    private int references = 1;

    private PackedIntegers(IntegerMicroKernel entry, bool isLeft, int lanes, int depth, int count)
    {
        (this.entry, this.isLeft) = (entry, isLeft);
        (this.lanes, this.depth, this.count) = (lanes, depth, count);
        PaddedLanes = entry.PaddedLanes(lanes, isLeft);
        Groups = entry.Groups(depth);
        long bytes = 4L * count * PaddedLanes * Groups;
        panels = (byte*)PackedMemory.Allocate(bytes);
        sums = (int*)NativeMemory.AlignedAlloc((nuint)Math.Max(4L * count * PaddedLanes, 64), 64);
    }

    private int PaddedLanes { get; }

    private int Groups { get; }

    /// <summary>Packs <paramref name="count"/> matrices that lie <paramref name="matrixStride"/> elements apart.</summary>
    /// <param name="isLeft">Whether this is an A (lanes are rows) or a B (lanes are columns).</param>
    /// <param name="isSigned">Whether elements are int8; otherwise uint8.</param>
    public static PackedIntegers Pack(
        IntegerMicroKernel entry, bool isLeft, bool isSigned, byte* source, int lanes, int depth, long laneStride, long depthStride, int count = 1, long matrixStride = 0)
    {
        var packed = new PackedIntegers(entry, isLeft, lanes, depth, count);
        int flip = entry.Flip(isLeft, isSigned), full = isLeft ? entry.MR : entry.NR;
        for (int i = 0; i < count; i++)
            for (int lane = 0; lane < lanes; lane += full)
            {
                int valid = Math.Min(full, lanes - lane), width = isLeft ? entry.HeightFor(valid) : full;
                byte* panel = packed.Panel(i, lane);
                IntegerPanels.Pack(entry, isLeft, panel, width, source + i * matrixStride + lane * laneStride, valid, depth, (nint)laneStride, (nint)depthStride, flip);
                IntegerPanels.SumLanes(entry, isLeft, panel, width, valid, packed.Groups, packed.Sums(i, lane));
            }
        return packed;
    }

    /// <summary>Takes a reference for a kernel, which expects this operand.</summary>
    /// <exception cref="ArgumentException">The operand was packed from other matrices, or for another side or entry.</exception>
    internal PackedIntegers AddReference(IntegerMicroKernel entry, bool isLeft, int lanes, int depth, int count = 1) =>
        (entry, isLeft, lanes, depth, count) == (this.entry, this.isLeft, this.lanes, this.depth, this.count)
            ? AddReference()
            : throw new ArgumentException($"packed for {this.entry}: {Describe(this.isLeft, this.lanes, this.depth, this.count)}, expected for {entry}: {Describe(isLeft, lanes, depth, count)}");

    /// <summary>The panel that begins with a lane.</summary>
    internal byte* Panel(int matrix, int lane) => panels + 4 * ((nint)matrix * PaddedLanes + lane) * Groups;

    /// <summary>Sums of the factors of the lanes from one on.</summary>
    internal int* Sums(int matrix, int lane) => sums + (nint)matrix * PaddedLanes + lane;

    /// <summary>Takes one more reference.</summary>
    public PackedIntegers AddReference()
    {
        if (Interlocked.Increment(ref references) <= 1) throw new ObjectDisposedException(nameof(PackedIntegers));
        return this;
    }

    /// <summary>Gives up one reference.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref references) != 0) return;
        NativeMemory.AlignedFree(panels);
        NativeMemory.AlignedFree(sums);
    }

    private static string Describe(bool isLeft, int lanes, int depth, int count) => $"{count} of {lanes} {(isLeft ? "rows" : "columns")} of depth {depth}";
}
