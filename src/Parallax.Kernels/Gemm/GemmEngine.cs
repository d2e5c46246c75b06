namespace Parallax.Kernels;

/// <summary>Packs slabs of a right operand whose elements are not those of a strided matrix, such as the patches of a convolution.</summary>
internal abstract unsafe class RightSource
{
    /// <summary>
    /// Writes panels of NR columns, one behind the other: <c>target[panel][k * NR + column]</c>, for columns [column, column + columns) and
    /// depths [depthStart, depthStart + depth). May write up to 15 elements behind the last panel, and anything into missing columns.
    /// </summary>
    internal abstract void PackSlab(float* target, float* data, int depthStart, int depth, int column, int columns);
}

/// <summary>Where the operands of one product lie; strides in elements. The bias may be null, and the residual.</summary>
internal unsafe struct GemmOperands
{
    internal float* A, B, C, Bias, Residual;
    internal nint ARowStride, AColumnStride, BRowStride, BColumnStride, CStride, BiasRowStride, BiasColumnStride, ResidualStride;
    internal PackedMatrix? PackedA, PackedB;
    internal int PackedAIndex, PackedBIndex;

    /// <summary>Where <see cref="GemmEngine.PackLeft"/> put A, for engines that share it between their blocks.</summary>
    internal float* SharedA;
}

/// <summary>
/// One product C = A B with an epilogue, cut into blocks of C. A block computes its part by slabs of depth: it packs what is not packed,
/// then visits every tile. The last slab is followed by the epilogue, tile by tile. Each element of C is summed in the order of depth,
/// slab by slab, whatever the blocks are. Where B is packed and A is high, A is packed before the blocks run, once for all of them.
/// A packed B comes from memory: while tiles of one panel are computed, the next panel is fetched.
/// </summary>
internal sealed unsafe class GemmEngine
{
    private const long MinBlockWork = 1 << 20;
    private const int WantedBlocks = 24;
    private const int StepsAhead = 32;

    private readonly GemmMicroKernel entry;
    private readonly DepthSlabs slabs;
    private readonly Epilogue epilogue;
    private readonly RightSource? rightSource;
    private readonly bool packsLeft, packsRight, sharesLeft, readsRightDirectly;
    private readonly int m, n, mBlock, nBlock;

    /// <param name="products">How many such products the kernel computes, which are independent work.</param>
    /// <param name="rightIsRowMajor">Whether the columns of an unpacked B are contiguous.</param>
    internal GemmEngine(
        GemmMicroKernel entry, int m, int n, int k, long products, Epilogue epilogue,
        bool leftIsPacked, bool rightIsPacked, bool rightIsRowMajor, RightSource? rightSource = null)
    {
        this.entry = entry;
        this.epilogue = epilogue;
        this.rightSource = rightSource;
        (this.m, this.n) = (m, n);
        slabs = new DepthSlabs(k, entry);
        sharesLeft = !leftIsPacked && rightIsPacked && m > entry.MR;
        packsLeft = !leftIsPacked && !sharesLeft;
        packsRight = !rightIsPacked;
        (mBlock, nBlock) = Cut(products);
        readsRightDirectly = packsRight && rightSource is null && rightIsRowMajor && mBlock <= 2 * entry.MR;
        MBlocks = (m + mBlock - 1) / mBlock;
        NBlocks = (n + nBlock - 1) / nBlock;
    }

    internal int MBlocks { get; }

    internal int NBlocks { get; }

    /// <summary>Columns of a block, the last one excepted.</summary>
    internal int ColumnsPerBlock => nBlock;

    internal int RowsPerBlock => mBlock;

    /// <summary>Blocks of <see cref="PackLeft"/>, all of which must have run before the others; 0 where A is not shared.</summary>
    internal int PackBlocks => sharesLeft ? slabs.Count * PackParts : 0;

    /// <summary>Elements of a shared A; 0 where there is none.</summary>
    internal long SharedElements => sharesLeft ? Round((long)entry.PaddedRows(m) * slabs.Depth) : 0;

    private int PackParts => (m + entry.MC - 1) / entry.MC;

    internal long WorkerScratchBytes => sizeof(float) * (TileElements + LeftElements + RightElements);

    private long TileElements => entry.MR * entry.NR;

    private long LeftElements => packsLeft ? Round((long)entry.PaddedRows(Math.Min(mBlock, m)) * slabs.Size) : 0;

    private long RightElements => !packsRight ? 0
        : Round((long)(readsRightDirectly ? entry.NR : entry.PaddedColumns(nBlock)) * slabs.Size) + 16;

    /// <summary>Packs some rows of one slab of A into <see cref="GemmOperands.SharedA"/>, by slabs as a packed matrix has them.</summary>
    internal void PackLeft(int block, in GemmOperands operands)
    {
        (int slab, int part) = Math.DivRem(block, PackParts);
        int start = slabs.Start(slab), depth = slabs.Length(slab), row = part * entry.MC;
        PackedMatrix.PackSlab(SharedSlab(operands, start) + (nint)row * depth, entry, isLeft: true,
            operands.A + row * operands.ARowStride + start * operands.AColumnStride, Math.Min(entry.MC, m - row), depth, operands.ARowStride, operands.AColumnStride);
    }

    internal void RunBlock(int mIndex, int nIndex, in GemmOperands operands, byte* workerScratch)
    {
        float* tile = (float*)workerScratch, left = tile + TileElements, right = left + LeftElements;
        int row = mIndex * mBlock, rows = Math.Min(mBlock, m - row), column = nIndex * nBlock, columns = Math.Min(nBlock, n - column);
        for (int slab = 0; slab < slabs.Count; slab++)
        {
            int start = slabs.Start(slab), depth = slabs.Length(slab);
            float* a = Left(operands, left, row, rows, start, depth);
            if (packsRight && !readsRightDirectly)
                PackRight(operands, right, column, columns, start, depth);
            for (int j = 0; j < columns; j += entry.NR)
            {
                int valid = Math.Min(entry.NR, columns - j);
                float* b = Right(operands, right, column, j, valid, start, depth, out nint bStride);
                float* next = operands.PackedB is { } packed ? Next(packed, operands.PackedBIndex, slab, column, j, columns) : null;
                RunColumn(operands, a, b, bStride, next, tile, row, rows, column + j, valid, depth, slab);
            }
        }
    }

    /// <summary>The panel of B behind this one: in the slab, in the block's next slab, or else where the next block begins.</summary>
    private float* Next(PackedMatrix packed, int index, int slab, int column, int j, int columns)
    {
        if (j + entry.NR < columns) return packed.Slab(index, slabs.Start(slab)) + (nint)(column + j + entry.NR) * slabs.Length(slab);
        return slab + 1 < slabs.Count
            ? packed.Slab(index, slabs.Start(slab + 1)) + (nint)column * slabs.Length(slab + 1)
            : packed.Slab(index, 0) + (nint)(column + columns) * slabs.Length(0);
    }

    private void RunColumn(
        in GemmOperands operands, float* a, float* b, nint bStride, float* next, float* tile, int row, int rows, int column, int columns, int depth, int slab)
    {
        bool last = slab == slabs.Count - 1;
        // The first tiles fetch the next panel, each a part of it; a single tile fetches the panel that it reads, a little ahead.
        int parts = next == null ? 0 : rows > 3 * entry.MR ? 4 : rows > entry.MR ? 2 : 1;
        float* ahead = parts == 1 ? b + StepsAhead * entry.NR : next;
        nint aheadStep = parts == 0 ? 0 : entry.NR / parts;
        for (int i = 0; i < rows; i += entry.MR, ahead += aheadStep * depth)
        {
            if (i == parts * entry.MR)
            {
                ahead = b;
                aheadStep = 0;
            }
            int valid = Math.Min(entry.MR, rows - i);
            var run = entry.TileFor(valid);
            float* panel = a + (nint)i * depth, c = operands.C + (row + i) * operands.CStride + column;
            if (columns == entry.NR && valid == entry.HeightFor(valid))
            {
                run(depth, panel, b, bStride, c, operands.CStride, slab > 0, ahead, aheadStep);
            }
            else
            {
                // The sum goes on from C, as in a whole tile: equal rows must give equal bits wherever the edge falls.
                if (slab > 0) CopyTile(c, operands.CStride, tile, entry.NR, valid, columns);
                run(depth, panel, b, bStride, tile, entry.NR, slab > 0, ahead, aheadStep);
                CopyTile(tile, entry.NR, c, operands.CStride, valid, columns);
            }
            if (last)
                Finish(operands, c, row + i, valid, column, columns);
        }
    }

    private void Finish(in GemmOperands operands, float* c, int row, int rows, int column, int columns)
    {
        var tile = new EpilogueTile
        {
            C = c,
            Stride = operands.CStride,
            Rows = rows,
            Columns = columns,
            Bias = operands.Bias == null ? null : operands.Bias + row * operands.BiasRowStride + column * operands.BiasColumnStride,
            BiasRowStride = operands.BiasRowStride,
            BiasColumnStride = operands.BiasColumnStride,
            Residual = operands.Residual == null ? null : operands.Residual + row * operands.ResidualStride + column,
            ResidualStride = operands.ResidualStride,
        };
        epilogue.Apply(in tile);
    }

    private float* Left(in GemmOperands operands, float* scratch, int row, int rows, int start, int depth)
    {
        if (operands.PackedA is { } packed)
            return packed.Slab(operands.PackedAIndex, start) + (nint)row * depth;
        if (sharesLeft)
            return SharedSlab(operands, start) + (nint)row * depth;
        PackedMatrix.PackSlab(scratch, entry, isLeft: true, operands.A + row * operands.ARowStride + start * operands.AColumnStride,
            rows, depth, operands.ARowStride, operands.AColumnStride);
        return scratch;
    }

    private float* SharedSlab(in GemmOperands operands, int start) => operands.SharedA + (nint)entry.PaddedRows(m) * start;

    private void PackRight(in GemmOperands operands, float* scratch, int column, int columns, int start, int depth)
    {
        if (rightSource is not null)
            rightSource.PackSlab(scratch, operands.B, start, depth, column, columns);
        else
            PackedMatrix.PackSlab(scratch, entry, isLeft: false, operands.B + start * operands.BRowStride + column * operands.BColumnStride,
                columns, depth, operands.BColumnStride, operands.BRowStride);
    }

    private float* Right(in GemmOperands operands, float* scratch, int column, int j, int columns, int start, int depth, out nint stride)
    {
        stride = entry.NR;
        if (operands.PackedB is { } packed)
            return packed.Slab(operands.PackedBIndex, start) + (nint)(column + j) * depth;
        if (!readsRightDirectly)
            return scratch + (nint)j * depth;
        float* source = operands.B + start * operands.BRowStride + column + j;
        if (columns == entry.NR)
        {
            stride = operands.BRowStride;
            return source;
        }
        PanelPacking.Pack(scratch, entry.NR, source, columns, depth, 1, operands.BRowStride);
        return scratch;
    }

    private static void CopyTile(float* from, nint fromStride, float* to, nint toStride, int rows, int columns)
    {
        for (int row = 0; row < rows; row++, from += fromStride, to += toStride)
            new ReadOnlySpan<float>(from, columns).CopyTo(new Span<float>(to, columns));
    }

    /// <summary>Large blocks reuse packed data best; they are halved until there is work for many workers or they would be too small.</summary>
    private (int M, int N) Cut(long products)
    {
        int mr = entry.MR, nr = entry.NR;
        int rows = Math.Max(1, Panels(Math.Min(m, packsLeft ? entry.MC : 2 * entry.MC), mr));
        int columns = Math.Max(1, Panels(Math.Min(n, packsRight ? entry.NC : 2 * entry.NC), nr));
        while (products * Panels(m, rows * mr) * Panels(n, columns * nr) < WantedBlocks)
        {
            long work = (long)Math.Min(m, rows * mr) * Math.Min(n, columns * nr) * slabs.Depth;
            // With few rows the time goes into reading B, not into multiplying.
            long cost = Math.Max(work, 16L * Math.Min(n, columns * nr) * slabs.Depth);
            if (cost < 2 * MinBlockWork || (rows <= 1 && columns <= 1))
                break;
            // Halving the columns packs A twice as often, halving the rows B; packing A costs more, it transposes.
            // Nothing is packed twice where both are packed before, but with fewer rows B comes from memory more often.
            bool halveColumns = columns > 1 && (rows <= 1 || sharesLeft || (packsLeft == packsRight ? columns * nr >= 2 * rows * mr : packsRight));
            if (halveColumns) columns = (columns + 1) / 2;
            else rows = (rows + 1) / 2;
        }
        return (rows * mr, columns * nr);
    }

    private static int Panels(int lanes, int width) => (lanes + width - 1) / width;

    private static long Round(long elements) => (elements + 15) / 16 * 16;
}
