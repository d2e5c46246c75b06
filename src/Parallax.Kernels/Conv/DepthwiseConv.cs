using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// Convolution of groups with one input channel each. A block pads some rows of one channel into its worker's scratch and slides the taps
/// over them; strides are gone in the padded form, so all windows are one loop.
/// </summary>
internal sealed unsafe class DepthwiseConv : Kernel
{
    private readonly ConvProblem problem;
    private readonly PackedMatrix? weights;
    private readonly DepthwiseTiling tiling;
    private readonly Epilogue epilogue;
    private readonly int taps;
    private readonly delegate*<float*, int*, float*, int, float*, int, void> slide;

    internal DepthwiseConv(ConvProblem problem, PackedMatrix? weights, VecWidth width)
    {
        this.problem = problem;
        this.weights = weights?.AddReference();
        epilogue = problem.EpilogueFor(width);
        tiling = new DepthwiseTiling(problem);
        taps = tiling.TapOffsets.Length;
        Name = width == VecWidth.Scalar ? "conv_f32_depthwise_scalar" : $"conv_f32_depthwise_v{32 * (int)width}";
        slide = (VecWidth)Math.Min((int)width, tiling.RowLength >= 16 ? 16 : tiling.RowLength >= 8 ? 8 : tiling.RowLength >= 4 ? 4 : 1) switch
        {
            VecWidth.V512 => &Slide<Vec512>,
            VecWidth.V256 => &Slide<Vec256>,
            VecWidth.V128 => &Slide<Vec128>,
            _ => &Slide<Vec1>,
        };
    }

    public override string Name { get; }

    public override long WorkerScratchBytes => sizeof(float) * ((long)tiling.Padded.ChannelElements(tiling.PaddedRowsPerTile) + PaddedInput.Slack * 4);

    public override int BlockCount(int phase) => tiling.BlockCount;

    public override bool CanRehearse => true;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int first, int end, int firstRow) = tiling.Block(block);
        for (int channel = first; channel < end; channel++) RunTile(channel, firstRow, args);
    }

    public override void Dispose()
    {
        weights?.Dispose();
        base.Dispose();
    }

    private void RunTile(int channel, int firstRow, in KernelArgs args)
    {
        (int image, int output) = Math.DivRem(channel, problem.OutputChannels);
        float* filter = weights is null ? args.Input<float>(1) + (nint)output * taps : weights.Left(output, 0, 0);
        float* copy = (float*)args.WorkerScratch;
        tiling.Padded.Copy(args.Input<float>(0) + problem.InputAt(image, output / problem.GroupOutputs), copy, firstRow, tiling.PaddedRowsPerTile);
        int count = Math.Min(tiling.RowsPerTile, tiling.Rows - firstRow);
        nint result = problem.OutputAt(image, output) + firstRow * tiling.RowLength;
        float* c = args.Output<float>(0) + result;
        fixed (int* offsets = tiling.TapOffsets)
        {
            for (int plane = 0; plane < tiling.Planes; plane++)
                for (int row = 0; row < count; row++)
                    slide(copy + plane * tiling.Padded.PlaneStride(tiling.PaddedRowsPerTile) + row * tiling.Padded.RowStride, offsets, filter, taps,
                        c + (plane * tiling.Rows + row) * tiling.RowLength, tiling.RowLength);
        }
        epilogue.Apply(new EpilogueTile
        {
            Sums = c,
            C = c,
            Rows = 1,
            Columns = tiling.Planes * count * tiling.RowLength,
            Bias = problem.HasBias ? args.Input<float>(2) + output : null,
            Residual = problem.HasResidual ? args.Input<float>(3) + result : null,
        });
    }

    /// <summary>
    /// One row of results, at least one vector long. The last vectors of a row overlap the ones before them and write the same values again.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Slide<V>(float* data, int* offsets, float* filter, int taps, float* results, int count) where V : struct, IVec<V>
    {
        int last = count - V.Count, i = 0;
        for (; i + 2 * V.Count < count; i += 4 * V.Count)
        {
            int i1 = i + V.Count, i2 = Math.Min(i1 + V.Count, last), i3 = Math.Min(i1 + 2 * V.Count, last);
            V s0 = default, s1 = default, s2 = default, s3 = default;
            for (int tap = 0; tap < taps; tap++)
            {
                float* from = data + offsets[tap];
                V weight = V.Create(filter[tap]);
                s0 = V.MultiplyAdd(weight, V.Load(from + i), s0);
                s1 = V.MultiplyAdd(weight, V.Load(from + i1), s1);
                s2 = V.MultiplyAdd(weight, V.Load(from + i2), s2);
                s3 = V.MultiplyAdd(weight, V.Load(from + i3), s3);
            }
            V.Store(results + i, s0);
            V.Store(results + i1, s1);
            V.Store(results + i2, s2);
            V.Store(results + i3, s3);
        }
        for (; i < count; i += 2 * V.Count)
        {
            int i0 = Math.Min(i, last), i1 = Math.Min(i + V.Count, last);
            V s0 = default, s1 = default;
            for (int tap = 0; tap < taps; tap++)
            {
                float* from = data + offsets[tap];
                V weight = V.Create(filter[tap]);
                s0 = V.MultiplyAdd(weight, V.Load(from + i0), s0);
                s1 = V.MultiplyAdd(weight, V.Load(from + i1), s1);
            }
            V.Store(results + i0, s0);
            V.Store(results + i1, s1);
        }
    }
}
