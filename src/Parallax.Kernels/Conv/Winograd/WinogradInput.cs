using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>
/// The input of a block of tiles in the transformed domain: of each of the t x t elements a right operand, in panels of <c>[channel][NR tiles]</c>.
/// </summary>
internal sealed unsafe class WinogradInput
{
    /// <summary>Elements between arrays, for vectors that reach too far.</summary>
    private const int Slack = 64;

    private const int LineElements = 16;

    private readonly WinogradTiling tiling;
    private readonly int channels, height, width, padTop, padLeft, panelLanes, next, rowStride;
    private readonly delegate*<WinogradInput, float*, int, int, int, float*, float*, void> transform;

    internal WinogradInput(ConvProblem problem, WinogradTiling tiling, GemmMicroKernel entry)
    {
        this.tiling = tiling;
        channels = problem.GroupInputs;
        (height, width) = ((int)problem.Axes[0].Input, (int)problem.Axes[1].Input);
        (padTop, padLeft) = ((int)problem.Axes[0].PadBegin, (int)problem.Axes[1].PadBegin);
        panelLanes = entry.NR;
        next = tiling.Results * tiling.Lanes + Slack;
        rowStride = 2 * next;
        // An odd number of cache lines from matrix to matrix spreads them over the sets of the cache.
        MatrixStride = (nint)channels * tiling.Lanes + 16;
        transform = entry.Width switch
        {
            VecWidth.V512 => Select<Vec512>(),
            VecWidth.V256 => Select<Vec256>(),
            VecWidth.V128 => Select<Vec128>(),
            _ => Select<Vec1>(),
        };
    }

    /// <summary>Elements from one of the t x t matrices to the next.</summary>
    internal nint MatrixStride { get; }

    /// <summary>Elements of the transformed input of a block.</summary>
    internal long BlockElements => tiling.Elements * MatrixStride;

    internal long ScratchElements => width + (long)tiling.Tile * rowStride;

    /// <summary>First panel of a matrix; the next panels follow at <c>channels * NR</c>.</summary>
    internal float* Matrix(float* transformed, int element) => transformed + element * MatrixStride;

    /// <summary>Transforms channels [first, end) of one group of one image for the tiles of a block.</summary>
    internal void Transform(float* source, int block, int first, int end, float* transformed, float* scratch) =>
        transform(this, source, block, first, end, transformed, scratch);

    private delegate*<WinogradInput, float*, int, int, int, float*, float*, void> Select<V>() where V : struct, IVec<V> =>
        tiling.Results == WinogradF2.Results ? &Run<WinogradF2, V> : &Run<WinogradF4, V>;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TTransform, V>(WinogradInput self, float* source, int block, int first, int end, float* transformed, float* scratch)
        where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        int m = TTransform.Results, tile = m + 2, lanes = self.panelLanes;
        TileRun* runs = stackalloc TileRun[self.tiling.Lanes];
        float** sources = stackalloc float*[tile];
        Vector128<float>* keep = stackalloc Vector128<float>[tile];
        int runCount = self.tiling.FindRuns(block, runs), tiles = self.tiling.TilesOf(block), padded = (tiles + lanes - 1) / lanes * lanes;
        int next = self.next, rowStride = self.rowStride;
        nint matrixStride = self.MatrixStride;
        float* zeros = scratch, rows = scratch + self.width;
        new Span<float>(zeros, self.width).Clear();
        for (int channel = first; channel < end; channel++)
        {
            float* plane = source + (nint)channel * self.height * self.width;
            for (TileRun* run = runs; run < runs + runCount; run++)
                self.TransformRows<TTransform, V>(plane, run, channel + 1 < end, zeros, sources, rows, keep);
            for (int row = 0; row < tile; row++)
            {
                self.ClearUnused(rows + row * rowStride, m * tiles);
                for (int lane = 0; lane < padded; lane += V.Count)
                {
                    float* from = rows + row * rowStride + m * lane;
                    float* to = transformed + row * tile * matrixStride + ((nint)(lane / lanes) * self.channels + channel) * lanes + lane % lanes;
                    TTransform.InputColumns<V>(from, from + next, to, matrixStride);
                }
            }
        }
    }

    /// <summary>
    /// The first dimension, along y, of all columns of a run: in vectors along x, whatever the tiles are. Each row of the result is kept twice, the second
    /// time m elements earlier, so that the elements that a tile shares with its right neighbour lie where its own first elements lie in the first copy.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TransformRows<TTransform, V>(float* plane, TileRun* run, bool hasNext, float* zeros, float** from, float* rows, Vector128<float>* keep)
        where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        int m = TTransform.Results, tile = m + 2, columns = m * run->Count + 2;
        int x = m * run->TileX - padLeft, y = m * run->TileY - padTop;
        int left = Math.Clamp(-x, 0, columns), right = Math.Clamp(width - x, left, columns);
        float* to = rows + m * run->Lane, kept = to + next - Vector128<float>.Count;
        for (int i = 0; i < tile; i++, y++)
        {
            from[i] = (uint)y < (uint)height ? plane + (nint)y * width + x : zeros - left;
            if (hasNext) Fetch(from[i] + (nint)height * width + left, right - left);
            // The second copy begins in the place of the last tile of the run before.
            keep[i] = Vector128.Load(kept + i * rowStride);
            Clear(to + i * rowStride, left);
            Clear(to + i * rowStride + right, columns - right);
        }
        if (right - left >= V.Count) TransformRows<TTransform, V>(from, left, right, to);
        else if (V.Count > Vec128.Count && right - left >= Vec128.Count) TransformRows<TTransform, Vec128>(from, left, right, to);
        else TransformRows<TTransform, Vec1>(from, left, right, to);
        for (int i = 0; i < tile; i++) Vector128.Store(keep[i], kept + i * rowStride);
    }

    /// <summary>Columns [start, end), a vector or more; the last ones overlap those before them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TransformRows<TTransform, V>(float** from, int start, int end, float* to) where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        for (int x = start; x < end; x += V.Count)
        {
            int at = Math.Min(x, end - V.Count);
            TTransform.InputRows<V>(from, at, to + at, rowStride, next - TTransform.Results);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch(float* row, int count)
    {
        for (int x = 0; x < count; x += LineElements) Vec.Prefetch(row + x);
    }

    /// <summary>Columns beside the image, in both copies.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Clear(float* row, int count)
    {
        float* echo = row + (next - tiling.Results);
        for (int x = 0; x < count; x++) row[x] = echo[x] = 0;
    }

    /// <summary>Lanes without a tile are multiplied too: they must hold numbers that multiply as fast as others.</summary>
    private void ClearUnused(float* row, int used)
    {
        int rest = tiling.Results * tiling.Lanes - used;
        if (rest == 0) return;
        new Span<float>(row + used, rest).Clear();
        new Span<float>(row + next + used, rest).Clear();
    }
}
