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

    /// <summary>Where <see cref="GemmEngine.ShareLeft"/> put A, for engines that share it between their blocks.</summary>
    internal float* SharedA;
}

/// <summary>
/// One product C = A B with an epilogue, cut into blocks of C. A block computes its part by slabs of depth: it copies the slab of A where tiles cannot
/// read that as it lies, then takes one panel of B after the other, packs it where it is not packed, and visits its tiles. The last slab is followed by the
/// epilogue, tile by tile. Each element of C is summed in the order of depth, whatever the blocks and the slabs are. Where B is packed and A is
/// high, A is copied, if at all, before the blocks run, once for all of them. B may come from memory: while tiles of one panel are computed, the next is fetched.
/// Where B is packed and the rows of A are few, reading B takes longer than multiplying: a block then reads its panels from beginning to end, one or several at once.
/// </summary>
internal sealed unsafe class GemmEngine
{
    private const long MinBlockWork = 1 << 20;
    private const int WantedBlocks = 24;

    /// <summary>Full tiles above one another, at most, that take longer to read their packed panels from memory than to multiply.</summary>
    private const int StreamedTiles = 3;

    /// <summary>Elements of C of a block that are visited again for every slab: they stay in the second-level cache.</summary>
    private const int BlockElements = 1 << 16;

    private readonly GemmMicroKernel entry;
    private readonly DepthSlabs slabs;
    private readonly Epilogue epilogue;
    private readonly RightSource? rightSource;
    private readonly bool copiesLeft, packsRight, widensRight, sharesLeft, readsRightRows, readsRightDirectly, streamsRight;
    private readonly int m, n, mBlock, nBlock, tileRows, edgeRows;

    /// <summary>Elements between rows of a copy of A.</summary>
    private readonly nint leftStride;

    /// <param name="left">How an A lies that is not packed.</param>
    /// <param name="products">How many such products the kernel computes, which are independent work.</param>
    /// <param name="rightIsRowMajor">Whether the columns of an unpacked B are contiguous.</param>
    /// <param name="rightIsShort">Whether a packed B is short.</param>
    /// <param name="copiesRight">Whether panels of a B that is not packed are copied even where tiles could read them as they lie: a large one is read from memory once then, however many tiles and whatever its strides.</param>
    /// <param name="columnGroup">Columns that are best computed by one block; blocks that are not much smaller get a multiple of it.</param>
    internal GemmEngine(
        GemmMicroKernel entry, int m, int n, int k, long products, Epilogue epilogue,
        MatrixLayout? left, bool rightIsPacked, bool rightIsRowMajor, RightSource? rightSource = null, int columnGroup = 1, bool rightIsShort = false, bool copiesRight = false)
    {
        this.entry = entry;
        this.epilogue = epilogue;
        this.rightSource = rightSource;
        (this.m, this.n) = (m, n);
        slabs = new DepthSlabs(k, entry);
        leftStride = LeftRows.Stride(slabs.Size);
        streamsRight = rightIsPacked && k > 0 && m <= StreamedTiles * entry.MR;
        // A packed A has rows for full tiles above one another only.
        tileRows = streamsRight && left is not null && m > entry.MR && m <= 2 * entry.LowerRows ? entry.LowerRows : entry.MR;
        bool readsLeft = left is { } layout && LeftRows.CanRead(layout, m);
        sharesLeft = left is not null && !readsLeft && rightIsPacked && m > entry.MR;
        copiesLeft = left is not null && !readsLeft && !sharesLeft;
        int rest = m % tileRows;
        edgeRows = readsLeft && rest > 0 && entry.HeightFor(rest) > rest ? rest : 0;
        (packsRight, widensRight) = (!rightIsPacked, rightIsShort);
        (mBlock, nBlock) = Cut(products, columnGroup);
        readsRightRows = packsRight && rightSource is null && rightIsRowMajor;
        readsRightDirectly = readsRightRows && !copiesRight && mBlock <= 2 * entry.MR;
        MBlocks = (m + mBlock - 1) / mBlock;
        NBlocks = (n + nBlock - 1) / nBlock;
    }

    internal int MBlocks { get; }

    internal int NBlocks { get; }

    /// <summary>Columns of a block, the last one excepted.</summary>
    internal int ColumnsPerBlock => nBlock;

    internal int RowsPerBlock => mBlock;

    /// <summary>Blocks of <see cref="ShareLeft"/>, all of which must have run before the others; 0 where A is not shared.</summary>
    internal int PackBlocks => sharesLeft ? slabs.Count * PackParts : 0;

    /// <summary>Elements of a shared A; 0 where there is none.</summary>
    internal long SharedElements => sharesLeft ? slabs.Count * SharedSlabElements : 0;

    private nint SharedSlabElements => PaddedRows(m) * leftStride;

    private int PackParts => (m + entry.MC - 1) / entry.MC;

    internal long WorkerScratchBytes => sizeof(float) * (TileElements + LeftElements + RightElements);

    private long TileElements => entry.MR * entry.NR;

    private long LeftElements => (streamsRight ? slabs.Count : 1) * LeftSlabElements;

    private nint LeftSlabElements => PaddedRows(copiesLeft ? Math.Min(mBlock, m) : edgeRows) * leftStride;

    private long RightElements => packsRight || widensRight ? Vec.WholeLineElements((long)entry.NR * slabs.Size) + 16 : 0;

    /// <summary>Copies some rows of one slab of A into <see cref="GemmOperands.SharedA"/>, by slabs as a packed matrix has them.</summary>
    internal void ShareLeft(int block, in GemmOperands operands)
    {
        (int slab, int part) = Math.DivRem(block, PackParts);
        int row = part * entry.MC;
        CopyRows(SharedRow(operands, slab, row), operands, row, Math.Min(entry.MC, m - row), slab);
    }

    /// <summary>Rows of A that the tiles of so many read.</summary>
    private int PaddedRows(int rows) => rows / tileRows * tileRows + entry.PaddedRows(rows % tileRows);

    private void CopyRows(float* target, in GemmOperands operands, int row, int rows, int slab) =>
        LeftRows.Copy(target, leftStride, operands.A + row * operands.ARowStride + slabs.Start(slab) * operands.AColumnStride,
            rows, PaddedRows(rows), slabs.Length(slab), operands.ARowStride, operands.AColumnStride);

    internal void RunBlock(int mIndex, int nIndex, in GemmOperands operands, byte* workerScratch)
    {
        float* tile = (float*)workerScratch, left = tile + TileElements, right = left + LeftElements;
        int row = mIndex * mBlock, rows = Math.Min(mBlock, m - row), column = nIndex * nBlock, columns = Math.Min(nBlock, n - column);
        if (streamsRight)
        {
            for (int slab = 0; slab < slabs.Count; slab++) CopyLeft(operands, left + slab * LeftSlabElements, row, rows, slab);
            RunStreams(operands, tile, left, right, row, rows, column, columns);
            return;
        }
        for (int slab = 0; slab < slabs.Count; slab++)
        {
            int start = slabs.Start(slab), depth = slabs.Length(slab);
            CopyLeft(operands, left, row, rows, slab);
            LeftBlock a = Left(operands, left, row, rows, slab);
            for (int j = 0; j < columns; j += entry.NR)
            {
                int valid = Math.Min(entry.NR, columns - j);
                float* b = Right(operands, right, column + j, valid, start, depth, out nint bStride);
                Fetches ahead = operands.PackedB is { } packed ? FetchPanel(Next(packed, operands.PackedBIndex, slab, column, j, columns), packed.IsShort, rows, depth)
                    : readsRightRows && j + entry.NR < columns ? FetchRows(operands, start, column + j + entry.NR)
                    : new Fetches { Ahead = Prefetcher.Nothing(b) };
                RunColumn(operands, a, b, bStride, ahead, tile, row, rows, column + j, valid, start, depth);
            }
        }
    }

    /// <summary>Panels from beginning to end; in parts that end where a window of the fetched stream does.</summary>
    private void RunStreams(in GemmOperands operands, float* tile, float* copied, float* right, int row, int rows, int column, int columns)
    {
        PackedMatrix packed = operands.PackedB!;
        for (int j = 0, panels; j < columns; j += panels * entry.NR)
        {
            panels = m == 1 ? entry.PanelsAtOnce((columns - j) / entry.NR) : 1;
            for (int start = 0, depth; start < slabs.Depth; start += depth)
            {
                int slab = slabs.Index(start), within = start - slabs.Start(slab);
                depth = slabs.Length(slab) - within;
                LeftBlock a = Left(operands, copied + slab * LeftSlabElements, row, rows, slab).From(within);
                if (panels > 1)
                {
                    RunWide(operands, packed, a.Rows, tile, row, column + j, panels, start, depth);
                    continue;
                }
                Fetches ahead = FetchStream(packed, operands.PackedBIndex, start, column + j, rows, ref depth);
                int valid = Math.Min(entry.NR, columns - j);
                float* b = Right(operands, right, column + j, valid, start, depth, out nint bStride);
                RunColumn(operands, a, b, bStride, ahead, tile, row, rows, column + j, valid, start, depth);
            }
        }
    }

    /// <summary>The first tiles fetch the next packed panel, each a part of it.</summary>
    private Fetches FetchPanel(float* next, bool isShort, int rows, int depth)
    {
        int parts = rows > StreamedTiles * entry.MR ? 4 : rows > entry.MR ? 2 : 1;
        nint step = entry.NR / (isShort ? 2 * parts : parts);
        return new Fetches { Ahead = Prefetcher.Along(next, step), PerTile = step * depth, Tiles = parts };
    }

    /// <summary>All tiles fetch from the stream of panels, each a part.</summary>
    /// <param name="depth">What the tiles would read; what they read, if that is less.</param>
    private Fetches FetchStream(PackedMatrix packed, int matrix, int start, int column, int rows, ref int depth)
    {
        int tiles = (rows + tileRows - 1) / tileRows, step = packed.IsShort ? entry.NR / 2 : entry.NR;
        float* stream = packed.Right(0, 0, 0);
        nint position = (nint)(packed.Right(matrix, start, column) - stream);
        depth = (int)Math.Min(depth, Math.Max(1, Prefetcher.LeftInWindow(position) / step));
        return new Fetches { Ahead = Prefetcher.Stream(stream, position, (step + tiles - 1) / tiles), PerTile = (nint)step * depth / tiles, Tiles = tiles };
    }

    /// <summary>The first tiles fetch the rows of the next panel, each tile a cache line of every row.</summary>
    private Fetches FetchRows(in GemmOperands operands, int start, int column) => new()
    {
        Ahead = Prefetcher.Along(operands.B + start * operands.BRowStride + column, operands.BRowStride),
        PerTile = Vec.LineElements,
        Tiles = Math.Max(1, entry.NR / Vec.LineElements),
    };

    /// <summary>The panel of B behind this one: in the slab, in the block's next slab, or else where the next block begins.</summary>
    private float* Next(PackedMatrix packed, int index, int slab, int column, int j, int columns)
    {
        if (j + entry.NR < columns) return packed.Right(index, slabs.Start(slab), column + j + entry.NR);
        return slab + 1 < slabs.Count ? packed.Right(index, slabs.Start(slab + 1), column) : packed.Right(index, 0, column + columns);
    }

    /// <summary>All tiles of one panel, from depth <paramref name="start"/> on.</summary>
    private void RunColumn(
        in GemmOperands operands, in LeftBlock a, float* b, nint bStride, Fetches fetched, float* tile, int row, int rows, int column, int columns, int start, int depth)
    {
        bool finishes = Finishes(operands, start + depth);
        Prefetcher ahead = fetched.Ahead;
        for (int i = 0, tiles = 0, valid; i < rows; i += valid, tiles++, ahead.Skip(fetched.PerTile))
        {
            if (tiles == fetched.Tiles)
            {
                ahead = Prefetcher.Nothing(b);
                fetched.PerTile = 0;
            }
            valid = Math.Min(operands.PackedA is null ? tileRows : entry.NextRows(rows - i), rows - i);
            var run = ahead.IsInBursts ? entry.TileFor(valid, inBursts: true) : entry.TileFor(valid, columns);
            float* c = operands.C + (row + i) * operands.CStride + column;
            bool isEdge = valid < tileRows && a.Edge != null;
            float* left = isEdge ? a.Edge : a.Rows + i * a.Stride;
            nint aStride = isEdge ? leftStride : a.Stride;
            bool isWhole = columns == entry.NR && valid == entry.HeightFor(valid);
            float* sums = start > 0 ? c : null;
            nint sumsStride = operands.CStride;
            if (isWhole && !finishes)
            {
                run(depth, left, aStride, b, bStride, c, operands.CStride, sums, sumsStride, &ahead);
                continue;
            }
            if (start > 0 && !isWhole)
            {
                // The sum goes on from C, as in a whole tile: equal rows must give equal bits wherever the edge falls.
                CopyTile(c, operands.CStride, tile, entry.NR, valid, columns);
                sums = tile;
                sumsStride = entry.NR;
            }
            run(depth, left, aStride, b, bStride, tile, entry.NR, sums, sumsStride, &ahead);
            if (finishes) Finish(operands, tile, c, row + i, valid, column, columns);
            else CopyTile(tile, entry.NR, c, operands.CStride, valid, columns);
        }
    }

    /// <summary>One row of whole panels.</summary>
    private void RunWide(in GemmOperands operands, PackedMatrix packed, float* a, float* tile, int row, int column, int panels, int start, int depth)
    {
        float* c = operands.C + row * operands.CStride + column, sums = start > 0 ? c : null;
        bool finishes = Finishes(operands, start + depth);
        byte* b = (byte*)packed.Right(operands.PackedBIndex, start, column);
        entry.WideFor(panels, packed.IsShort)(depth, a, b, packed.ElementBytes * entry.NR * slabs.Depth, packed.ShortScale, finishes ? tile : c, sums);
        if (finishes) Finish(operands, tile, c, row, 1, column, panels * entry.NR);
    }

    /// <summary>Whether the sums up to a depth are finished in a place of their own: rows of C often lie a multiple of 4 KiB apart, where a load waits for the stores before it.</summary>
    private bool Finishes(in GemmOperands operands, int end) => end == slabs.Depth && epilogue.Changes(operands.Bias != null, operands.Residual != null);

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

    /// <summary>Copies rows of A into scratch: all of a block where tiles cannot read them, or the last ones where their tile reads more than there are.</summary>
    private void CopyLeft(in GemmOperands operands, float* scratch, int row, int rows, int slab)
    {
        if (copiesLeft) CopyRows(scratch, operands, row, rows, slab);
        else if (edgeRows > 0 && row + rows == m) CopyRows(scratch, operands, m - edgeRows, edgeRows, slab);
    }

    /// <summary>The rows of A of a block in one slab: where they lie, or where <see cref="CopyLeft"/> put them.</summary>
    private LeftBlock Left(in GemmOperands operands, float* copied, int row, int rows, int slab) =>
        operands.PackedA is { } packed ? new LeftBlock { Rows = packed.Left(operands.PackedAIndex, slabs.Start(slab), row), Stride = packed.RowStride }
        : sharesLeft ? new LeftBlock { Rows = SharedRow(operands, slab, row), Stride = leftStride }
        : copiesLeft ? new LeftBlock { Rows = copied, Stride = leftStride }
        : new LeftBlock
        {
            Rows = operands.A + row * operands.ARowStride + slabs.Start(slab),
            Stride = operands.ARowStride,
            Edge = edgeRows > 0 && row + rows == m ? copied : null,
        };

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

        /// <summary>From a depth on.</summary>
        internal readonly LeftBlock From(int depth) => this with { Rows = Rows + depth, Edge = Edge == null ? null : Edge + depth };
    }

    /// <summary>What the first tiles of a panel fetch: tile t begins <c>t * PerTile</c> elements behind the first.</summary>
    private struct Fetches
    {
        internal Prefetcher Ahead;
        internal nint PerTile;
        internal int Tiles;
    }

    /// <summary>Large blocks reuse packed data best; they are halved until there is work for many workers or they would be too small.</summary>
    private (int M, int N) Cut(long products, int columnGroup)
    {
        // Few rows are one block: each reads all of its panels.
        int mr = streamsRight ? Math.Max(1, m) : entry.MR, nr = entry.NR;
        int leastColumns = streamsRight && m == 1 ? GemmMicroKernel.LeastPanels : 1;
        int rows = Math.Max(1, Panels(Math.Min(m, copiesLeft ? entry.MC : 2 * entry.MC), mr));
        int most = packsRight ? Math.Max(entry.NC, BlockElements / (rows * mr)) : 2 * entry.NC;
        int columns = Math.Max(1, Panels(Math.Min(n, most), nr));
        while (products * Panels(m, rows * mr) * Panels(n, columns * nr) < WantedBlocks)
        {
            long work = (long)Math.Min(m, rows * mr) * Math.Min(n, columns * nr) * slabs.Depth;
            // With few rows the time goes into reading B, not into multiplying.
            long cost = Math.Max(work, 16L * Math.Min(n, columns * nr) * slabs.Depth);
            if (cost < 2 * MinBlockWork || (rows <= 1 && columns < 2 * leastColumns))
                break;
            // Halving the columns copies A twice as often, halving the rows B.
            // Nothing is copied twice where tiles read both as they lie, but with fewer rows B comes from memory more often.
            bool halveColumns = columns >= 2 * leastColumns && (rows <= 1 || !copiesLeft || (packsRight && columns * nr >= 2 * rows * mr));
            if (halveColumns) columns = (columns + 1) / 2;
            else rows = (rows + 1) / 2;
        }
        long group = columnGroup, wanted = columns * nr;
        while (group % nr != 0) group += columnGroup;
        long groups = (2 * wanted + group) / (2 * group);
        return (rows * mr, (int)(groups > 0 && groups * group < n + group ? groups * group : wanted));
    }

    private static int Panels(int lanes, int width) => (lanes + width - 1) / width;
}
