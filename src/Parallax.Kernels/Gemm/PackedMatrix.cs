using System.Numerics.Tensors;
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

    /// <summary>The slab that begins at a depth.</summary>
    internal int Index(int start) => start / Math.Max(1, Size);

    internal int Length(int slab) => Math.Min(Size, Depth - Start(slab));
}

/// <summary>Where the elements of left operands lie that tiles read as rows: matrix by matrix, slab by slab of the depth.</summary>
internal readonly struct LeftLayout
{
    internal LeftLayout(GemmMicroKernel entry, int rows, int depth)
    {
        Slabs = new DepthSlabs(depth, entry);
        PaddedRows = entry.PaddedRows(rows);
        RowStride = rows == 1 ? Slabs.Size : LeftRows.Stride(Slabs.Size);
    }

    internal DepthSlabs Slabs { get; }

    /// <summary>Rows that tiles read, those behind the last included.</summary>
    internal int PaddedRows { get; }

    /// <summary>Elements from one row of a slab to the next. A single row is contiguous, whatever its slabs.</summary>
    internal nint RowStride { get; }

    /// <summary>Elements from one matrix to the next: an odd number of cache lines where rows are whole ones, by which matrices spread over all sets of a cache.</summary>
    internal nint MatrixElements => Slabs.Count * SlabElements is var elements && PaddedRows > 1 ? elements | Vec.LineElements : elements;

    /// <summary>Elements from a row of one slab to the same row of the next.</summary>
    internal nint SlabElements => PaddedRows * RowStride;

    /// <summary>Elements before a row, in the slab that begins at depth <paramref name="start"/>.</summary>
    internal nint Offset(int matrix, int start, int row) => matrix * MatrixElements + Slabs.Index(start) * SlabElements + row * RowStride;
}

/// <summary>
/// A constant operand of matrix products in the order in which the micro-kernels read it, in native memory: rows of an A, slab by slab of the depth;
/// panels of NR columns of a B, each as deep as it is, which may be short. The packing depends on the
/// matrix, its side and the entry, not on the other operand: kernels for different shapes share it. Created with one reference, which
/// <see cref="Dispose"/> gives up; every kernel takes its own and gives it up in its own Dispose; the last one frees the memory. Thread-safe.
/// </summary>
public sealed unsafe class PackedMatrix : IDisposable
{
    /// <summary>About so many elements are packed before their source is said to be read: 4 MiB.</summary>
    private const int ReadElements = 1 << 20;

    private readonly float* data;
    private readonly DepthSlabs slabs;
    private readonly Lock gate = new();
    private Action<PackedMatrix>? fill; // until it is filled
    private int references = 1;

    private PackedMatrix(GemmMicroKernel entry, bool isLeft, int lanes, int depth, int count, float shortScale = 0)
    {
        ShortScale = shortScale;
        Entry = entry;
        IsLeft = isLeft;
        Lanes = lanes;
        Depth = depth;
        Count = count;
        slabs = new DepthSlabs(depth, entry);
        LeftLayout = isLeft ? new LeftLayout(entry, lanes, depth) : default;
        MatrixElements = isLeft ? LeftLayout.MatrixElements : (nint)entry.PaddedColumns(lanes) * depth;
        ByteCount = ElementBytes * (long)count * MatrixElements;
        data = (float*)PackedMemory.Allocate(ByteCount);
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

    /// <summary>Whether panels are <see cref="ShortFloats"/>.</summary>
    internal bool IsShort => ShortScale != 0;

    /// <summary>What short elements are multiples of; 0 where they are not short.</summary>
    internal float ShortScale { get; }

    internal nint ElementBytes => IsShort ? sizeof(short) : sizeof(float);

    /// <summary>Elements from one matrix to the next.</summary>
    internal nint MatrixElements { get; }

    /// <summary>Of an A.</summary>
    internal LeftLayout LeftLayout { get; }

    /// <summary>See <see cref="LeftLayout.RowStride"/>.</summary>
    internal nint RowStride => LeftLayout.RowStride;

    /// <summary>Matrices to be filled by the caller, slab by slab.</summary>
    internal static PackedMatrix Allocate(GemmMicroKernel entry, bool isLeft, int lanes, int depth, int count) => new(entry, isLeft, lanes, depth, count);

    /// <summary>A B of one matrix whose panels are packed when <see cref="Fill"/> is called for the first time; the source must stay valid until then.</summary>
    /// <param name="read">See <see cref="Pack"/>.</param>
    internal static PackedMatrix Defer(GemmMicroKernel entry, float* source, int columns, int depth, long columnStride, long depthStride, Action<long, long> read) => new(entry, isLeft: false, columns, depth, 1)
    {
        fill = packed => packed.CopyPanels(source, columnStride, depthStride, matrixStride: 0, read),
    };

    /// <summary>Whether its elements are there.</summary>
    public bool IsFilled => Volatile.Read(ref fill) is null;

    /// <summary>Packs what was left for later. Several threads may call this; when it returns, the panels are there.</summary>
    public void Fill()
    {
        if (IsFilled) return;
        lock (gate)
        {
            if (fill is null) return;
            fill(this);
            Volatile.Write(ref fill, null);
        }
    }

    private void CopyPanels(float* source, long laneStride, long depthStride, long matrixStride, Action<long, long>? read)
    {
        // Lanes that lie one behind the other are done with one after the other.
        long lanesAtOnce = depthStride == 1 && laneStride >= Depth && Depth > 0 ? Math.Max(1, ReadElements / laneStride / Entry.NR) * Entry.NR : Lanes;
        for (int i = 0; i < Count; i++)
        {
            float* from = source + i * matrixStride;
            for (long lane = 0; !IsLeft && lane < Lanes; lane += lanesAtOnce)
            {
                int lanes = (int)Math.Min(lanesAtOnce, Lanes - lane);
                PackPanels(Right(i, 0, (int)lane), Entry, from + lane * laneStride, lanes, Depth, (nint)laneStride, (nint)depthStride);
                if (Depth > 0) read?.Invoke(i * matrixStride + lane * laneStride, (lanes - 1) * laneStride + (Depth - 1) * depthStride + 1);
            }
            for (int slab = 0; IsLeft && slab < slabs.Count; slab++)
            {
                int start = slabs.Start(slab);
                LeftRows.Copy(Left(i, start, 0), RowStride, from + start * depthStride, Lanes, LeftLayout.PaddedRows, slabs.Length(slab), (nint)laneStride, (nint)depthStride);
            }
        }
    }

    /// <summary>Packs <paramref name="count"/> matrices that lie <paramref name="matrixStride"/> elements apart.</summary>
    /// <param name="form">Of a B.</param>
    /// <param name="read">Of a B in float32: called with the first element and the extent of pieces of the source, in their order, when they will not be read again.</param>
    public static PackedMatrix Pack(
        GemmMicroKernel entry, bool isLeft, float* source, int lanes, int depth, long laneStride, long depthStride, int count = 1, long matrixStride = 0, WeightForm form = WeightForm.Float32, Action<long, long>? read = null)
    {
        if (!isLeft && form != WeightForm.Float32 && PackShort(entry, source, lanes, depth, laneStride, depthStride, count, matrixStride, form == WeightForm.ShortIfExact) is { } narrow) return narrow;
        var packed = new PackedMatrix(entry, isLeft, lanes, depth, count);
        packed.CopyPanels(source, laneStride, depthStride, matrixStride, read);
        return packed;
    }

    /// <summary>Panels of short elements; null where they cannot be, which most matrices show in their first panel.</summary>
    private static PackedMatrix? PackShort(
        GemmMicroKernel entry, float* source, int lanes, int depth, long laneStride, long depthStride, int count, long matrixStride, bool mustBeExact)
    {
        if (lanes == 0 || depth == 0) return null;
        var slabs = new DepthSlabs(depth, entry);
        var panel = new float[slabs.Size * entry.NR];
        float largest = 0;
        bool isRound = true;
        ForPanels((_, values, elements) =>
        {
            var span = new ReadOnlySpan<float>(values, elements);
            isRound = !mustBeExact || ShortFloats.AreRound(span);
            if (isRound) largest = Math.Max(largest, Math.Abs(TensorPrimitives.MaxMagnitude(span)));
        });
        if (!isRound || ShortFloats.Scale(largest) is var scale && float.IsNaN(scale)) return null;
        var packed = new PackedMatrix(entry, isLeft: false, lanes, depth, count, scale);
        ForPanels((at, values, elements) => isRound = ShortFloats.Narrow(values, (short*)packed.data + at, elements, scale) || !mustBeExact);
        if (isRound) return packed;
        packed.Dispose();
        return null;

        // In the order in which panels lie, one behind the other.
        void ForPanels(PanelAction action)
        {
            nint at = 0;
            fixed (float* to = panel)
                for (int matrix = 0; matrix < count; matrix++)
                    for (int column = 0; column < lanes; column += entry.NR)
                        for (int slab = 0; isRound && slab < slabs.Count; slab++)
                        {
                            int start = slabs.Start(slab), length = slabs.Length(slab);
                            PanelPacking.Pack(to, entry.NR, source + matrix * matrixStride + start * depthStride + column * laneStride, Math.Min(entry.NR, lanes - column), length, (nint)laneStride, (nint)depthStride);
                            action(at, to, length * entry.NR);
                            at += length * entry.NR;
                        }
        }
    }

    /// <param name="at">Elements before the panel.</param>
    private delegate void PanelAction(nint at, float* values, int elements);

    /// <summary>Packs all panels of a B, one behind the other.</summary>
    internal static void PackPanels(float* target, GemmMicroKernel entry, float* source, int columns, int depth, nint columnStride, nint depthStride)
    {
        for (int column = 0; column < columns; column += entry.NR)
            PanelPacking.Pack(target + (nint)column * depth, entry.NR, source + column * columnStride, Math.Min(entry.NR, columns - column), depth, columnStride, depthStride);
    }

    /// <summary>A row of an A, in the slab that begins at depth <paramref name="start"/>.</summary>
    internal float* Left(int matrix, int start, int row) => data + LeftLayout.Offset(matrix, start, row);

    /// <summary>The panel of a B that begins at a column, a multiple of NR, from depth <paramref name="start"/> on; of shorts where they are.</summary>
    internal float* Right(int matrix, int start, int column) => (float*)((byte*)data + ElementBytes * (matrix * MatrixElements + (nint)column * Depth + (nint)start * Entry.NR));

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
