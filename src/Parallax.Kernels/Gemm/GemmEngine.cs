namespace Parallax.Kernels;

/// <summary>Packs slabs of a right operand whose elements are not those of a strided matrix, such as the patches of a convolution.</summary>
internal abstract unsafe class RightSource
{
    /// <summary>
    /// Writes a panel of up to NR columns, <c>target[k * NR + lane]</c>, for columns [column, column + columns) and depths [depthStart, depthStart + depth).
    /// May write up to 15 elements behind the panel, and anything into missing columns.
    /// </summary>
    internal abstract void PackPanel(float* target, float* data, int depthStart, int depth, int column, int columns);
}

/// <summary>Where the operands of one product lie; strides in elements. The bias may be null, and the residual.</summary>
internal unsafe struct GemmOperands
{
    internal float* A, B, C, Bias, Residual;
    internal nint ARowStride, AColumnStride, BRowStride, BColumnStride, CStride, BiasRowStride, BiasColumnStride, ResidualStride;
    internal PackedMatrix? PackedA, PackedB;
    internal int PackedAIndex, PackedBIndex;

    /// <summary>Where <see cref="GemmEngine.CopyLeft"/> put A, for engines that share it between their blocks.</summary>
    internal float* SharedA;
}

/// <summary>
/// One product C = A B with an epilogue, cut into blocks of C. A block computes its part by slabs of depth: it copies the slab of A where tiles cannot
/// read that as it lies, then takes one panel of B after the other, packs it where it is not packed, and visits its tiles. The last slab is followed by the
/// epilogue, tile by tile. Each element of C is summed in the order of depth, slab by slab, whatever the blocks are. Where B is packed and A is
/// high, A is copied, if at all, before the blocks run, once for all of them. B may come from memory: while tiles of one panel are computed, the next is fetched.
/// </summary>
internal sealed unsafe class GemmEngine
{
    private const long MinBlockWork = 1 << 20;
    private const int WantedBlocks = 24;
    private const int StepsAhead = 32;

    /// <summary>Elements of C of a block that are visited again for every slab: they stay in the second-level cache.</summary>
    private const int BlockElements = 1 << 16;

    private readonly GemmMicroKernel entry;
    private readonly DepthSlabs slabs;
    private readonly Epilogue epilogue;
    private readonly RightSource? rightSource;
    private readonly bool copiesLeft, packsRight, widensRight, sharesLeft, readsRightRows, readsRightDirectly;
    private readonly int m, n, mBlock, nBlock, edgeRows;

    /// <summary>Elements between rows of a copy of A.</summary>
    private readonly nint leftStride;

    /// <param name="left">How an A lies that is not packed.</param>
    /// <param name="products">How many such products the kernel computes, which are independent work.</param>
    /// <param name="rightIsRowMajor">Whether the columns of an unpacked B are contiguous.</param>
    /// <param name="rightIsShort">Whether a packed B is short.</param>
    /// <param name="columnGroup">Columns that are best computed by one block; blocks that are not much smaller get a multiple of it.</param>
    internal GemmEngine(
        GemmMicroKernel entry, int m, int n, int k, long products, Epilogue epilogue,
        MatrixLayout? left, bool rightIsPacked, bool rightIsRowMajor, RightSource? rightSource = null, int columnGroup = 1, bool rightIsShort = false)
    {
        this.entry = entry;
        this.epilogue = epilogue;
        this.rightSource = rightSource;
        (this.m, this.n) = (m, n);
        slabs = new DepthSlabs(k, entry);
        leftStride = LeftRows.Stride(slabs.Size);
        bool readsLeft = left is { } layout && LeftRows.CanRead(layout);
        sharesLeft = left is not null && !readsLeft && rightIsPacked && m > entry.MR;
        copiesLeft = left is not null && !readsLeft && !sharesLeft;
        int rest = m % entry.MR;
        edgeRows = readsLeft && rest > 0 && entry.HeightFor(rest) > rest ? rest : 0;
        (packsRight, widensRight) = (!rightIsPacked, rightIsShort);
        (mBlock, nBlock) = Cut(products, columnGroup);
        readsRightRows = packsRight && rightSource is null && rightIsRowMajor;
        readsRightDirectly = readsRightRows && mBlock <= 2 * entry.MR;
        MBlocks = (m + mBlock - 1) / mBlock;
        NBlocks = (n + nBlock - 1) / nBlock;
    }

    internal int MBlocks { get; }

    internal int NBlocks { get; }

    /// <summary>Columns of a block, the last one excepted.</summary>
    internal int ColumnsPerBlock => nBlock;

    internal int RowsPerBlock => mBlock;

    /// <summary>Blocks of <see cref="CopyLeft"/>, all of which must have run before the others; 0 where A is not shared.</summary>
    internal int PackBlocks => sharesLeft ? slabs.Count * PackParts : 0;

    /// <summary>Elements of a shared A; 0 where there is none.</summary>
    internal long SharedElements => sharesLeft ? slabs.Count * SharedSlabElements : 0;

    private nint SharedSlabElements => entry.PaddedRows(m) * leftStride;

    private int PackParts => (m + entry.MC - 1) / entry.MC;

    internal long WorkerScratchBytes => sizeof(float) * (TileElements + LeftElements + RightElements);

    private long TileElements => entry.MR * entry.NR;

    private long LeftElements => entry.PaddedRows(copiesLeft ? Math.Min(mBlock, m) : edgeRows) * leftStride;

    private long RightElements => packsRight || widensRight ? Round((long)entry.NR * slabs.Size) + 16 : 0;

    /// <summary>Copies some rows of one slab of A into <see cref="GemmOperands.SharedA"/>, by slabs as a packed matrix has them.</summary>
    internal void CopyLeft(int block, in GemmOperands operands)
    {
        (int slab, int part) = Math.DivRem(block, PackParts);
        int row = part * entry.MC;
        CopyRows(SharedRow(operands, slab, row), operands, row, Math.Min(entry.MC, m - row), slab);
    }

    private void CopyRows(float* target, in GemmOperands operands, int row, int rows, int slab) =>
        LeftRows.Copy(target, leftStride, operands.A + row * operands.ARowStride + slabs.Start(slab) * operands.AColumnStride,
            rows, entry.PaddedRows(rows), slabs.Length(slab), operands.ARowStride, operands.AColumnStride);

    internal void RunBlock(int mIndex, int nIndex, in GemmOperands operands, byte* workerScratch)
    {
        float* tile = (float*)workerScratch, left = tile + TileElements, right = left + LeftElements;
        int row = mIndex * mBlock, rows = Math.Min(mBlock, m - row), column = nIndex * nBlock, columns = Math.Min(nBlock, n - column);
        for (int slab = 0; slab < slabs.Count; slab++)
        {
            int start = slabs.Start(slab), depth = slabs.Length(slab);
            LeftBlock a = Left(operands, left, row, rows, slab);
            for (int j = 0; j < columns; j += entry.NR)
            {
                int valid = Math.Min(entry.NR, columns - j);
                float* b = Right(operands, right, column + j, valid, start, depth, out nint bStride);
                Ahead ahead = operands.PackedB is { } packed ? FetchPacked(Next(packed, operands.PackedBIndex, slab, column, j, columns), b, packed.IsShort, rows, depth)
                    : readsRightRows && j + entry.NR < columns ? FetchRows(operands, start, column + j + entry.NR)
                    : default;
                RunColumn(operands, a, b, bStride, ahead, tile, row, rows, column + j, valid, depth, slab);
            }
        }
    }

    /// <summary>The first tiles fetch the next packed panel, each a part of it; a single tile fetches the panel that it reads, a little ahead, unless that has just been widened.</summary>
    private Ahead FetchPacked(float* next, float* current, bool isShort, int rows, int depth)
    {
        int parts = rows > 3 * entry.MR ? 4 : rows > entry.MR ? 2 : 1;
        nint step = entry.NR / (isShort ? 2 * parts : parts);
        return new Ahead { First = parts == 1 && !isShort ? current + StepsAhead * entry.NR : next, Step = step, TileStep = step * depth, Tiles = parts };
    }

    /// <summary>The first tiles fetch the rows of the next panel, each tile a cache line of every row.</summary>
    private Ahead FetchRows(in GemmOperands operands, int start, int column) => new()
    {
        First = operands.B + start * operands.BRowStride + column,
        Step = operands.BRowStride,
        TileStep = Vec.LineElements,
        Tiles = Math.Max(1, entry.NR / Vec.LineElements),
    };

    /// <summary>The panel of B behind this one: in the slab, in the block's next slab, or else where the next block begins.</summary>
    private float* Next(PackedMatrix packed, int index, int slab, int column, int j, int columns)
    {
        if (j + entry.NR < columns) return packed.Right(index, slabs.Start(slab), column + j + entry.NR);
        return slab + 1 < slabs.Count ? packed.Right(index, slabs.Start(slab + 1), column) : packed.Right(index, 0, column + columns);
    }

    private void RunColumn(
        in GemmOperands operands, in LeftBlock a, float* b, nint bStride, Ahead fetched, float* tile, int row, int rows, int column, int columns, int depth, int slab)
    {
        // Finished in a place of their own: rows of C often lie a multiple of 4 KiB apart, where a load waits for the stores before it.
        bool finishes = slab == slabs.Count - 1 && epilogue.Changes(operands.Bias != null, operands.Residual != null);
        float* ahead = fetched.First;
        nint aheadStep = fetched.Step;
        for (int i = 0; i < rows; i += entry.MR, ahead += fetched.TileStep)
        {
            if (i == fetched.Tiles * entry.MR)
            {
                ahead = b;
                aheadStep = fetched.TileStep = 0;
            }
            int valid = Math.Min(entry.MR, rows - i);
            var run = entry.TileFor(valid);
            float* c = operands.C + (row + i) * operands.CStride + column;
            bool isEdge = valid < entry.MR && a.Edge != null;
            float* left = isEdge ? a.Edge : a.Rows + i * a.Stride;
            nint aStride = isEdge ? leftStride : a.Stride;
            bool isWhole = columns == entry.NR && valid == entry.HeightFor(valid);
            float* sums = slab > 0 ? c : null;
            nint sumsStride = operands.CStride;
            if (isWhole && !finishes)
            {
                run(depth, left, aStride, b, bStride, c, operands.CStride, sums, sumsStride, ahead, aheadStep);
                continue;
            }
            if (slab > 0 && !isWhole)
            {
                // The sum goes on from C, as in a whole tile: equal rows must give equal bits wherever the edge falls.
                CopyTile(c, operands.CStride, tile, entry.NR, valid, columns);
                sums = tile;
                sumsStride = entry.NR;
            }
            run(depth, left, aStride, b, bStride, tile, entry.NR, sums, sumsStride, ahead, aheadStep);
            if (finishes) Finish(operands, tile, c, row + i, valid, column, columns);
            else CopyTile(tile, entry.NR, c, operands.CStride, valid, columns);
        }
    }

    private void Finish(in GemmOperands operands, float* sums, float* c, int row, int rows, int column, int columns)
    {
        epilogue.Apply(new EpilogueTile
        {
            Sums = sums,
            SumsStride = entry.NR,
            C = c,
            Stride = operands.CStride,
            Rows = rows,
            Columns = columns,
            Bias = operands.Bias == null ? null : operands.Bias + row * operands.BiasRowStride + column * operands.BiasColumnStride,
            BiasRowStride = operands.BiasRowStride,
            BiasColumnStride = operands.BiasColumnStride,
            Residual = operands.Residual == null ? null : operands.Residual + row * operands.ResidualStride + column,
            ResidualStride = operands.ResidualStride,
        });
    }

    /// <summary>The rows of A of a block in one slab: where they lie, or copied into scratch. The last rows are copied where a tile reads more than there are.</summary>
    private LeftBlock Left(in GemmOperands operands, float* scratch, int row, int rows, int slab)
    {
        if (operands.PackedA is { } packed) return new LeftBlock { Rows = packed.Left(operands.PackedAIndex, slabs.Start(slab), row), Stride = packed.RowStride };
        if (sharesLeft) return new LeftBlock { Rows = SharedRow(operands, slab, row), Stride = leftStride };
        if (copiesLeft)
        {
            CopyRows(scratch, operands, row, rows, slab);
            return new LeftBlock { Rows = scratch, Stride = leftStride };
        }
        var block = new LeftBlock { Rows = operands.A + row * operands.ARowStride + slabs.Start(slab), Stride = operands.ARowStride };
        if (edgeRows > 0 && row + rows == m)
        {
            CopyRows(scratch, operands, m - edgeRows, edgeRows, slab);
            block.Edge = scratch;
        }
        return block;
    }

    private float* SharedRow(in GemmOperands operands, int slab, int row) => operands.SharedA + slab * SharedSlabElements + row * leftStride;

    /// <summary>The panel of B that begins at a column: where it lies, or packed or widened into scratch.</summary>
    private float* Right(in GemmOperands operands, float* scratch, int column, int columns, int start, int depth, out nint stride)
    {
        stride = entry.NR;
        if (operands.PackedB is { } packed)
        {
            float* panel = packed.Right(operands.PackedBIndex, start, column);
            if (!packed.IsShort) return panel;
            ShortFloats.Widen((short*)panel, scratch, (nint)depth * entry.NR, packed.ShortScale);
            return scratch;
        }
        if (rightSource is not null)
        {
            rightSource.PackPanel(scratch, operands.B, start, depth, column, columns);
            return scratch;
        }
        float* source = operands.B + start * operands.BRowStride + column * operands.BColumnStride;
        if (readsRightDirectly && columns == entry.NR)
        {
            stride = operands.BRowStride;
            return source;
        }
        PanelPacking.Pack(scratch, entry.NR, source, columns, depth, operands.BColumnStride, operands.BRowStride);
        return scratch;
    }

    private static void CopyTile(float* from, nint fromStride, float* to, nint toStride, int rows, int columns)
    {
        for (int row = 0; row < rows; row++, from += fromStride, to += toStride)
            new ReadOnlySpan<float>(from, columns).CopyTo(new Span<float>(to, columns));
    }

    /// <summary>Rows of A, and a copy of the last ones where that is what their tile reads.</summary>
    private struct LeftBlock
    {
        internal float* Rows, Edge;
        internal nint Stride;
    }

    /// <summary>What the first tiles of a panel fetch for later: tile t, at step k of depth, the line at <c>First + t * TileStep + k * Step</c>.</summary>
    private struct Ahead
    {
        internal float* First;
        internal nint Step, TileStep;
        internal int Tiles;
    }

    /// <summary>Large blocks reuse packed data best; they are halved until there is work for many workers or they would be too small.</summary>
    private (int M, int N) Cut(long products, int columnGroup)
    {
        int mr = entry.MR, nr = entry.NR;
        int rows = Math.Max(1, Panels(Math.Min(m, copiesLeft ? entry.MC : 2 * entry.MC), mr));
        int most = packsRight ? Math.Max(entry.NC, BlockElements / (rows * mr)) : 2 * entry.NC;
        int columns = Math.Max(1, Panels(Math.Min(n, most), nr));
        while (products * Panels(m, rows * mr) * Panels(n, columns * nr) < WantedBlocks)
        {
            long work = (long)Math.Min(m, rows * mr) * Math.Min(n, columns * nr) * slabs.Depth;
            // With few rows the time goes into reading B, not into multiplying.
            long cost = Math.Max(work, 16L * Math.Min(n, columns * nr) * slabs.Depth);
            if (cost < 2 * MinBlockWork || (rows <= 1 && columns <= 1))
                break;
            // Halving the columns copies A twice as often, halving the rows B.
            // Nothing is copied twice where tiles read both as they lie, but with fewer rows B comes from memory more often.
            bool halveColumns = columns > 1 && (rows <= 1 || !copiesLeft || (packsRight && columns * nr >= 2 * rows * mr));
            if (halveColumns) columns = (columns + 1) / 2;
            else rows = (rows + 1) / 2;
        }
        long group = columnGroup, wanted = columns * nr;
        while (group % nr != 0) group += columnGroup;
        long groups = (2 * wanted + group) / (2 * group);
        return (rows * mr, (int)(groups > 0 && groups * group < n + group ? groups * group : wanted));
    }

    private static int Panels(int lanes, int width) => (lanes + width - 1) / width;

    private static long Round(long elements) => (elements + 15) / 16 * 16;
}
