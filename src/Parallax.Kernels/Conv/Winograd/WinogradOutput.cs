using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>Transforms products back into results, adds what follows a convolution, and writes what lies inside the image.</summary>
internal sealed unsafe class WinogradOutput
{
    private readonly ConvProblem problem;
    private readonly WinogradTiling tiling;
    private readonly Epilogue epilogue;
    private readonly int rowElements;
    private readonly delegate*<WinogradOutput, float*, int, float*, float*, void> transform;

    internal WinogradOutput(ConvProblem problem, WinogradTiling tiling, GemmMicroKernel entry)
    {
        this.problem = problem;
        this.tiling = tiling;
        epilogue = problem.EpilogueFor(entry.Width);
        rowElements = tiling.Results * tiling.Lanes;
        MatrixStride = (nint)tiling.RowsPerChunk * tiling.Lanes + 16;
        transform = entry.Width switch
        {
            VecWidth.V512 => Select<Vec512>(),
            VecWidth.V256 => Select<Vec256>(),
            VecWidth.V128 => Select<Vec128>(),
            _ => Select<Vec1>(),
        };
    }

    /// <summary>Elements from one of the t x t products to the next; a product is [output channels of a chunk, tiles of a block].</summary>
    internal nint MatrixStride { get; }

    internal long ProductElements => tiling.Elements * MatrixStride;

    /// <summary>Tiles being transformed, results, residuals.</summary>
    internal long ScratchElements => tiling.Results * (16L * tiling.Tile + 2L * rowElements);

    /// <summary>Finishes rows of the products of a block: output channels from <paramref name="channel"/> on, of one image.</summary>
    internal void Finish(float* products, int block, int image, int channel, int rows, in KernelArgs args, float* scratch)
    {
        TileRun* runs = stackalloc TileRun[tiling.Lanes];
        int runCount = tiling.FindRuns(block, runs), tiles = tiling.TilesOf(block);
        float* results = scratch + 16 * tiling.Tile * tiling.Results, residuals = results + tiling.Results * rowElements;
        for (int row = 0; row < rows; row++)
        {
            transform(this, products + (nint)row * tiling.Lanes, tiles, results, scratch);
            nint at = problem.OutputAt(image, channel + row);
            if (problem.HasResidual)
                for (int i = 0; i < runCount; i++) Gather(args.Input<float>(3) + at, runs[i], residuals);
            epilogue.Apply(new EpilogueTile
            {
                Sums = results,
                SumsStride = rowElements,
                C = results,
                Stride = rowElements,
                Rows = tiling.Results,
                Columns = Math.Min(rowElements, (tiling.Results * tiles + 15) / 16 * 16),
                Bias = problem.HasBias ? args.Input<float>(2) + channel + row : null,
                Residual = problem.HasResidual ? residuals : null,
                ResidualStride = rowElements,
            });
            for (int i = 0; i < runCount; i++) Scatter(results, runs[i], args.Output<float>(0) + at);
        }
    }

    private delegate*<WinogradOutput, float*, int, float*, float*, void> Select<V>() where V : struct, IVec<V> =>
        tiling.Results == WinogradF2.Results ? &Run<WinogradF2, V> : &Run<WinogradF4, V>;

    /// <summary>A' x A of one channel: rows of results of tiles that lie side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TTransform, V>(WinogradOutput self, float* products, int tiles, float* results, float* scratch)
        where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        int m = TTransform.Results, tile = m + 2, rowElements = self.rowElements;
        nint stride = self.MatrixStride;
        for (int lane = 0; lane < tiles; lane += V.Count)
        {
            for (int column = 0; column < tile; column++)
                TTransform.ResultRows<V>(products + column * stride + lane, tile * stride, scratch + column * V.Count, tile * V.Count);
            for (int row = 0; row < m; row++)
                TTransform.ResultColumns<V>(scratch + row * tile * V.Count, V.Count, results + row * rowElements + m * lane);
        }
    }

    private void Gather(float* plane, in TileRun run, float* staged)
    {
        (int x, int y, int columns, int rows) = Place(run);
        for (int row = 0; row < rows; row++)
            VectorCopy.Copy(plane + (nint)(y + row) * tiling.Width + x, staged + row * rowElements + tiling.Results * run.Lane, columns);
    }

    private void Scatter(float* staged, in TileRun run, float* plane)
    {
        (int x, int y, int columns, int rows) = Place(run);
        for (int row = 0; row < rows; row++)
            VectorCopy.Copy(staged + row * rowElements + tiling.Results * run.Lane, plane + (nint)(y + row) * tiling.Width + x, columns);
    }

    /// <summary>Where the results of a run lie, without what lies outside of the image.</summary>
    private (int X, int Y, int Columns, int Rows) Place(in TileRun run)
    {
        int m = tiling.Results, x = m * run.TileX, y = m * run.TileY;
        return (x, y, Math.Min(m * run.Count, tiling.Width - x), Math.Min(m, tiling.Height - y));
    }
}
