using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>
/// A product of rows of 8-bit data with constant weights in panels of columns: what is the same whatever the rows are made of and whatever their sums become. Blocks take strips of rows, and panels for them that stay
/// in the first-level cache.
/// </summary>
internal abstract unsafe class IntegerRows : Kernel
{
    private const long MinBlockWork = 1 << 21;
    private const int WantedBlocks = 16, MinBlockRows = 24;

    /// <summary>Bytes of the rows that are worked on at once, which a panel is fetched for anew, and of the panels and the sums, which stay in the first-level cache with a tile of the rows.</summary>
    private const int StripRowBytes = 128 << 10, StripPanelBytes = 16 << 10, StripSumBytes = 16 << 10;

    /// <summary>Tiles above one another that are worked on at once.</summary>
    private const int MaxStripTiles = 8;

    /// <summary>Bytes that <see cref="CopyFactors"/> may write behind its last.</summary>
    protected const int CopySlack = 2 * Vec.LineBytes;

    /// <summary>Bytes of weights that no second-level cache keeps from one run to the next.</summary>
    private const int StreamedBytes = 256 << 10;

    private readonly PackedIntegers weights;
    private readonly bool isStreamed;
    private readonly int depth, groups, rowsPerBlock, columnsPerBlock, stripRows, stripColumns;

    /// <param name="isSigned">Whether the data are int8; otherwise uint8.</param>
    /// <param name="outputs">Columns of the result.</param>
    protected IntegerRows(IntegerMicroKernel entry, PackedIntegers weights, bool isSigned, int rows, int outputs, int depth)
    {
        Flip = entry.Flip(isLeft: true, isSigned);
        (Entry, Rows, Outputs, this.depth) = (entry, rows, outputs, depth);
        this.weights = weights.AddReference(entry, isLeft: false, outputs, depth);
        groups = entry.Groups(depth);
        RowBytes = 4 * groups;
        isStreamed = (long)outputs * RowBytes >= StreamedBytes;
        (rowsPerBlock, columnsPerBlock) = Cut();
        stripRows = Math.Clamp(StripRowBytes / Math.Max(1, RowBytes * entry.MR), 1, MaxStripTiles) * entry.MR;
        int panels = Math.Clamp(StripPanelBytes / Math.Max(1, RowBytes * entry.NR), 1, Math.Max(1, StripSumBytes / (stripRows * entry.NR * sizeof(int))));
        stripColumns = Math.Min(panels * entry.NR, RoundUp(columnsPerBlock, entry.NR));
    }

    public sealed override long WorkerScratchBytes => SumBytes + RowScratchBytes;

    protected IntegerMicroKernel Entry { get; }

    protected int Rows { get; }

    protected int Outputs { get; }

    /// <summary>Of the left factors of a row.</summary>
    protected int RowBytes { get; }

    /// <summary>What turns bytes of the data into left factors, by exclusive or.</summary>
    protected int Flip { get; }

    /// <summary>Whether bytes of the data are left factors as they lie, where rows begin at multiples of <see cref="RowBytes"/>.</summary>
    protected bool AreFactors => Entry.Group == 4 && Flip == 0 && depth == RowBytes;

    /// <summary>Rows of a strip, at most.</summary>
    protected int StripRows => stripRows;

    /// <summary>Bytes of a worker's scratch for rows that are not multiplied where they lie.</summary>
    protected abstract long RowScratchBytes { get; }

    /// <summary>Blocks of the product.</summary>
    protected int ProductBlocks => Rows == 0 ? 0 : (Rows + rowsPerBlock - 1) / rowsPerBlock * ColumnBlocks;

    private long SumBytes => Vec.WholeLines(sizeof(int) * ((long)stripRows * stripColumns + Vec.LineElements));

    private int ColumnBlocks => (Outputs + columnsPerBlock - 1) / columnsPerBlock;

    /// <summary>The sum of the factors of each column.</summary>
    protected int* ColumnSums => weights.Sums(0, 0);

    /// <summary>The left factors of some rows, <see cref="RowBytes"/> from row to row; <paramref name="scratch"/> has <see cref="RowScratchBytes"/>.</summary>
    protected abstract byte* Left(int row, int count, byte* scratch, in KernelArgs args);

    /// <summary>Makes results of sums, <paramref name="stride"/> elements from row to row; up to 15 may be read behind the last.</summary>
    protected abstract void Finish(int* sums, int stride, int row, int rows, int column, int columns, in KernelArgs args);

    /// <summary>The scratch that <see cref="Left"/> gets.</summary>
    protected byte* RowScratch(in KernelArgs args) => args.WorkerScratch + SumBytes;

    /// <summary>The columns of a block.</summary>
    protected (int First, int Count) ColumnsOf(int block)
    {
        int column = block % ColumnBlocks * columnsPerBlock;
        return (column, Math.Min(columnsPerBlock, Outputs - column));
    }

    /// <summary>One block of the product.</summary>
    protected void Multiply(int block, in KernelArgs args)
    {
        int rowBlock = block / ColumnBlocks, end = Math.Min(Rows, (rowBlock + 1) * rowsPerBlock);
        (int column, int columns) = ColumnsOf(block);
        int* sums = (int*)args.WorkerScratch;
        for (int row = rowBlock * rowsPerBlock; row < end; row += stripRows)
        {
            int count = Math.Min(stripRows, end - row);
            byte* left = Left(row, count, RowScratch(args), args);
            for (int j = 0; j < columns; j += stripColumns)
            {
                int valid = Math.Min(stripColumns, columns - j);
                byte* right = weights.Panel(0, column + j);
                byte* ahead = right + (nint)stripColumns * RowBytes;
                int aheadPerRow = stripColumns * RowBytes / count;
                for (int i = 0; i < count;)
                {
                    int tile = Entry.HeightWithin(count - i);
                    // What comes after the strip of panels is fetched a piece with each tile: inside of it from memory, in streams, and behind it from a cache.
                    Prefetcher fetch = isStreamed ? Streamed(right, (nint)i * aheadPerRow, count / tile) : Prefetcher.Nothing((float*)right);
                    Entry.TileFor(tile)(groups, left + (nint)i * RowBytes, RowBytes, 4, right, (valid + Entry.NR - 1) / Entry.NR, sums + i * stripColumns, stripColumns, fetch);
                    for (int piece = isStreamed ? 0 : aheadPerRow * tile; piece > 0; piece -= Vec.LineBytes, ahead += Vec.LineBytes) Vec.Prefetch(ahead);
                    i += tile;
                }
                Finish(sums, stripColumns, row, count, column + j, valid, args);
            }
        }
    }

    public override void Dispose()
    {
        weights.Dispose();
        base.Dispose();
    }

    /// <summary>Bytes in the form of left factors; <paramref name="to"/> moves behind them. Whole vectors are written, and read where they end before <paramref name="end"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected void CopyFactors(byte* from, int count, byte* end, ref byte* to)
    {
        int i = 0, flip = Flip;
        Vector128<byte> flips = Vector128.Create((byte)flip);
        bool isPacked = Entry.Group == 4;
        byte* target = to;
        for (; i < count && from + i + Vector128<byte>.Count <= end; i += Vector128<byte>.Count) CopyVector(from, target, i, flips, isPacked);
        for (; i < count; i++)
            if (isPacked) target[i] = (byte)(from[i] ^ flip);
            else ((short*)target)[i] = (short)(from[i] ^ flip);
        to = target + (isPacked ? count : sizeof(short) * count);
    }

    /// <summary>A vector of bytes in that form, from element <paramref name="i"/> on of both sides.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected static void CopyVector(byte* from, byte* to, int i, Vector128<byte> flips, bool isPacked)
    {
        Vector128<byte> bytes = Vector128.Load(from + i) ^ flips;
        if (isPacked) Vector128.Store(bytes, to + i);
        else ByteLanes.Widen(bytes, (short*)to + i);
    }

    /// <summary>Fetches from weights so far behind some that are read, as many tiles read those.</summary>
    private Prefetcher Streamed(byte* right, nint done, int tiles)
    {
        byte* first = weights.Panel(0, 0);
        return Prefetcher.Stream((float*)first, (nint)(right + done - first) / sizeof(float), Math.Max(1, Entry.NR >> BitOperations.Log2((uint)tiles)));
    }

    protected static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;

    /// <summary>Blocks have all columns, so that rows are brought and read once, unless the weights are larger than the rows of a block.</summary>
    private (int Rows, int Columns) Cut()
    {
        int ofRows = Math.Max(1, Rows), ofColumns = Math.Max(1, Outputs);
        while ((long)(Rows + ofRows - 1) / ofRows * ((Outputs + ofColumns - 1) / ofColumns) < WantedBlocks && (long)ofRows * ofColumns * depth >= 2 * MinBlockWork)
        {
            bool canHalveColumns = ofColumns >= 2 * Entry.NR;
            if (ofRows >= 2 * MinBlockRows && (ofRows >= ofColumns || !canHalveColumns)) ofRows = RoundUp((ofRows + 1) / 2, Entry.MR);
            else if (canHalveColumns) ofColumns = RoundUp((ofColumns + 1) / 2, Entry.NR);
            else break;
        }
        return (ofRows, ofColumns);
    }
}
