namespace Parallax.Kernels;

/// <summary>
/// Convolution with few results a channel, as those of short signals and of pooled images: the patch of each result is a row of a product whose columns are the output channels, so that full
/// vectors are computed and the weights are read once, from beginning to end. Phase 0 gathers the patches, a block each; the last phase turns the product's rows into channels.
/// </summary>
internal sealed unsafe class NarrowConv : Kernel
{
    /// <summary>Results of a channel, in all images: more of them fill the columns of a tile well enough.</summary>
    private const int MostRows = 14;

    private readonly ConvProblem problem;
    private readonly WindowAxis[] axes;
    private readonly GemmKernel product;
    private readonly int rows, depth;

    internal NarrowConv(ConvAlgorithm algorithm, ConvProblem problem, PackedMatrix weights, GemmMicroKernel entry)
    {
        this.problem = problem;
        axes = problem.ThreeAxes;
        rows = RowsOf(problem);
        depth = problem.Depth;
        product = new GemmKernel(
            new GemmProblem(rows, problem.OutputChannels, depth) { Bias = problem.HasBias ? new MatrixLayout(0, 1) : null, Activation = problem.Activation }, null, weights, entry, swapped: false);
        (Name, Work) = (entry.NameOf(algorithm.Name), algorithm.WorkOf(problem, entry));
    }

    internal static bool Supports(ConvProblem problem) =>
        problem is { Groups: 1, HasResidual: false, Axes.Length: <= 3, InputChannels: > 0, OutputChannels: > 0 } && RowsOf(problem) is > 0 and <= MostRows;

    public override string Name { get; }

    public override KernelWork Work { get; }

    public override int PhaseCount => product.PhaseCount + 2;

    public override long ScratchBytes => Vec.WholeLines(PatchBytes) + Vec.WholeLines(ResultBytes) + product.ScratchBytes;

    public override long WorkerScratchBytes => product.WorkerScratchBytes;

    public override bool CanRehearse => true;

    private long PatchBytes => sizeof(float) * (long)rows * depth;

    private long ResultBytes => sizeof(float) * (long)rows * problem.OutputChannels;

    public override int BlockCount(int phase) => phase == 0 ? rows : phase <= product.PhaseCount ? product.BlockCount(phase - 1) : 1;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        float* patches = (float*)args.Scratch, results = (float*)(args.Scratch + Vec.WholeLines(PatchBytes));
        if (phase == 0) Gather(args.Input<float>(0), block, patches + (nint)block * depth);
        else if (phase <= product.PhaseCount)
        {
            void** inputs = stackalloc void*[] { patches, null, args.Input<float>(2) };
            void** outputs = stackalloc void*[] { results };
            product.RunBlock(phase - 1, block, new KernelArgs(inputs, 3, outputs, 1, args.Scratch + Vec.WholeLines(PatchBytes) + Vec.WholeLines(ResultBytes), args.WorkerScratch));
        }
        else Scatter(results, args.Output<float>(0));
    }

    public override void Dispose()
    {
        product.Dispose();
        base.Dispose();
    }

    private static int RowsOf(ConvProblem problem) => checked(problem.Batch * problem.OutputPlane);

    /// <summary>What the taps of a result see of each channel; zeros in the padding.</summary>
    private void Gather(float* source, int row, float* patch)
    {
        (int image, int place) = Math.DivRem(row, problem.OutputPlane);
        (place, int x) = Math.DivRem(place, (int)axes[2].Output);
        (int z, int y) = Math.DivRem(place, (int)axes[1].Output);
        (int zFirst, int zEnd) = Inside(axes[0], z);
        (int yFirst, int yEnd) = Inside(axes[1], y);
        (int xFirst, int xEnd) = Inside(axes[2], x);
        int height = (int)axes[1].Input, width = (int)axes[2].Input, xDilation = (int)axes[2].Dilation, taps = (int)axes[2].Kernel;
        bool isWhole = (zEnd - zFirst) * (yEnd - yFirst) * (xEnd - xFirst) == problem.Taps;
        if (!isWhole) new Span<float>(patch, depth).Clear();
        for (int channel = 0; channel < problem.InputChannels; channel++, patch += problem.Taps)
        {
            float* plane = source + problem.InputAt(image, 0) + (nint)channel * problem.InputStride;
            for (int i = zFirst; i < zEnd; i++)
                for (int j = yFirst; j < yEnd; j++)
                {
                    long from = ((axes[0].Start(z) + i * axes[0].Dilation) * height + axes[1].Start(y) + j * axes[1].Dilation) * width + axes[2].Start(x);
                    float* line = plane + from, to = patch + (i * (int)axes[1].Kernel + j) * taps;
                    for (int k = xFirst; k < xEnd; k++) to[k] = line[(nint)k * xDilation];
                }
        }

        static (int First, int End) Inside(WindowAxis axis, int result)
        {
            (long first, long end) = axis.Inside(result);
            return ((int)first, (int)end);
        }
    }

    private void Scatter(float* results, float* y)
    {
        int plane = problem.OutputPlane, channels = problem.OutputChannels;
        for (int image = 0; image < problem.Batch; image++, results += (nint)plane * channels)
            for (int channel = 0; channel < channels; channel++)
            {
                float* to = y + problem.OutputAt(image, channel);
                for (int place = 0; place < plane; place++) to[place] = results[(nint)place * channels + channel];
            }
    }
}
