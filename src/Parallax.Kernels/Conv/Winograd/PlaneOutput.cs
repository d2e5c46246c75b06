using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// Transforms products back into results, adds what follows a convolution, and writes what lies inside the image. Where the tiles of a
/// vector lie side by side within the image their results go straight there, otherwise through a piece of scratch.
/// </summary>
internal sealed unsafe class PlaneOutput : WinogradOutput
{
    private readonly ConvProblem problem;
    private readonly PlaneTiling tiling;
    private readonly Epilogue epilogue;
    private readonly delegate*<PlaneOutput, float*, in WinogradChunk, in KernelArgs, float*, void> finish;

    private PlaneOutput(
        ConvProblem problem, PlaneTiling tiling, GemmMicroKernel entry, delegate*<PlaneOutput, float*, in WinogradChunk, in KernelArgs, float*, void> finish)
        : base(tiling)
    {
        this.problem = problem;
        this.tiling = tiling;
        this.finish = finish;
        epilogue = problem.EpilogueFor(entry.Width);
    }

    internal static PlaneOutput Create<TTransform>(ConvProblem problem, PlaneTiling tiling, GemmMicroKernel entry) where TTransform : struct, IWinogradTransform =>
        new(problem, tiling, entry, entry.Width switch
        {
            VecWidth.V512 => Select<TTransform, Vec512>(problem.Activation.Kind),
            VecWidth.V256 => Select<TTransform, Vec256>(problem.Activation.Kind),
            VecWidth.V128 => Select<TTransform, Vec128>(problem.Activation.Kind),
            _ => Select<TTransform, Vec1>(problem.Activation.Kind),
        });

    /// <summary>A vector of tiles: between the two dimensions, its results, its residuals.</summary>
    internal override long ScratchElements => (long)Vec.LineElements * tiling.Results * (tiling.Tile + 2 * tiling.Results);

    internal override void Finish(float* products, in WinogradChunk chunk, in KernelArgs args, float* scratch) => finish(this, products, chunk, args, scratch);

    private static delegate*<PlaneOutput, float*, in WinogradChunk, in KernelArgs, float*, void> Select<TTransform, V>(ActivationKind kind)
        where TTransform : struct, IWinogradTransform where V : struct, IVec<V> =>
        (delegate*<PlaneOutput, float*, in WinogradChunk, in KernelArgs, float*, void>)ActivationOps.Select<nint, Runs<TTransform, V>>(kind, default);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TTransform, V, TOp>(PlaneOutput self, float* products, in WinogradChunk chunk, in KernelArgs args, float* scratch)
        where TTransform : struct, IWinogradTransform where V : struct, IVec<V> where TOp : struct, IActivationOp<TOp>
    {
        ConvProblem problem = self.problem;
        PlaneTiling tiling = self.tiling;
        int m = TTransform.Results, tile = TTransform.Tile, lanes = tiling.Lanes, tiles = tiling.TilesOf(chunk.Block);
        float* sums = scratch + m * tile * V.Count, residuals = sums + m * m * V.Count;
        var finish = new RowEpilogue<V, TOp>(self.epilogue);
        nint stride = self.MatrixStride;
        TileRun* runs = stackalloc TileRun[lanes];
        tiling.FindRuns(chunk.Block, runs);
        for (int row = 0; row < chunk.Rows; row++, products += lanes)
        {
            float bias = problem.HasBias ? args.Input<float>(2)[chunk.Channel + row] : 0;
            nint at = problem.OutputAt(chunk.Image, chunk.Channel + row);
            float* plane = args.Output<float>(0) + at, residual = problem.HasResidual ? args.Input<float>(3) + at : null;
            TileRun* run = runs;
            for (int lane = 0; lane < tiles; lane += V.Count)
            {
                while (run->Lane + run->Count <= lane) run++;
                for (int column = 0; column < tile; column++)
                    TTransform.ResultRows<V>(products + column * stride + lane, tile * stride, scratch + column * V.Count, tile * V.Count);
                for (int i = 0; i < m; i++)
                    TTransform.ResultColumns<V>(scratch + i * tile * V.Count, V.Count, sums + i * m * V.Count);
                if (self.IsWhole(run, lane, V.Count, out nint place))
                    self.Finish<V, TOp>(finish, bias, sums, residual == null ? null : residual + place, plane + place, tiling.Width);
                else
                {
                    int end = Math.Min(lane + V.Count, tiles);
                    if (residual != null) self.Gather(residual, run, lane, end, residuals, m * V.Count);
                    self.Finish<V, TOp>(finish, bias, sums, residual == null ? null : residuals, sums, m * V.Count);
                    self.Scatter(sums, m * V.Count, run, lane, end, plane);
                }
            }
        }
    }

    /// <summary>What follows: m rows of m results of each tile of a vector; residuals lie as results do.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Finish<V, TOp>(in RowEpilogue<V, TOp> finish, float bias, float* sums, float* residual, float* to, nint toStride)
        where V : struct, IVec<V> where TOp : struct, IActivationOp<TOp>
    {
        int count = tiling.Results * V.Count;
        for (int row = 0; row < tiling.Results; row++, sums += count, to += toStride)
        {
            finish.Finish(bias, sums, to, null, problem.ResidualAfterActivation ? null : residual, problem.ResidualAfterActivation ? residual : null, 0, count);
            if (residual != null) residual += toStride;
        }
    }

    /// <summary>Whether a vector of tiles that begins in a run lies side by side within the image, and where.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsWhole(TileRun* run, int lane, int lanes, out nint place)
    {
        int m = tiling.Results, x = m * (run->TileX + lane - run->Lane), y = m * run->TileY;
        place = (nint)y * tiling.Width + x;
        return run->Lane + run->Count >= lane + lanes && x + m * lanes <= tiling.Width && y + m <= tiling.Height;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Gather(float* plane, TileRun* run, int lane, int end, float* staged, nint stride)
    {
        for (int at = lane; at < end; at = run->Lane + run->Count, run++)
        {
            Piece piece = Place(run, at, end);
            for (int row = 0; row < piece.Rows; row++)
                VectorCopy.Copy(plane + piece.At + (nint)row * tiling.Width, staged + row * stride + tiling.Results * (at - lane), piece.Columns);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Scatter(float* staged, nint stride, TileRun* run, int lane, int end, float* plane)
    {
        for (int at = lane; at < end; at = run->Lane + run->Count, run++)
        {
            Piece piece = Place(run, at, end);
            for (int row = 0; row < piece.Rows; row++)
                VectorCopy.Copy(staged + row * stride + tiling.Results * (at - lane), plane + piece.At + (nint)row * tiling.Width, piece.Columns);
        }
    }

    /// <summary>Where the results of lanes [lane, end) of a run lie, without what lies outside of the image.</summary>
    private Piece Place(TileRun* run, int lane, int end)
    {
        int m = tiling.Results, x = m * (run->TileX + lane - run->Lane), y = m * run->TileY, count = Math.Min(run->Lane + run->Count, end) - lane;
        return new Piece { At = (nint)y * tiling.Width + x, Columns = Math.Min(m * count, tiling.Width - x), Rows = Math.Min(m, tiling.Height - y) };
    }

    private struct Piece
    {
        internal nint At;
        internal int Columns, Rows;
    }

    private readonly struct Runs<TTransform, V> : IActivationChoice<nint> where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        public nint For<TOp>() where TOp : struct, IActivationOp<TOp> =>
            (nint)(delegate*<PlaneOutput, float*, in WinogradChunk, in KernelArgs, float*, void>)&Run<TTransform, V, TOp>;
    }
}
