namespace Parallax.Kernels;

/// <summary>
/// Convolution as a matrix product over padded channels; patches exist only as panels in a worker's scratch. Where a block needs few rows of the
/// input and no other block needs most of them, it pads them itself, in its worker's scratch. Otherwise phase 0 pads the input, phase 1 multiplies.
/// </summary>
internal sealed unsafe class ImplicitConv : Kernel
{
    private const int PadBlockElements = 1 << 15;

    /// <summary>What a block may pad for itself: it stays in the second-level cache.</summary>
    private const int BandElements = 1 << 17;

    /// <summary>Rows may be padded so many times, on average, by the blocks that need them.</summary>
    private const double MostCopies = 1.5;

    private readonly ConvProblem problem;
    private readonly PackedMatrix? weights;
    private readonly GemmEngine engine;
    private readonly PaddedInput padded;
    private readonly int rowLength, bandRows, channelElements, channelsPerBlock, depth;

    internal ImplicitConv(ConvAlgorithm algorithm, ConvProblem problem, PackedMatrix? weights, GemmMicroKernel entry)
    {
        this.problem = problem;
        this.weights = weights?.AddReference();
        WindowAxis[] axes = problem.ThreeAxes;
        padded = PaddedInput.For(axes);
        int rows = (int)axes[1].Output;
        rowLength = (int)axes[2].Output;
        depth = problem.Depth;
        long products = (long)problem.Batch * problem.Groups;
        GemmEngine Engine(RightSource source) => new(entry, problem.GroupOutputs, problem.OutputPlane, depth, products, problem.EpilogueFor(entry.Width),
            weights is null ? MatrixLayout.RowMajor(depth) : null, rightIsPacked: false, rightIsRowMajor: false, source, Math.Max(1, rowLength));
        engine = Engine(Patches(entry, padded.Rows));
        bandRows = axes[0].Output == 1 ? FindBand(rows) : 0;
        if (bandRows > 0) engine = Engine(Patches(entry, bandRows));
        channelElements = padded.ChannelElements(bandRows > 0 ? bandRows : padded.Rows);
        channelsPerBlock = Math.Max(1, PadBlockElements / Math.Max(1, channelElements));
        (Name, Work) = (entry.NameOf(algorithm.Name), algorithm.WorkOf(problem, entry));
    }

    public override string Name { get; }

    public override KernelWork Work { get; }

    public override int PhaseCount => bandRows > 0 ? 1 : 2;

    public override long ScratchBytes => bandRows > 0 ? 0 : sizeof(float) * ((long)Channels * channelElements + PaddedInput.Slack);

    public override long WorkerScratchBytes =>
        engine.WorkerScratchBytes + (bandRows > 0 ? sizeof(float) * ((long)problem.GroupInputs * channelElements + PaddedInput.Slack) : 0);

    private int Channels => problem.Batch * problem.InputChannels;

    private int BlocksPerProduct => engine.MBlocks * engine.NBlocks;

    public override int BlockCount(int phase) => phase < PhaseCount - 1
        ? (Channels + channelsPerBlock - 1) / channelsPerBlock
        : problem.Batch * problem.Groups * BlocksPerProduct;

    public override bool CanRehearse => true;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        if (phase < PhaseCount - 1)
            Pad(block, args);
        else
            Multiply(block, args);
    }

    public override void Dispose()
    {
        weights?.Dispose();
        base.Dispose();
    }

    private PatchSource Patches(GemmMicroKernel entry, int rows)
    {
        WindowAxis[] axes = problem.ThreeAxes;
        int[] taps = padded.TapOffsets(axes, rows);
        int channel = padded.ChannelElements(rows);
        var offsets = new int[depth];
        for (int i = 0; i < depth; i++)
            offsets[i] = checked(i / taps.Length * channel + taps[i % taps.Length]);
        return new PatchSource(entry, offsets, (int)axes[1].Output, rowLength, padded.RowStride, padded.PlaneStride(rows));
    }

    /// <summary>Rows of the padded input that a block needs; 0 where blocks had better share them.</summary>
    private int FindBand(int rows)
    {
        int halo = padded.Rows - rows, most = 0;
        long sum = 0;
        for (int block = 0; block < engine.NBlocks; block++)
        {
            (int first, int count) = RowsOf(block);
            most = Math.Max(most, count + halo);
            sum += count + halo;
        }
        bool isSmall = (long)problem.GroupInputs * padded.ChannelElements(most) <= BandElements;
        return engine.MBlocks == 1 && isSmall && sum <= MostCopies * padded.Rows ? most : 0;
    }

    /// <summary>Rows of results that a block of columns touches.</summary>
    private (int First, int Count) RowsOf(int nIndex)
    {
        int start = nIndex * engine.ColumnsPerBlock, end = Math.Min(start + engine.ColumnsPerBlock, problem.OutputPlane), first = start / rowLength;
        return (first, (end - 1) / rowLength - first + 1);
    }

    private void Pad(int block, in KernelArgs args)
    {
        float* target = (float*)args.Scratch;
        int end = Math.Min(Channels, (block + 1) * channelsPerBlock);
        for (int channel = block * channelsPerBlock; channel < end; channel++)
        {
            (int image, int at) = Math.DivRem(channel, problem.InputChannels);
            padded.Copy(args.Input<float>(0) + problem.InputAt(image, 0) + (nint)at * problem.InputStride, target + (nint)channel * channelElements, 0, padded.Rows);
        }
        if (end == Channels)
            new Span<float>(target + (nint)Channels * channelElements, PaddedInput.Slack).Clear();
    }

    /// <summary>Pads the rows that a block needs, of all channels of a group; returns where the first row of the input would lie.</summary>
    private float* PadBand(int nIndex, float* source, float* band)
    {
        int firstRow = RowsOf(nIndex).First;
        for (int channel = 0; channel < problem.GroupInputs; channel++)
            padded.Copy(source + (nint)channel * problem.InputStride, band + (nint)channel * channelElements, firstRow, bandRows);
        new Span<float>(band + (nint)problem.GroupInputs * channelElements, PaddedInput.Slack).Clear();
        return band - (nint)firstRow * padded.RowStride;
    }

    private void Multiply(int block, in KernelArgs args)
    {
        (int product, int part) = Math.DivRem(block, BlocksPerProduct);
        (int image, int group) = Math.DivRem(product, problem.Groups);
        nint result = problem.OutputAt(image, group * problem.GroupOutputs);
        nint channel = (nint)image * problem.InputChannels + group * problem.GroupInputs;
        int nIndex = part % engine.NBlocks;
        engine.RunBlock(part / engine.NBlocks, nIndex, new GemmOperands
        {
            A = weights is null ? args.Input<float>(1) + (nint)group * problem.GroupOutputs * depth : null,
            ARowStride = depth,
            AColumnStride = 1,
            PackedA = weights,
            PackedAIndex = group,
            B = bandRows > 0
                ? PadBand(nIndex, args.Input<float>(0) + problem.InputAt(image, group), (float*)(args.WorkerScratch + engine.WorkerScratchBytes))
                : (float*)args.Scratch + channel * channelElements,
            C = args.Output<float>(0) + result,
            CStride = problem.OutputStride,
            Bias = problem.HasBias ? args.Input<float>(2) + group * problem.GroupOutputs : null,
            BiasRowStride = 1,
            Residual = problem.HasResidual ? args.Input<float>(3) + result : null,
            ResidualStride = problem.OutputStride,
        }, args.WorkerScratch);
    }
}
