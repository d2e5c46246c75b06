using System.Runtime.CompilerServices;

namespace Parallax.Kernels.Attention;

/// <summary>
/// Float32 attention by tiles of queries and keys: the softmax is kept up to date while keys stream by (running maximum and sum per query),
/// so that only one tile of scores exists. Products run on the GEMM tiles; a few queries take dot products instead. The result depends
/// on the order of key tiles, which is fixed.
/// </summary>
internal sealed unsafe class FlashAttentionKernel<V> : AttentionKernel<float> where V : struct, IVec<V>
{
    private const int KeysPerTile = 128, FewQueries = 3;

    private readonly GemmMicroKernel entry;
    private readonly int headSize, valueSize, paddedValue, paddedQueries, tileKeys;

    internal FlashAttentionKernel(AttentionProblem problem, GemmMicroKernel entry) : base(problem, QueriesPerBlock(entry))
    {
        this.entry = entry;
        (headSize, valueSize) = (problem.HeadSize, problem.ValueSize);
        paddedValue = entry.PaddedColumns(valueSize);
        paddedQueries = entry.PaddedRows(Math.Min(problem.Queries, QueriesPerBlock(entry)));
        tileKeys = entry.PaddedColumns(Math.Min(KeysPerTile, problem.Keys));
    }

    public override string Name => $"attention_float_flash_v{32 * V.Count}";

    public override long WorkerScratchBytes => sizeof(float) * (Lines(paddedQueries * headSize) + Lines(tileKeys * headSize) + Lines(paddedQueries * tileKeys) * 2
        + Lines(paddedQueries * paddedValue) + Lines(tileKeys * entry.NR) + 2 * Lines(paddedQueries));

    private static int QueriesPerBlock(GemmMicroKernel entry) => entry.MR * Math.Max(1, 64 / entry.MR);

    private static long Lines(long elements) => (elements + 15) / 16 * 16;

    private struct Tile
    {
        internal float* Query, Keys, Scores, Packed, Result, Values, Largest, Sum;
    }

    protected override void Compute(in HeadBlock block, in KernelArgs args)
    {
        Tile tile = Carve((float*)args.WorkerScratch);
        new Span<float>(tile.Result, paddedQueries * paddedValue).Clear();
        new Span<float>(tile.Largest, block.Count).Fill(float.NegativeInfinity);
        new Span<float>(tile.Sum, block.Count).Clear();
        LoadQueries(block, args, tile.Query);
        (int begin, int end) = TileRange(block, args);
        for (int key = begin; key < end; key += tileKeys)
        {
            int count = Math.Min(tileKeys, end - key);
            if (block.Count <= FewQueries) Dots(block, tile, key, count);
            else Scores(block, tile, key, count);
            for (int i = 0; i < block.Count; i++) Update(block, args, tile, i, key, count);
            if (block.Count <= FewQueries) WeighRows(block, tile, key, count);
            else Weigh(block, tile, key, count);
        }
        Store(block, args, tile);
    }

    private Tile Carve(float* at)
    {
        var tile = new Tile { Query = at };
        tile.Keys = tile.Query + Lines(paddedQueries * headSize);
        tile.Scores = tile.Keys + Lines(tileKeys * headSize);
        tile.Packed = tile.Scores + Lines(paddedQueries * tileKeys);
        tile.Result = tile.Packed + Lines(paddedQueries * tileKeys);
        tile.Values = tile.Result + Lines(paddedQueries * paddedValue);
        tile.Largest = tile.Values + Lines(tileKeys * entry.NR);
        tile.Sum = tile.Largest + Lines(paddedQueries);
        return tile;
    }

    // The keys that any query of the block sees.
    private (int Begin, int End) TileRange(in HeadBlock block, in KernelArgs args)
    {
        (int begin, int end) = VisibleKeys(block.Batch, block.First, args);
        for (int i = 1; i < block.Count; i++)
        {
            (int b, int e) = VisibleKeys(block.Batch, block.First + i, args);
            (begin, end) = (Math.Min(begin, b), Math.Max(end, e));
        }
        return (begin, end);
    }

    // Scaled; packed for the tiles unless there are few.
    private void LoadQueries(in HeadBlock block, in KernelArgs args, float* target)
    {
        float* source = args.Input<float>(0) + Problem.Query.Offset(block.Batch, block.Head, block.First);
        int elements = block.Count * headSize;
        if (block.Count <= FewQueries)
        {
            for (int i = 0; i < block.Count; i++)
                new ReadOnlySpan<float>(source + i * Problem.Query.Row, headSize).CopyTo(new Span<float>(target + i * headSize, headSize));
        }
        else
        {
            PackedMatrix.PackSlab(target, entry, isLeft: true, source, block.Count, headSize, (nint)Problem.Query.Row, 1);
            elements = entry.PaddedRows(block.Count) * headSize;
        }
        float scale = (float)Problem.Scale;
        for (int i = 0; i < elements; i++) target[i] *= scale;
    }

    private void Scores(in HeadBlock block, in Tile tile, int key, int count)
    {
        PackedMatrix.PackSlab(tile.Keys, entry, isLeft: false, block.Keys + key * block.KeyStride, count, headSize, (nint)block.KeyStride, 1);
        for (int j = 0; j < count; j += entry.NR)
            for (int i = 0; i < block.Count; i += entry.MR)
                entry.TileFor(Math.Min(entry.MR, block.Count - i))(headSize, tile.Query + (nint)i * headSize, tile.Keys + (nint)j * headSize, entry.NR,
                    tile.Scores + (nint)i * tileKeys + j, tileKeys, false, tile.Query, 0);
    }

    private void Dots(in HeadBlock block, in Tile tile, int key, int count)
    {
        for (int j = 0; j < count; j++)
        {
            float* k = block.Keys + (key + j) * block.KeyStride;
            for (int i = 0; i < block.Count; i++) tile.Scores[i * tileKeys + j] = Dot(tile.Query + i * headSize, k, headSize);
        }
    }

    // Cap, mask and exponentials of one query's scores; rescales what was summed before.
    private void Update(in HeadBlock block, in KernelArgs args, in Tile tile, int row, int key, int count)
    {
        float* scores = tile.Scores + (nint)row * tileKeys;
        int padded = entry.PaddedColumns(count);
        if (Problem.SoftCap > 0) Cap(scores, padded, (float)Problem.SoftCap);
        Mask(block, args, scores, block.First + row, key, count);
        new Span<float>(scores + count, padded - count).Fill(float.NegativeInfinity);
        float largest = Math.Max(tile.Largest[row], Largest(scores, padded));
        if (float.IsNegativeInfinity(largest))
        {
            new Span<float>(scores, padded).Clear();
            return;
        }
        float keep = MathF.Exp(tile.Largest[row] - largest);
        tile.Sum[row] = tile.Sum[row] * keep + Exponentials(scores, padded, largest);
        tile.Largest[row] = largest;
        if (keep != 1) Scale(tile.Result + (nint)row * paddedValue, paddedValue, keep);
    }

    private void Mask(in HeadBlock block, in KernelArgs args, float* scores, int query, int key, int count)
    {
        (int begin, int end) = VisibleKeys(block.Batch, query, args);
        int first = Math.Clamp(begin - key, 0, count), last = Math.Clamp(end - key, first, count);
        new Span<float>(scores, first).Fill(float.NegativeInfinity);
        new Span<float>(scores + last, count - last).Fill(float.NegativeInfinity);
        if (Problem.Mask is not { } mask) return;
        long row = block.Batch * mask.Batch + block.Head * mask.Head + query * mask.Query + key;
        if (mask.IsBool)
        {
            byte* see = args.Input<byte>(3) + row;
            for (int j = first; j < last; j++)
                if (see[j] == 0) scores[j] = float.NegativeInfinity;
            return;
        }
        float* bias = args.Input<float>(3) + row;
        for (int j = first; j < last; j++) scores[j] = float.IsNegativeInfinity(bias[j]) ? bias[j] : scores[j] + bias[j];
    }

    private void Weigh(in HeadBlock block, in Tile tile, int key, int count)
    {
        PackedMatrix.PackSlab(tile.Packed, entry, isLeft: true, tile.Scores, block.Count, count, tileKeys, 1);
        for (int column = 0; column < valueSize; column += entry.NR)
        {
            float* values = block.Values + key * block.ValueStride + column;
            nint stride = (nint)block.ValueStride;
            if (valueSize - column < entry.NR)
            {
                PanelPacking.Pack(tile.Values, entry.NR, values, valueSize - column, count, 1, stride);
                values = tile.Values;
                stride = entry.NR;
            }
            for (int i = 0; i < block.Count; i += entry.MR)
                entry.TileFor(Math.Min(entry.MR, block.Count - i))(count, tile.Packed + (nint)i * count, values, stride,
                    tile.Result + (nint)i * paddedValue + column, paddedValue, true, tile.Packed, 0);
        }
    }

    private void WeighRows(in HeadBlock block, in Tile tile, int key, int count)
    {
        for (int j = 0; j < count; j++)
            for (int i = 0; i < block.Count; i++)
                Add(tile.Result + i * paddedValue, block.Values + (key + j) * block.ValueStride, valueSize, tile.Scores[i * tileKeys + j]);
    }

    private void Store(in HeadBlock block, in KernelArgs args, in Tile tile)
    {
        for (int i = 0; i < block.Count; i++)
        {
            float* result = tile.Result + (nint)i * paddedValue, output = args.Output<float>(0) + Problem.Output.Offset(block.Batch, block.Head, block.First + i);
            // A query that sees no key gives zeros.
            Scale(result, paddedValue, tile.Sum[i] == 0 ? 0 : 1 / tile.Sum[i]);
            new ReadOnlySpan<float>(result, valueSize).CopyTo(new Span<float>(output, valueSize));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float* a, float* b, int n)
    {
        V s0 = default, s1 = default;
        int i = 0;
        for (; i <= n - 2 * V.Count; i += 2 * V.Count)
        {
            s0 = V.MultiplyAdd(V.Load(a + i), V.Load(b + i), s0);
            s1 = V.MultiplyAdd(V.Load(a + i + V.Count), V.Load(b + i + V.Count), s1);
        }
        float sum = V.Sum(s0 + s1);
        for (; i < n; i++) sum += a[i] * b[i];
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add(float* target, float* source, int n, float factor)
    {
        V f = V.Create(factor);
        int i = 0;
        for (; i <= n - V.Count; i += V.Count) V.Store(target + i, V.MultiplyAdd(f, V.Load(source + i), V.Load(target + i)));
        for (; i < n; i++) target[i] += factor * source[i];
    }

    // The functions below work on whole vectors: their operands are padded.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(float* data, int n, float factor)
    {
        V f = V.Create(factor);
        for (int i = 0; i < n; i += V.Count) V.Store(data + i, V.Load(data + i) * f);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Cap(float* data, int n, float cap)
    {
        V c = V.Create(cap);
        for (int i = 0; i < n; i += V.Count) V.Store(data + i, FloatMath.Tanh(V.Load(data + i) / c) * c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Largest(float* data, int n)
    {
        V largest = V.Load(data);
        for (int i = V.Count; i < n; i += V.Count)
        {
            V x = V.Load(data + i);
            largest = V.Select(V.Less(largest, x), x, largest);
        }
        float* lanes = stackalloc float[16];
        V.Store(lanes, largest);
        float result = lanes[0];
        for (int i = 1; i < V.Count; i++) result = lanes[i] > result ? lanes[i] : result;
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Exponentials(float* data, int n, float largest)
    {
        V sum = default, shift = V.Create(largest);
        for (int i = 0; i < n; i += V.Count)
        {
            V e = FloatMath.ExpOrZero(V.Load(data + i) - shift);
            V.Store(data + i, e);
            sum += e;
        }
        return V.Sum(sum);
    }
}
