using System.Runtime.InteropServices;

namespace Parallax.Kernels;

/// <summary>How the depth K of a product is cut: into slabs of equal size, at most <see cref="GemmMicroKernel.KC"/>; from K and the entry alone.</summary>
internal readonly struct DepthSlabs
{
    internal DepthSlabs(int depth, GemmMicroKernel entry)
    {
        Depth = depth;
        Count = Math.Max(1, (depth + entry.KC - 1) / entry.KC);
        Size = (depth + Count - 1) / Count;
    }

    internal int Depth { get; }
    internal int Count { get; }
    internal int Size { get; }

    internal int Start(int slab) => Math.Min(slab * Size, Depth);

    internal int Length(int slab) => Math.Min(Size, Depth - Start(slab));
}

/// <summary>
/// A constant operand of matrix products in the order in which the micro-kernels read it, in native memory. The packing depends on the
/// matrix, its side and the entry, not on the other operand: kernels for different shapes share it. Created with one reference, which
/// <see cref="Dispose"/> gives up; every kernel takes its own and gives it up in its own Dispose; the last one frees the memory. Thread-safe.
/// </summary>
public sealed unsafe class PackedMatrix : IDisposable
{
    private readonly float* data;
    private int references = 1;

    private PackedMatrix(GemmMicroKernel entry, bool isLeft, int lanes, int depth, int count)
    {
        Entry = entry;
        IsLeft = isLeft;
        Lanes = lanes;
        Depth = depth;
        Count = count;
        PaddedLanes = isLeft ? entry.PaddedRows(lanes) : entry.PaddedColumns(lanes);
        ByteCount = sizeof(float) * (long)count * PaddedLanes * depth;
        data = (float*)NativeMemory.AlignedAlloc((nuint)Math.Max(ByteCount, 64), 64);
    }

    /// <summary>Whether this is an A (lanes are rows) or a B (lanes are columns).</summary>
    public bool IsLeft { get; }

    /// <summary>Rows of an A, columns of a B.</summary>
    public int Lanes { get; }

    /// <summary>Columns of an A, rows of a B: the K of the product.</summary>
    public int Depth { get; }

    /// <summary>Matrices packed one behind the other.</summary>
    public int Count { get; }

    public long ByteCount { get; }

    internal GemmMicroKernel Entry { get; }

    internal int PaddedLanes { get; }

    /// <summary>Elements from one matrix to the next.</summary>
    internal nint MatrixElements => (nint)PaddedLanes * Depth;

    /// <summary>Matrices to be filled by the caller, slab by slab.</summary>
    internal static PackedMatrix Allocate(GemmMicroKernel entry, bool isLeft, int lanes, int depth, int count) => new(entry, isLeft, lanes, depth, count);

    /// <summary>Packs <paramref name="count"/> matrices that lie <paramref name="matrixStride"/> elements apart.</summary>
    public static PackedMatrix Pack(
        GemmMicroKernel entry, bool isLeft, float* source, int lanes, int depth, long laneStride, long depthStride, int count = 1, long matrixStride = 0)
    {
        var packed = new PackedMatrix(entry, isLeft, lanes, depth, count);
        var slabs = new DepthSlabs(depth, entry);
        for (int i = 0; i < count; i++)
            for (int slab = 0; slab < slabs.Count; slab++)
                PackSlab(packed.Slab(i, slabs.Start(slab)), entry, isLeft, source + i * matrixStride + slabs.Start(slab) * depthStride,
                    lanes, slabs.Length(slab), (nint)laneStride, (nint)depthStride);
        return packed;
    }

    /// <summary>Packs all panels of one slab, one behind the other.</summary>
    internal static void PackSlab(
        float* target, GemmMicroKernel entry, bool isLeft, float* source, int lanes, int depth, nint laneStride, nint depthStride)
    {
        int full = isLeft ? entry.MR : entry.NR;
        for (int lane = 0; lane < lanes; lane += full)
        {
            int valid = Math.Min(full, lanes - lane);
            int width = isLeft ? entry.HeightFor(valid) : full;
            PanelPacking.Pack(target + (nint)lane * depth, width, source + lane * laneStride, valid, depth, laneStride, depthStride);
        }
    }

    /// <summary>First panel of the slab that begins at depth <paramref name="start"/>; the panel of lane l lies l * depth-of-slab behind it.</summary>
    internal float* Slab(int matrix, int start) => data + matrix * MatrixElements + (nint)start * PaddedLanes;

    /// <summary>Takes one more reference.</summary>
    public PackedMatrix AddReference()
    {
        if (Interlocked.Increment(ref references) <= 1)
            throw new ObjectDisposedException(nameof(PackedMatrix));
        return this;
    }

    /// <summary>Gives up one reference.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref references) == 0)
            NativeMemory.AlignedFree(data);
    }
}
