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
}

/// <summary>
/// One product C = A B with an epilogue, cut into blocks of C. A block computes its part by slabs of depth: it packs what is not packed,
/// then visits every tile. The last slab is followed by the epilogue, tile by tile. Each element of C is summed in the order of depth,
/// slab by slab, whatever the blocks are.
/// </summary>
internal sealed unsafe class GemmEngine
{
    private const long MinBlockWork = 1 << 20;
    private const int WantedBlocks = 24;

    private readonly GemmMicroKernel entry;
    private readonly DepthSlabs slabs;
    private readonly Epilogue epilogue;
    private readonly RightSource? rightSource;
    private readonly bool packsLeft, packsRight, readsRightDirectly;
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
        packsLeft = !leftIsPacked;
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

    internal long WorkerScratchBytes => sizeof(float) * (TileElements + LeftElements + RightElements);

    private long TileElements => entry.MR * entry.NR;

    private long LeftElements => packsLeft ? Round((long)entry.PaddedRows(Math.Min(mBlock, m)) * slabs.Size) : 0;

    private long RightElements => !packsRight ? 0
        : Round((long)(readsRightDirectly ? entry.NR : entry.PaddedColumns(nBlock)) * slabs.Size) + 16;

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
                RunColumn(operands, a, b, bStride, tile, row, rows, column + j, valid, depth, slab);
            }
        }
    }

    private void RunColumn(
        in GemmOperands operands, float* a, float* b, nint bStride, float* tile, int row, int rows, int column, int columns, int depth, int slab)
    {
        bool last = slab == slabs.Count - 1;
        for (int i = 0; i < rows; i += entry.MR)
        {
            int valid = Math.Min(entry.MR, rows - i);
            var run = entry.TileFor(valid);
            float* panel = a + (nint)i * depth, c = operands.C + (row + i) * operands.CStride + column;
            if (columns == entry.NR && valid == entry.HeightFor(valid))
            {
                run(depth, panel, b, bStride, c, operands.CStride, slab > 0);
            }
            else
            {
                // The sum goes on from C, as in a whole tile: equal rows must give equal bits wherever the edge falls.
                if (slab > 0) CopyTile(c, operands.CStride, tile, entry.NR, valid, columns);
                run(depth, panel, b, bStride, tile, entry.NR, slab > 0);
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
        PackedMatrix.PackSlab(scratch, entry, isLeft: true, operands.A + row * operands.ARowStride + start * operands.AColumnStride,
            rows, depth, operands.ARowStride, operands.AColumnStride);
        return scratch;
    }

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
            bool halveColumns = columns > 1 && (rows <= 1 || (packsLeft == packsRight ? columns * nr >= 2 * rows * mr : packsRight));
            if (halveColumns) columns = (columns + 1) / 2;
            else rows = (rows + 1) / 2;
        }
        return (rows * mr, columns * nr);
    }

    private static int Panels(int lanes, int width) => (lanes + width - 1) / width;

    private static long Round(long elements) => (elements + 15) / 16 * 16;
}
