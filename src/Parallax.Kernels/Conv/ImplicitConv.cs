namespace Parallax.Kernels;

/// <summary>
/// Convolution as a matrix product over padded channels. Phase 0 pads the input into scratch, phase 1 multiplies; patches exist only as
/// panels in a worker's scratch.
/// </summary>
internal sealed unsafe class ImplicitConv : Kernel
{
    private const int PadBlockElements = 1 << 15;

    private readonly ConvProblem problem;
    private readonly PackedMatrix? weights;
    private readonly GemmEngine engine;
    private readonly PaddedInput padded;
    private readonly int channelElements, channelsPerBlock, depth;

    internal ImplicitConv(ConvProblem problem, PackedMatrix? weights, GemmMicroKernel entry)
    {
        this.problem = problem;
        this.weights = weights?.AddReference();
        WindowAxis[] axes = problem.ThreeAxes;
        padded = PaddedInput.For(axes);
        channelElements = padded.ChannelElements(padded.Rows);
        channelsPerBlock = Math.Max(1, PadBlockElements / Math.Max(1, channelElements));
        int[] taps = padded.TapOffsets(axes, padded.Rows);
        depth = problem.GroupInputs * taps.Length;
        var offsets = new int[depth];
        for (int i = 0; i < depth; i++)
            offsets[i] = checked(i / taps.Length * channelElements + taps[i % taps.Length]);
        var source = new PatchSource(entry, offsets, (int)axes[1].Output, (int)axes[2].Output, padded.RowStride, padded.PlaneStride(padded.Rows));
        engine = new GemmEngine(entry, problem.GroupOutputs, problem.OutputPlane, depth, (long)problem.Batch * problem.Groups,
            problem.EpilogueFor(entry.Width), weights is not null, rightIsPacked: false, rightIsRowMajor: false, source);
        Name = entry.Name.Replace("gemm_f32", "conv_f32_implicit", StringComparison.Ordinal);
    }

    public override string Name { get; }

    public override int PhaseCount => 2;

    public override long ScratchBytes => sizeof(float) * ((long)Channels * channelElements + PaddedInput.Slack);

    public override long WorkerScratchBytes => engine.WorkerScratchBytes;

    private int Channels => problem.Batch * problem.InputChannels;

    private int BlocksPerProduct => engine.MBlocks * engine.NBlocks;

    public override int BlockCount(int phase) => phase == 0
        ? (Channels + channelsPerBlock - 1) / channelsPerBlock
        : problem.Batch * problem.Groups * BlocksPerProduct;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        if (phase == 0)
            Pad(block, args);
        else
            Multiply(block, args);
    }

    public override void Dispose()
    {
        weights?.Dispose();
        base.Dispose();
    }

    private void Pad(int block, in KernelArgs args)
    {
        float* input = args.Input<float>(0), target = (float*)args.Scratch;
        int end = Math.Min(Channels, (block + 1) * channelsPerBlock);
        for (int channel = block * channelsPerBlock; channel < end; channel++)
            padded.Copy(input + ((nint)(channel / problem.InputChannels) * problem.ImageInputs + channel % problem.InputChannels) * problem.InputPlane, target + (nint)channel * channelElements, 0, padded.Rows);
        if (end == Channels)
            new Span<float>(target + (nint)Channels * channelElements, PaddedInput.Slack).Clear();
    }

    private void Multiply(int block, in KernelArgs args)
    {
        (int product, int part) = Math.DivRem(block, BlocksPerProduct);
        (int image, int group) = Math.DivRem(product, problem.Groups);
        nint result = problem.OutputAt(image, group * problem.GroupOutputs);
        nint channel = (nint)image * problem.InputChannels + group * problem.GroupInputs;
        engine.RunBlock(part / engine.NBlocks, part % engine.NBlocks, new GemmOperands
        {
            A = weights is null ? args.Input<float>(1) + (nint)group * problem.GroupOutputs * depth : null,
            ARowStride = depth,
            AColumnStride = 1,
            PackedA = weights,
            PackedAIndex = group,
            B = (float*)args.Scratch + channel * channelElements,
            C = args.Output<float>(0) + result,
            CStride = problem.OutputPlane,
            Bias = problem.HasBias ? args.Input<float>(2) + group * problem.GroupOutputs : null,
            BiasRowStride = 1,
            Residual = problem.HasResidual ? args.Input<float>(3) + result : null,
            ResidualStride = problem.OutputPlane,
        }, args.WorkerScratch);
    }
}
