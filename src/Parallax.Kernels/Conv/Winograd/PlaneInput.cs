using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>The input of a block of tiles of an image.</summary>
internal sealed unsafe class PlaneInput : WinogradInput
{
    /// <summary>Elements between arrays, for vectors that reach too far.</summary>
    private const int Slack = 64;

    /// <summary>Elements of transformed inputs, shared between blocks, that outgrow a second-level cache: where they are stored is fetched before.</summary>
    private const int MostCached = 3 << 17;

    private readonly PlaneTiling tiling;
    private readonly int channels, planeStride, height, width, padTop, padLeft, panelLanes, next, rowStride;
    private readonly bool fetchesAhead;
    private readonly delegate*<PlaneInput, float*, int, int, int, float*, float*, void> transform;

    private PlaneInput(
        ConvProblem problem, PlaneTiling tiling, GemmMicroKernel entry, int stride, delegate*<PlaneInput, float*, int, int, int, float*, float*, void> transform)
        : base(problem, tiling)
    {
        this.tiling = tiling;
        this.transform = transform;
        (channels, planeStride) = (problem.GroupInputs, problem.InputStride);
        (height, width) = ((int)problem.Axes[0].Input, (int)problem.Axes[1].Input);
        (padTop, padLeft) = ((int)problem.Axes[0].PadBegin, (int)problem.Axes[1].PadBegin);
        panelLanes = entry.NR;
        next = tiling.Results * tiling.Lanes + Slack;
        rowStride = (stride + 1) * next;
        ScratchElements = (stride == 1 ? Vec.WholeLineElements(width) : (long)tiling.Tile * rowStride) + (long)tiling.Tile * rowStride;
        fetchesAhead = tiling.SharesInput && (long)problem.Batch * problem.Groups * tiling.Blocks * BlockElements > MostCached;
    }

    internal static PlaneInput Create<TTransform>(ConvProblem problem, PlaneTiling tiling, GemmMicroKernel entry) where TTransform : struct, IWinogradTransform =>
        new(problem, tiling, entry, TTransform.Stride, entry.Width switch
        {
            VecWidth.V512 => &Run<TTransform, Vec512>,
            VecWidth.V256 => &Run<TTransform, Vec256>,
            VecWidth.V128 => &Run<TTransform, Vec128>,
            _ => &Run<TTransform, Vec1>,
        });

    internal override long ScratchElements { get; }

    internal override void Transform(float* source, int block, int first, int end, float* transformed, float* scratch) =>
        transform(this, source, block, first, end, transformed, scratch);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TTransform, V>(PlaneInput self, float* source, int block, int first, int end, float* transformed, float* scratch)
        where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        int m = TTransform.Results, tile = TTransform.Tile, lanes = self.panelLanes;
        TileRun* runs = stackalloc TileRun[self.tiling.Lanes];
        float** sources = stackalloc float*[tile];
        Vector128<float>* keep = stackalloc Vector128<float>[tile];
        int runCount = self.tiling.FindRuns(block, runs), tiles = self.tiling.TilesOf(block), padded = self.tiling.ComputedLanesOf(block);
        int next = self.next, rowStride = self.rowStride;
        float* staged = scratch, rows = scratch + (self.ScratchElements - tile * rowStride);
        // Zeros above and below the image, or beside it and in lanes without a tile.
        new Span<float>(staged, (int)(rows - staged)).Clear();
        for (int channel = first; channel < end; channel++)
        {
            float* plane = source + (nint)channel * self.planeStride;
            if (TTransform.Stride == 1)
                for (TileRun* run = runs; run < runs + runCount; run++)
                    self.TransformRows<TTransform, V>(plane, run, channel + 1 < end, staged, sources, rows, keep);
            else
            {
                for (TileRun* run = runs; run < runs + runCount; run++)
                    self.SplitRows<TTransform, V>(plane, run, channel + 1 < end, staged);
                for (int row = 0; row < tile; row++) sources[row] = staged + row * rowStride;
                for (int copy = 0; copy < 3; copy++) self.TransformSplit<TTransform, V>(sources, copy * next, m * padded, rows);
            }
            self.TransformColumns<TTransform, V>(rows, tiles, padded, transformed + (nint)channel * lanes);
        }
    }

    /// <summary>The first dimension of columns that <see cref="SplitRows{TTransform, V}"/> wrote.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void TransformSplit<TTransform, V>(float** from, int start, int count, float* rows) where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        for (int x = start; x < start + count; x += V.Count) TTransform.InputRows<V>(from, x, rows + x, rowStride, 0);
    }

    /// <summary>The second dimension, along x, of a channel: into the lanes of panels.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void TransformColumns<TTransform, V>(float* rows, int tiles, int padded, float* to) where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        int m = TTransform.Results, tile = TTransform.Tile, lanes = panelLanes;
        for (int row = 0; row < tile; row++, rows += rowStride, to += tile * MatrixStride)
        {
            if (TTransform.Stride == 1) ClearUnused(rows, m * tiles);
            for (int lane = 0; lane < padded; lane += V.Count)
            {
                float* place = to + (nint)(lane / lanes) * channels * lanes + lane % lanes;
                TTransform.InputColumns<V>(rows + m * lane, next, place, MatrixStride);
                if (fetchesAhead)
                    for (int i = 0; i < tile; i++) Vec.Prefetch(place + lanes + i * MatrixStride);
            }
        }
    }

    /// <summary>
    /// The first dimension, along y, of all columns of a run: in vectors along x, whatever the tiles are. Each row of the result is kept twice, the second
    /// time m elements earlier, so that the elements that a tile shares with its right neighbour lie where its own first elements lie in the first copy.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void TransformRows<TTransform, V>(float* plane, TileRun* run, bool hasNext, float* zeros, float** from, float* rows, Vector128<float>* keep)
        where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        int m = TTransform.Results, tile = TTransform.Tile, columns = m * run->Count + tile - m;
        int x = m * run->TileX - padLeft, y = m * run->TileY - padTop;
        int left = Math.Clamp(-x, 0, columns), right = Math.Clamp(width - x, left, columns);
        float* to = rows + m * run->Lane, kept = to + next - Vector128<float>.Count;
        for (int i = 0; i < tile; i++, y++)
        {
            from[i] = (uint)y < (uint)height ? plane + (nint)y * width + x : zeros - left;
            if (hasNext) Fetch(from[i] + planeStride + left, right - left);
            // The second copy begins in the place of the last tile of the run before.
            keep[i] = Vector128.Load(kept + i * rowStride);
            Clear(to + i * rowStride, left);
            Clear(to + i * rowStride + right, columns - right);
        }
        if (right - left >= V.Count) TransformRows<TTransform, V>(from, left, right, to, next - m);
        else if (V.Count > Vec128.Count && right - left >= Vec128.Count) TransformRows<TTransform, Vec128>(from, left, right, to, next - m);
        else TransformRows<TTransform, Vec1>(from, left, right, to, next - m);
        for (int i = 0; i < tile; i++) Vector128.Store(keep[i], kept + i * rowStride);
    }

    /// <summary>
    /// The rows of a run, columns of even places, counted from where the run begins, apart from those of odd places: as the transform along x reads them,
    /// the even ones first, once more m elements earlier, then the odd ones.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void SplitRows<TTransform, V>(float* plane, TileRun* run, bool hasNext, float* staged)
        where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        int m = TTransform.Results, pairs = m * run->Count + 1;
        int x = 2 * m * run->TileX - padLeft, y = 2 * m * run->TileY - padTop;
        float* to = staged + m * run->Lane;
        for (int i = 0; i < TTransform.Tile; i++, y++, to += rowStride)
        {
            float* kept = to + next - Vector128<float>.Count;
            Vector128<float> before = Vector128.Load(kept);
            if ((uint)y < (uint)height)
            {
                float* row = plane + (nint)y * width;
                if (hasNext) Fetch(row + planeStride + x, 2 * pairs);
                Split<V>(row, x, pairs, to, to + next - m, to + 2 * next);
            }
            else
                for (int array = 0; array < 3; array++) new Span<float>(to + array * next - (array == 1 ? m : 0), pairs).Clear();
            Vector128.Store(before, kept);
        }
    }

    /// <summary>Columns x, x + 2, ... and x + 1, x + 3, ... of a row of the image, with zeros beside it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Split<V>(float* row, int x, int pairs, float* even, float* echo, float* odd) where V : struct, IVec<V>
    {
        int first = Math.Clamp((1 - x) / 2, 0, pairs), end = Math.Clamp((width - x) / 2, first, pairs);
        for (int i = 0; i < first; i++) (even[i], echo[i], odd[i]) = (At(row, x + 2 * i), At(row, x + 2 * i), At(row, x + 2 * i + 1));
        for (int i = end; i < pairs; i++) (even[i], echo[i], odd[i]) = (At(row, x + 2 * i), At(row, x + 2 * i), At(row, x + 2 * i + 1));
        if (end - first >= V.Count) SplitPairs<V>(row + x, first, end, even, echo, odd);
        else if (V.Count > Vec128.Count && end - first >= Vec128.Count) SplitPairs<Vec128>(row + x, first, end, even, echo, odd);
        else SplitPairs<Vec1>(row + x, first, end, even, echo, odd);
    }

    private float At(float* row, int x) => (uint)x < (uint)width ? row[x] : 0;

    /// <summary>Pairs [start, end), a vector or more; the last ones overlap those before them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SplitPairs<V>(float* from, int start, int end, float* even, float* echo, float* odd) where V : struct, IVec<V>
    {
        for (int i = start; i < end; i += V.Count)
        {
            int at = Math.Min(i, end - V.Count);
            V.LoadColumns(from + 2 * at, out V column0, out V column1);
            V.Store(even + at, column0);
            V.Store(echo + at, column0);
            V.Store(odd + at, column1);
        }
    }

    /// <summary>Columns [start, end), a vector or more; the last ones overlap those before them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TransformRows<TTransform, V>(float** from, int start, int end, float* to, nint echo) where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        for (int x = start; x < end; x += V.Count)
        {
            int at = Math.Min(x, end - V.Count);
            TTransform.InputRows<V>(from, at, to + at, rowStride, echo);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch(float* row, int count)
    {
        for (int x = 0; x < count; x += Vec.LineElements) Vec.Prefetch(row + x);
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
