namespace Parallax.Kernels.Attention;

/// <summary>
/// Float32 attention by tiles of queries and keys: the softmax is kept up to date while keys stream by (sum, and a shift near the running maximum, per query),
/// so that only one tile of scores exists, which stays in the first-level cache. Both products run on the GEMM tiles: K and V are packed into panels, once
/// for all queries of a head where these are several blocks, V else only in part; queries are scaled rows, probabilities are multiplied where they lie. A few queries take dot products instead. What causality, windows
/// and lengths hide from all queries of a tile is not computed. Where queries are few blocks, each is computed over several parts of the keys at once. The result depends on the order of key tiles and on parts, which are fixed.
/// </summary>
internal sealed unsafe class FlashAttentionKernel<V> : AttentionKernel<float> where V : struct, IVec<V>
{
    private const int TilesPerPack = 4, FewQueries = 3, BlockRows = 64;

    /// <summary>Fewer blocks of queries are cut along the keys.</summary>
    private const int WantedBlocks = 8;

    /// <summary>Exponentials grow to e^16 before what was summed is scaled anew: most tiles of keys then leave it as it is.</summary>
    private const float ShiftSlack = 16;

    private readonly GemmMicroKernel entry;
    private readonly int headSize, valueSize, paddedValue, paddedQueries, keysPerTile, keysPerPart;
    private readonly nint queryStride;
    private readonly bool packsOnce, packsTiles, seesAll;

    internal FlashAttentionKernel(AttentionProblem problem, GemmMicroKernel entry) : base(problem, QueriesPerBlock(entry))
    {
        this.entry = entry;
        (headSize, valueSize) = (problem.HeadSize, problem.ValueSize);
        paddedValue = entry.PaddedColumns(valueSize);
        queryStride = LeftRows.Stride(headSize);
        paddedQueries = entry.PaddedRows(Math.Min(problem.Queries, QueriesPerBlock(entry)));
        packsOnce = QueryBlocks > 1;
        packsTiles = !packsOnce && problem.Queries > FewQueries;
        // Few queries read keys and values once, from wherever they are: long tiles.
        keysPerTile = problem.Queries > FewQueries ? 128 : 1024;
        int tiles = Math.Max(1, (problem.Keys + keysPerTile - 1) / keysPerTile), parts = (int)Math.Clamp((WantedBlocks + Blocks - 1) / Math.Max(1, Blocks), 1, tiles);
        int tilesPerPart = (tiles + parts - 1) / parts;
        keysPerPart = tilesPerPart * keysPerTile;
        KeyParts = (tiles + tilesPerPart - 1) / tilesPerPart;
        seesAll = problem is { Causal: false, LeftWindow: < 0, RightWindow: < 0, HasLengths: false, SeenKeys: null } && (problem.Mask is not { } mask || mask.Keys == problem.Keys);
    }

    public override string Name => $"attention_float_flash_v{32 * V.Count}";

    public override long WorkerScratchBytes => sizeof(float) * (paddedQueries * queryStride + (packsTiles ? Vec.WholeLineElements(keysPerTile * headSize) : 0)
        + entry.MR * ScoreStride + PartElements + (packsTiles ? Vec.WholeLineElements(keysPerTile * entry.NR) : 0) + Vec.WholeLineElements(entry.MR) + Vec.WholeLineElements(keysPerTile));

    protected override int PackBlocks => packsOnce ? (Problem.Keys + TilesPerPack * keysPerTile - 1) / (TilesPerPack * keysPerTile) : 0;

    protected override int KeyParts { get; }

    protected override long PartBytes => sizeof(float) * PartElements;

    /// <summary>Rows of sums, and the shift and the sum of the exponentials of each.</summary>
    private nint PartElements => (nint)Vec.WholeLineElements(paddedQueries * paddedValue) + 2 * (nint)Vec.WholeLineElements(paddedQueries);

    protected override long PackedElements => KeyElements + Vec.WholeLineElements((long)paddedValue * Problem.Keys);

    private long KeyElements => Vec.WholeLineElements((long)entry.PaddedColumns(Problem.Keys) * headSize);

    private nint ScoreStride => LeftRows.Stride(keysPerTile);

    private static int QueriesPerBlock(GemmMicroKernel entry) => entry.MR * ((BlockRows + entry.MR - 1) / entry.MR);

    private struct Tile
    {
        internal float* Query, Keys, Scores, Result, Values, Shift, Sum, Largest, Seen;
    }

    protected override void Pack(int part, in KeyRows rows)
    {
        int first = part * TilesPerPack * keysPerTile, count = Math.Min(TilesPerPack * keysPerTile, Problem.Keys - first);
        PackKeys(rows.Packed + (long)first * headSize, rows, first, count);
        for (int column = 0; column < valueSize; column += entry.NR)
            PackValues(PackedValues(rows, column) + (long)first * entry.NR, rows, column, first, count);
    }

    protected override void Attend(in QueryBlock block, int part, byte* partial, in KeyRows rows, in KernelArgs args)
    {
        Tile tile = Carve((float*)args.WorkerScratch);
        if (KeyParts > 1) PlaceResult(ref tile, (float*)partial);
        new Span<float>(tile.Result, paddedQueries * paddedValue).Clear();
        new Span<float>(tile.Shift, block.Count).Fill(float.NegativeInfinity);
        new Span<float>(tile.Sum, block.Count).Clear();
        LoadQueries(block, args, tile);
        (int begin, int end) = Seen(block, args, 0, block.Count);
        (begin, end) = (Math.Max(begin, part * keysPerPart), Math.Min(end, (part + 1) * keysPerPart));
        for (int key = begin / keysPerTile * keysPerTile; key < end; key += keysPerTile)
        {
            int count = Math.Min(keysPerTile, end - key);
            LoadKeys(block, rows, args, ref tile, key, count);
            for (int row = 0; row < block.Count; row += entry.MR)
                AddTile(block, rows, args, tile, row, Math.Min(entry.MR, block.Count - row), key, count);
        }
        if (KeyParts == 1) Store(block, args, tile);
    }

    protected override void Merge(in QueryBlock block, byte* partials, in KernelArgs args)
    {
        Tile first = default;
        PlaceResult(ref first, (float*)partials);
        float* factors = stackalloc float[KeyParts];
        for (int i = 0; i < block.Count; i++)
        {
            float largest = float.NegativeInfinity, sum = 0;
            for (int part = 0; part < KeyParts; part++) largest = MathF.Max(largest, first.Shift[part * PartElements + i]);
            for (int part = 0; part < KeyParts; part++)
            {
                float shift = first.Shift[part * PartElements + i];
                factors[part] = float.IsNegativeInfinity(shift) ? 0 : MathF.Exp(shift - largest);
                sum += factors[part] * first.Sum[part * PartElements + i];
            }
            for (int part = 0; part < KeyParts; part++) factors[part] = sum == 0 ? 0 : factors[part] / sum;
            float* output = Output(block, i, args);
            new Span<float>(output, valueSize).Clear();
            FlashRows.AddRows<V>(output, first.Result + (nint)i * paddedValue, PartElements, valueSize, factors, KeyParts);
        }
    }

    private void PlaceResult(ref Tile tile, float* at)
    {
        tile.Result = at;
        tile.Shift = tile.Result + Vec.WholeLineElements(paddedQueries * paddedValue);
        tile.Sum = tile.Shift + Vec.WholeLineElements(paddedQueries);
    }

    private float* Output(in QueryBlock block, int row, in KernelArgs args) => args.Output<float>(0) + Problem.Output.Offset(block.Batch, block.Head, block.First + row);

    private Tile Carve(float* at)
    {
        var tile = new Tile { Query = at };
        tile.Keys = tile.Query + paddedQueries * queryStride;
        tile.Scores = tile.Keys + (packsTiles ? Vec.WholeLineElements(keysPerTile * headSize) : 0);
        PlaceResult(ref tile, tile.Scores + entry.MR * ScoreStride);
        tile.Values = tile.Result + PartElements;
        tile.Largest = tile.Values + (packsTiles ? Vec.WholeLineElements(keysPerTile * entry.NR) : 0);
        tile.Seen = tile.Largest + Vec.WholeLineElements(entry.MR);
        return tile;
    }

    // The keys that any of some queries of the block sees.
    private (int Begin, int End) Seen(in QueryBlock block, in KernelArgs args, int row, int rows)
    {
        if (seesAll) return (0, Problem.Keys);
        (int begin, int end) = VisibleKeys(block.Batch, block.First + row, args);
        for (int i = row + 1; i < row + rows; i++)
        {
            (int b, int e) = VisibleKeys(block.Batch, block.First + i, args);
            (begin, end) = (Math.Min(begin, b), Math.Max(end, e));
        }
        return (begin, end);
    }

    // Scaled rows, and rows of zeros behind them, which tiles read as well.
    private void LoadQueries(in QueryBlock block, in KernelArgs args, in Tile tile)
    {
        float* source = args.Input<float>(0) + Problem.Query.Offset(block.Batch, block.Head, block.First), target = tile.Query;
        float factor = (float)Factor(block.Head, args);
        for (int i = 0; i < block.Count; i++, source += Problem.Query.Row, target += queryStride)
            FlashRows.Scale<V>(source, target, headSize, Problem.NormEpsilon is null ? factor : factor / Length(source));
        for (int i = block.Count; i < entry.PaddedRows(block.Count); i++, target += queryStride) new Span<float>(target, headSize).Clear();
    }

    // What a row of Q or K is divided by.
    private float Length(float* row) => MathF.Max(MathF.Sqrt(FlashRows.Dot<V>(row, row, headSize)), (float)Problem.NormEpsilon!.Value);

    private void PackKeys(float* target, in KeyRows rows, int first, int count)
    {
        PackedMatrix.PackPanels(target, entry, rows.Keys + first * rows.KeyStride, count, headSize, (nint)rows.KeyStride, 1);
        if (Problem.NormEpsilon is not { } least) return;
        for (int j = 0; j < count; j += V.Count)
            FlashRows.Normalize<V>(target + (long)(j / entry.NR) * entry.NR * headSize + j % entry.NR, headSize, entry.NR, (float)least);
    }

    private void PackValues(float* target, in KeyRows rows, int column, int first, int count) =>
        PanelPacking.Pack(target, entry.NR, rows.Values + first * rows.ValueStride + column, Math.Min(entry.NR, valueSize - column), count, 1, (nint)rows.ValueStride);

    private float* PackedValues(in KeyRows rows, int column) => rows.Packed + KeyElements + (long)column * Problem.Keys;

    // What all queries of the block have in common on one tile of keys.
    private void LoadKeys(in QueryBlock block, in KeyRows rows, in KernelArgs args, ref Tile tile, int key, int count)
    {
        if (packsOnce) tile.Keys = rows.Packed + (long)key * headSize;
        else if (packsTiles) PackKeys(tile.Keys, rows, key, count);
        int column = valueSize / entry.NR * entry.NR;
        if (packsTiles && column < valueSize) PackValues(tile.Values, rows, column, key, count);
        if (Problem.Mask is { IsBool: true, Query: 0 } mask)
            FlashRows.Widen(args.Input<byte>(3) + mask.Offset(block.Batch, block.Head, 0) + key, tile.Seen, count);
    }

    // Some queries, a tile's height at most, on one tile of keys.
    private void AddTile(in QueryBlock block, in KeyRows rows, in KernelArgs args, in Tile tile, int row, int height, int key, int count)
    {
        (int begin, int end) = Seen(block, args, row, height);
        int first = Math.Max(begin - key, 0), last = Math.Min(end - key, count);
        if (first >= last) return;
        bool few = block.Count <= FewQueries;
        first = first / entry.NR * entry.NR;
        if (few) Dots(block, rows, tile, key, first, last);
        else Scores(tile, row, height, first, last);
        Update(block, args, tile, row, height, key, first, last);
        if (few) WeighRows(block, rows, tile, key, first, last);
        else Weigh(rows, tile, row, height, key, first, last);
    }

    private void Scores(in Tile tile, int row, int height, int first, int last)
    {
        var run = entry.TileFor(height);
        Prefetcher nothing = Prefetcher.Nothing(tile.Query);
        for (int j = first; j < last; j += entry.NR)
            run(headSize, tile.Query + row * queryStride, queryStride, tile.Keys + (nint)j * headSize, entry.NR, tile.Scores + j, ScoreStride, null, 0, &nothing);
    }

    private void Dots(in QueryBlock block, in KeyRows rows, in Tile tile, int key, int first, int last)
    {
        float* keys = rows.Keys + (key + first) * rows.KeyStride, scores = tile.Scores + first;
        for (int i = 0; i < block.Count; i++)
            FlashRows.Dots<V>(tile.Query + i * queryStride, keys, (nint)rows.KeyStride, headSize, scores + i * ScoreStride, last - first);
        if (Problem.NormEpsilon is null) return;
        for (int j = 0; j < last - first; j++)
        {
            float length = Length(keys + j * rows.KeyStride);
            for (int i = 0; i < block.Count; i++) scores[i * ScoreStride + j] /= length;
        }
    }

    // Cap, mask and exponentials of the scores of some queries; rescales what was summed before.
    private void Update(in QueryBlock block, in KernelArgs args, in Tile tile, int row, int height, int key, int first, int last)
    {
        float* scores = tile.Scores + first, shift = tile.Shift + row, sum = tile.Sum + row;
        int count = last - first, padded = entry.PaddedColumns(count);
        if (Problem.SoftCap > 0) FlashRows.Cap<V>(scores, ScoreStride, height, padded, (float)Problem.SoftCap);
        if (Problem.Mask is not null) Mask(block, args, tile, row, height, key + first, first, count);
        if (!seesAll || count < padded)
            for (int i = 0; i < height; i++) Hide(block, args, scores + i * ScoreStride, block.First + row + i, key + first, count, padded);
        FlashRows.Largest<V>(scores, ScoreStride, height, padded, tile.Largest);
        for (int i = 0; i < height; i++)
        {
            float largest = tile.Largest[i];
            if (largest <= shift[i] + ShiftSlack || float.IsNegativeInfinity(largest)) continue;
            if (!float.IsNegativeInfinity(shift[i]))
            {
                float* result = tile.Result + (nint)(row + i) * paddedValue;
                float keep = MathF.Exp(shift[i] - largest);
                sum[i] *= keep;
                FlashRows.Scale<V>(result, result, paddedValue, keep);
            }
            shift[i] = largest;
        }
        FlashRows.Exponentials<V>(scores, ScoreStride, height, padded, shift, sum);
    }

    private void Mask(in QueryBlock block, in KernelArgs args, in Tile tile, int row, int height, int key, int first, int count)
    {
        MaskLayout mask = Problem.Mask!.Value;
        float* scores = tile.Scores + first;
        count = (int)Math.Min(count, mask.Keys - key);
        if (count <= 0) return;
        if (!mask.IsBool)
        {
            float* added = args.Input<float>(3) + mask.Offset(block.Batch, block.Head, block.First + row) + key;
            FlashRows.AddMask<V>(scores, ScoreStride, height, added, (nint)mask.Query, count);
            return;
        }
        for (int i = 0; i < height; i++)
        {
            if (mask.Query != 0) FlashRows.Widen(args.Input<byte>(3) + mask.Offset(block.Batch, block.Head, block.First + row + i) + key, tile.Seen + first, count);
            FlashRows.Hide<V>(scores + i * ScoreStride, tile.Seen + first, count, (float)Problem.HiddenScore);
        }
    }

    // The keys that causality, windows, lengths and a short mask hide, and the lanes behind the last key.
    private void Hide(in QueryBlock block, in KernelArgs args, float* scores, int query, int key, int count, int padded)
    {
        int first = 0, last = count;
        if (!seesAll)
        {
            (int begin, int end) = VisibleKeys(block.Batch, query, args);
            first = Math.Clamp(begin - key, 0, count);
            last = Math.Clamp(end - key, first, count);
        }
        new Span<float>(scores, first).Fill(float.NegativeInfinity);
        new Span<float>(scores + last, padded - last).Fill(float.NegativeInfinity);
    }

    private void Weigh(in KeyRows rows, in Tile tile, int row, int height, int key, int first, int last)
    {
        var run = entry.TileFor(height);
        Prefetcher nothing = Prefetcher.Nothing(tile.Scores);
        for (int column = 0; column < valueSize; column += entry.NR)
        {
            bool readsRows = !packsOnce && valueSize - column >= entry.NR;
            nint stride = readsRows ? (nint)rows.ValueStride : entry.NR;
            float* values = readsRows ? rows.Values + key * rows.ValueStride + column : packsOnce ? PackedValues(rows, column) + (nint)key * entry.NR : tile.Values;
            float* result = tile.Result + (nint)row * paddedValue + column;
            run(last - first, tile.Scores + first, ScoreStride, values + first * stride, stride, result, paddedValue, result, paddedValue, &nothing);
        }
    }

    private void WeighRows(in QueryBlock block, in KeyRows rows, in Tile tile, int key, int first, int last)
    {
        for (int i = 0; i < block.Count; i++)
            FlashRows.AddRows<V>(tile.Result + i * paddedValue, rows.Values + (key + first) * rows.ValueStride, (nint)rows.ValueStride, valueSize,
                tile.Scores + i * ScoreStride + first, last - first);
    }

    private void Store(in QueryBlock block, in KernelArgs args, in Tile tile)
    {
        for (int i = 0; i < block.Count; i++)
        {
            // A query that sees no key gives zeros.
            FlashRows.Scale<V>(tile.Result + (nint)i * paddedValue, Output(block, i, args), valueSize, tile.Sum[i] == 0 ? 0 : 1 / tile.Sum[i]);
        }
    }
}
