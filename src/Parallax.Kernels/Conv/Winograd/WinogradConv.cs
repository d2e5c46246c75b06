namespace Parallax.Kernels;

/// <summary>
/// Convolution by minimal filtering: 3x3 taps, stride 1 or 2, in two dimensions, where input tiles of t x t are transformed, t x t matrix products over the channels
/// replace the sums over taps, and the products are transformed back into tiles of m x m results; or taps along one axis, in one dimension. Where there are many blocks of tiles, each is done
/// from end to end in its worker's scratch; where there are few, phase 0 transforms the input and phase 1 has a block per chunk of output channels.
/// </summary>
internal sealed unsafe class WinogradConv : Kernel
{
    /// <summary>Channels that a block of phase 0 transforms.</summary>
    private const int ChannelsPerChunk = 16;

    private readonly ConvProblem problem;
    private readonly PackedMatrix weights;
    private readonly WinogradTiling tiling;
    private readonly WinogradInput input;
    private readonly WinogradOutput output;
    private readonly TransformedProduct product;
    private readonly int rowChunks, channelChunks;

    private WinogradConv(ConvProblem problem, PackedMatrix weights, WinogradTiling tiling, WinogradInput input, WinogradOutput output, ConvAlgorithm algorithm)
    {
        (this.tiling, this.input, this.output) = (tiling, input, output);
        (Name, Work) = (weights.Entry.NameOf(algorithm.Name), algorithm.WorkOf(problem, weights.Entry));
        this.problem = problem;
        this.weights = weights.AddReference();
        product = new TransformedProduct(weights, problem.GroupInputs);
        rowChunks = (problem.GroupOutputs + tiling.RowsPerChunk - 1) / tiling.RowsPerChunk;
        channelChunks = (problem.GroupInputs + ChannelsPerChunk - 1) / ChannelsPerChunk;
    }

    internal static WinogradConv Create<TTransform>(ConvAlgorithm algorithm, ConvProblem problem, PackedMatrix weights) where TTransform : struct, IWinogradTransform
    {
        GemmMicroKernel entry = weights.Entry;
        var tiling = new PlaneTiling(problem, entry, TTransform.Results, TTransform.Tile, TTransform.Filters);
        return new WinogradConv(problem, weights, tiling, PlaneInput.Create<TTransform>(problem, tiling, entry), PlaneOutput.Create<TTransform>(problem, tiling, entry), algorithm);
    }

    /// <summary>Taps along one axis, <see cref="SignalTransform"/>.</summary>
    internal static WinogradConv CreateSignal(ConvAlgorithm algorithm, ConvProblem problem, PackedMatrix weights)
    {
        GemmMicroKernel entry = weights.Entry;
        var tiling = new SignalTiling(problem, entry);
        return new WinogradConv(problem, weights, tiling, SignalInput.Create(problem, tiling, entry), SignalOutput.Create(problem, tiling, entry), algorithm);
    }

    public override string Name { get; }

    public override KernelWork Work { get; }

    public override int PhaseCount => tiling.SharesInput ? 2 : 1;

    public override long ScratchBytes => tiling.SharesInput ? sizeof(float) * TileBlocks * input.BlockElements : 0;

    public override long WorkerScratchBytes => sizeof(float) * (OwnInputElements + Math.Max(input.ScratchElements, output.ProductElements + output.ScratchElements));

    private int TileBlocks => problem.Batch * problem.Groups * tiling.Blocks;

    private long OwnInputElements => tiling.SharesInput ? 0 : input.BlockElements;

    public override int BlockCount(int phase) => TileBlocks * (!tiling.SharesInput ? 1 : phase == 0 ? channelChunks : rowChunks);

    public override bool CanRehearse => true;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        float* own = (float*)args.WorkerScratch, rest = own + OwnInputElements;
        if (!tiling.SharesInput)
        {
            Transform(block, 0, problem.GroupInputs, own, args, rest);
            for (int chunk = 0; chunk < rowChunks; chunk++) Multiply(block, chunk, own, args, rest);
        }
        else if (phase == 0)
        {
            (int tiles, int chunk) = Math.DivRem(block, channelChunks);
            int first = chunk * ChannelsPerChunk, end = Math.Min(first + ChannelsPerChunk, problem.GroupInputs);
            Transform(tiles, first, end, Shared(tiles, args), args, rest);
        }
        else
        {
            (int tiles, int chunk) = Math.DivRem(block, rowChunks);
            Multiply(tiles, chunk, Shared(tiles, args), args, rest);
        }
    }

    public override void Dispose()
    {
        weights.Dispose();
        base.Dispose();
    }

    private float* Shared(int tiles, in KernelArgs args) => (float*)args.Scratch + tiles * (nint)input.BlockElements;

    private void Transform(int tiles, int first, int end, float* target, in KernelArgs args, float* scratch)
    {
        (int part, int block) = Math.DivRem(tiles, tiling.Blocks);
        (int image, int group) = Math.DivRem(part, problem.Groups);
        input.Transform(args.Input<float>(0) + problem.InputAt(image, group), block, first, end, target, scratch);
    }

    /// <summary>Multiplies a chunk of output channels and finishes its results.</summary>
    private void Multiply(int tiles, int chunk, float* right, in KernelArgs args, float* scratch)
    {
        (int part, int block) = Math.DivRem(tiles, tiling.Blocks);
        (int image, int group) = Math.DivRem(part, problem.Groups);
        int row = chunk * tiling.RowsPerChunk, rows = Math.Min(tiling.RowsPerChunk, problem.GroupOutputs - row);
        for (int element = 0; element < tiling.Elements; element++)
            product.Multiply(group * tiling.Filters + tiling.FilterOf(element), row, rows, tiling.TilesOf(block), input.Matrix(right, element), scratch + element * output.MatrixStride, tiling.Lanes);
        var finished = new WinogradChunk { Block = block, Image = image, Channel = group * problem.GroupOutputs + row, Rows = rows };
        output.Finish(scratch, finished, args, scratch + output.ProductElements);
    }
}
