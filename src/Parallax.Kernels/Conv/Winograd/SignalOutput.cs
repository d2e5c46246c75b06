using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>Transforms products back into rows of results, and finishes these where they lie inside a signal.</summary>
internal sealed unsafe class SignalOutput : WinogradOutput
{
    private readonly ConvProblem problem;
    private readonly SignalTiling tiling;
    private readonly Epilogue epilogue;
    private readonly delegate*<SignalOutput, float*, int, float*, float*, void> transform;

    private SignalOutput(ConvProblem problem, SignalTiling tiling, GemmMicroKernel entry, delegate*<SignalOutput, float*, int, float*, float*, void> transform)
        : base(tiling)
    {
        this.problem = problem;
        this.tiling = tiling;
        this.transform = transform;
        epilogue = problem.EpilogueFor(entry.Width);
    }

    internal static SignalOutput Create(ConvProblem problem, SignalTiling tiling, GemmMicroKernel entry) => new(problem, tiling, entry, entry.Width switch
    {
        VecWidth.V512 => &TransformRow<Vec512>,
        VecWidth.V256 => &TransformRow<Vec256>,
        VecWidth.V128 => &TransformRow<Vec128>,
        _ => &TransformRow<Vec1>,
    });

    /// <summary>A row, before and after the results of a tile are brought together.</summary>
    internal override long ScratchElements => 2 * RowElements;

    private long RowElements => Vec.WholeLineElements((long)tiling.Results * tiling.Lanes);

    internal override void Finish(float* products, in WinogradChunk chunk, in KernelArgs args, float* scratch)
    {
        int tiles = tiling.TilesOf(chunk.Block);
        for (int row = 0; row < chunk.Rows; row++, products += tiling.Lanes)
        {
            transform(this, products, tiles, scratch, scratch + RowElements);
            int channel = chunk.Channel + row;
            nint at = problem.OutputAt(chunk.Image, channel);
            float* bias = problem.HasBias ? args.Input<float>(2) + channel : null;
            FinishRow(scratch, chunk.Block * tiling.Lanes, tiles, bias, problem.HasResidual ? args.Input<float>(3) + at : null, args.Output<float>(0) + at);
        }
    }

    /// <summary>The results of a row that belong to signals.</summary>
    private void FinishRow(float* sums, int firstLane, int lanes, float* bias, float* residual, float* plane)
    {
        int m = tiling.Results, length = (int)tiling.Axis.Output;
        for (int lane = 0; lane < lanes;)
        {
            (int signal, int first) = Math.DivRem(firstLane + lane, tiling.SignalLanes);
            int count = Math.Min(tiling.SignalLanes - first, lanes - lane), columns = Math.Min(m * count, length - m * first);
            nint at = (nint)signal * length + m * first;
            if (columns > 0)
                epilogue.Apply(new EpilogueTile
                {
                    Sums = sums + m * lane,
                    C = plane + at,
                    Rows = 1,
                    Columns = columns,
                    Bias = bias,
                    Residual = residual == null ? null : residual + at,
                });
            lane += count;
        }
    }

    /// <summary>The m results of a tile one matrix row behind the other, then side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransformRow<V>(SignalOutput self, float* products, int lanes, float* row, float* results) where V : struct, IVec<V>
    {
        int m = self.tiling.Results, stride = self.tiling.Lanes;
        for (int lane = 0; lane < lanes; lane += V.Count)
            SignalTransform.Results<V>(products + lane, self.MatrixStride, m, results + lane, stride);
        PanelPacking.Copy(row, m, results, m, lanes, stride, 1);
    }
}
