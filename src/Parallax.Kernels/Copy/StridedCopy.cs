using System.Runtime.InteropServices;

namespace Parallax.Kernels.Copy;

/// <summary>An axis of a <see cref="StridedCopy"/>: its elements, and the bytes from one to the next on either side.</summary>
public readonly record struct CopyAxis(long Count, long Source, long Target);

/// <summary>
/// Copies an N-dimensional box of elements from one strided layout to another: the engine of Transpose, Slice, Expand, Concat, Split,
/// Tile and their like. Prepared once: axes are ordered by the target's strides, merged where both layouts allow it, and the two innermost
/// ones become a panel that is copied by memcpy, by filling, by tile transposes or element by element, whichever the strides allow.
/// Immutable. A source stride may be 0 or negative; target strides must place every element at bytes of its own.
/// </summary>
public sealed unsafe class StridedCopy
{
    /// <summary>Bytes written by one block, about.</summary>
    public const long BlockBytes = 128 * 1024;

    private enum Panel
    {
        /// <summary>Rows are contiguous bytes on both sides.</summary>
        Rows,

        /// <summary>A row is one source element repeated.</summary>
        Fill,

        /// <summary>Contiguous down the columns of the source and along the rows of the target.</summary>
        Tiles,

        Elements,
    }

    private readonly Panel panel;
    private readonly int elementBytes;
    private readonly long sourceStart, targetStart;
    private readonly CopyAxis[] box, outer;
    private readonly CopyAxis rows, columns;
    private readonly long rowChunk, columnChunk, rowChunks, columnChunks, units, unitsPerBlock;

    /// <summary>Strides and starts are in elements of <paramref name="elementBytes"/> bytes, which may be any positive number.</summary>
    public StridedCopy(int elementBytes, ReadOnlySpan<long> dims, ReadOnlySpan<long> sourceStrides, ReadOnlySpan<long> targetStrides, long sourceStart = 0, long targetStart = 0)
    {
        this.sourceStart = sourceStart * elementBytes;
        this.targetStart = targetStart * elementBytes;
        TotalBytes = Shape.Count(dims) * elementBytes;
        List<CopyAxis> axes = Normalize(elementBytes, dims, sourceStrides, targetStrides);
        box = [.. axes];
        this.elementBytes = WidenElement(elementBytes, axes, out long run);
        if (run >= 0)
        {
            panel = Panel.Rows;
            columns = new CopyAxis(run, 1, 1);
            this.elementBytes = 1;
        }
        else
        {
            columns = axes[^1];
            axes.RemoveAt(axes.Count - 1);
            int contiguous = columns.Target == this.elementBytes ? axes.FindIndex(a => a.Source == this.elementBytes) : -1;
            panel = columns.Source == 0 && columns.Target == this.elementBytes ? Panel.Fill : contiguous >= 0 ? Panel.Tiles : Panel.Elements;
            if (panel == Panel.Tiles)
            {
                axes.Add(axes[contiguous]);
                axes.RemoveAt(contiguous);
            }
        }
        rows = axes.Count > 0 ? axes[^1] : new CopyAxis(1, 0, 0);
        if (axes.Count > 0) axes.RemoveAt(axes.Count - 1);
        outer = [.. axes];

        long blockElements = BlockBytes / this.elementBytes;
        columnChunk = Math.Min(columns.Count, panel == Panel.Tiles ? 512 : blockElements);
        rowChunk = Math.Clamp(blockElements / Math.Max(columnChunk, 1), 1, Math.Max(rows.Count, 1));
        columnChunks = TotalBytes == 0 ? 0 : (columns.Count + columnChunk - 1) / columnChunk;
        rowChunks = (rows.Count + rowChunk - 1) / rowChunk;
        rowChunk = (rows.Count + rowChunks - 1) / Math.Max(rowChunks, 1); // chunks of about one size
        units = columnChunks * rowChunks;
        foreach (CopyAxis axis in outer) units *= axis.Count;
        unitsPerBlock = Math.Max(1, BlockBytes / Math.Max(1, columnChunk * rowChunk * this.elementBytes));
    }

    /// <summary>A copy between dense tensors whose axis <c>i</c> of the target is axis <c>permutation[i]</c> of the source.</summary>
    public static StridedCopy Transpose(int elementBytes, ReadOnlySpan<long> sourceDims, ReadOnlySpan<int> permutation)
    {
        long[] strides = Shape.Strides(sourceDims), dims = new long[permutation.Length], source = new long[permutation.Length];
        for (int i = 0; i < dims.Length; i++) (dims[i], source[i]) = (sourceDims[permutation[i]], strides[permutation[i]]);
        return new StridedCopy(elementBytes, dims, source, Shape.Strides(dims));
    }

    /// <summary>A copy of one run of bytes.</summary>
    public static StridedCopy Bytes(long count) => new(1, [count], [1], [1]);

    public long TotalBytes { get; }

    /// <summary>The axes of the box, those merged that both layouts walk alike; the last one is innermost in the target. None where there is one element.</summary>
    public ReadOnlySpan<CopyAxis> Axes => box;

    /// <summary>Bytes in front of the box in the source.</summary>
    public long SourceStart => sourceStart;

    /// <summary>Bytes in front of the box in the target.</summary>
    public long TargetStart => targetStart;

    /// <summary>Whether the box is one run of bytes on both sides.</summary>
    public bool IsRun => box.Length == 0 || box is [var axis] && axis.Source == axis.Target && axis.Target * axis.Count == TotalBytes;

    public int BlockCount => checked((int)((units + unitsPerBlock - 1) / unitsPerBlock));

    /// <summary>How the innermost axes are copied: rows, fill, tiles or elements.</summary>
    public string Variant => panel switch { Panel.Rows => "rows", Panel.Fill => "fill", Panel.Tiles => "tiles", _ => "elements" };

    /// <summary>Copies one block; blocks write disjoint bytes.</summary>
    public void RunBlock(int block, byte* source, byte* target)
    {
        source += sourceStart;
        target += targetStart;
        long end = Math.Min(units, (block + 1) * unitsPerBlock);
        for (long unit = block * unitsPerBlock; unit < end; unit++) RunUnit(unit, source, target);
    }

    /// <summary>Copies everything on the calling thread.</summary>
    public void Run(byte* source, byte* target)
    {
        int blocks = BlockCount;
        for (int block = 0; block < blocks; block++) RunBlock(block, source, target);
    }

    private void RunUnit(long unit, byte* source, byte* target)
    {
        (unit, long column) = Math.DivRem(unit, columnChunks);
        column *= columnChunk;
        (unit, long row) = Math.DivRem(unit, rowChunks);
        row *= rowChunk;
        source += column * columns.Source + row * rows.Source;
        target += column * columns.Target + row * rows.Target;
        for (int i = outer.Length - 1; i >= 0; i--)
        {
            CopyAxis axis = outer[i];
            (unit, long at) = Math.DivRem(unit, axis.Count);
            source += at * axis.Source;
            target += at * axis.Target;
        }
        CopyPanel(source, target, Math.Min(rowChunk, rows.Count - row), Math.Min(columnChunk, columns.Count - column));
    }

    private void CopyPanel(byte* source, byte* target, long rowCount, long columnCount)
    {
        if (panel == Panel.Tiles)
        {
            TileTranspose.Run(elementBytes, source, columns.Source, target, rows.Target, rowCount, columnCount);
            return;
        }
        for (long row = 0; row < rowCount; row++, source += rows.Source, target += rows.Target)
        {
            if (panel == Panel.Rows) CopyRow(source, target, columnCount);
            else if (panel == Panel.Fill) ElementMoves.Fill(elementBytes, source, target, columnCount);
            else ElementMoves.Strided(elementBytes, source, columns.Source, target, columns.Target, columnCount);
        }
    }

    private static void CopyRow(byte* source, byte* target, long bytes)
    {
        if (bytes == 32) // heads and channels are often this narrow; a call to memcpy would cost more than the copy
        {
            ((ulong*)target)[0] = ((ulong*)source)[0];
            ((ulong*)target)[1] = ((ulong*)source)[1];
            ((ulong*)target)[2] = ((ulong*)source)[2];
            ((ulong*)target)[3] = ((ulong*)source)[3];
            return;
        }
        NativeMemory.Copy(source, target, (nuint)bytes);
    }

    /// <summary>Axes longer than 1 in bytes, outermost first by the target's strides, merged where one continues the other on both sides.</summary>
    private static List<CopyAxis> Normalize(int elementBytes, ReadOnlySpan<long> dims, ReadOnlySpan<long> sourceStrides, ReadOnlySpan<long> targetStrides)
    {
        var axes = new List<CopyAxis>();
        for (int i = 0; i < dims.Length; i++)
            if (dims[i] != 1) axes.Add(new CopyAxis(dims[i], sourceStrides[i] * elementBytes, targetStrides[i] * elementBytes));
        axes.Sort((a, b) => Math.Abs(b.Target).CompareTo(Math.Abs(a.Target)));
        for (int i = axes.Count - 2; i >= 0; i--)
        {
            CopyAxis a = axes[i], b = axes[i + 1];
            if (a.Source != b.Source * b.Count || a.Target != b.Target * b.Count) continue;
            axes[i] = new CopyAxis(a.Count * b.Count, b.Source, b.Target);
            axes.RemoveAt(i + 1);
        }
        return axes;
    }

    /// <summary>
    /// Takes contiguous innermost axes into the element. The result is a machine element of 1, 2, 4, 8 or 16 bytes (run -1), or a run of
    /// <paramref name="run"/> bytes where it is wider, odd, empty, or everything.
    /// </summary>
    private static int WidenElement(int elementBytes, List<CopyAxis> axes, out long run)
    {
        long bytes = elementBytes;
        if (axes.Count > 0 && axes[^1].Source == bytes && axes[^1].Target == bytes)
        {
            bytes *= axes[^1].Count;
            axes.RemoveAt(axes.Count - 1);
        }
        bool isElement = bytes is 1 or 2 or 4 or 8 or 16 && axes.Count > 0;
        run = isElement ? -1 : bytes;
        return isElement ? (int)bytes : 1;
    }
}
