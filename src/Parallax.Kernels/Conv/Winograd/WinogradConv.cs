namespace Parallax.Kernels;

/// <summary>
/// Convolution by minimal filtering: 3x3 taps, stride 1 or 2, in two dimensions, where input tiles of t x t are transformed, t x t matrix products over the channels
/// replace the sums over taps, and the products are transformed back into tiles of m x m results; or taps along one axis, in one dimension. Where there are many blocks of tiles, each is done
/// from end to end in its worker's scratch; where there are few, phase 0 transforms the input and phase 1 has a block per chunk of output channels. Phase 0 also transforms <see cref="LateFilters"/> that
/// blocks of tiles share.
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
    private readonly LateFilters? lateFilters;
    private readonly TransformedProduct product;
    private readonly int rowChunks, channelChunks;

    private WinogradConv(ConvProblem problem, PackedMatrix weights, LateFilters? lateFilters, WinogradTiling tiling, WinogradInput input, WinogradOutput output, ConvAlgorithm algorithm)
    {
        (this.tiling, this.input, this.output, this.lateFilters) = (tiling, input, output, lateFilters);
        (Name, Work) = (weights.Entry.NameOf(algorithm.Name), algorithm.WorkOf(problem, weights.Entry));
        this.problem = problem;
        this.weights = weights.AddReference();
        product = new TransformedProduct(weights.Entry, lateFilters?.Layout ?? weights.LeftLayout, problem.GroupInputs);
        rowChunks = (problem.GroupOutputs + tiling.RowsPerChunk - 1) / tiling.RowsPerChunk;
        channelChunks = (problem.GroupInputs + ChannelsPerChunk - 1) / ChannelsPerChunk;
    }

    internal static WinogradConv Create<TTransform>(ConvAlgorithm algorithm, ConvProblem problem, PackedMatrix weights) where TTransform : struct, IWinogradTransform
    {
        GemmMicroKernel entry = weights.Entry;
        var tiling = new PlaneTiling(problem, entry, TTransform.Results, TTransform.Tile, TTransform.Filters);
        return new WinogradConv(problem, weights, LateFilters.Create(default(PlaneFilters<TTransform>), problem, tiling, weights), tiling, PlaneInput.Create<TTransform>(problem, tiling, entry), PlaneOutput.Create<TTransform>(problem, tiling, entry), algorithm);
    }

    /// <summary>Taps along one axis, <see cref="SignalTransform"/>.</summary>
    internal static WinogradConv CreateSignal(ConvAlgorithm algorithm, ConvProblem problem, PackedMatrix weights)
    {
        GemmMicroKernel entry = weights.Entry;
        var tiling = new SignalTiling(problem, entry);
        return new WinogradConv(problem, weights, LateFilters.Create(new SignalFilters(problem.Taps), problem, tiling, weights), tiling, SignalInput.Create(problem, tiling, entry), SignalOutput.Create(problem, tiling, entry), algorithm);
    }

    public override string Name { get; }

    public override KernelWork Work { get; }

    public override int PhaseCount => tiling.SharesInput || SharedFilterElements > 0 ? 2 : 1;

    public override long ScratchBytes => sizeof(float) * (SharedFilterElements + (tiling.SharesInput ? TileBlocks * input.BlockElements : 0));

    public override long WorkerScratchBytes => sizeof(float) * (OwnInputElements + OwnFilterElements + Math.Max(input.ScratchElements, output.ProductElements + output.ScratchElements));

    private int TileBlocks => problem.Batch * problem.Groups * tiling.Blocks;

    /// <summary>What blocks share of the input lies behind these.</summary>
    private nint SharedFilterElements => lateFilters is { AreShared: true } ? lateFilters.ScratchElements : 0;

    private nint OwnFilterElements => lateFilters is { AreShared: false } ? lateFilters.ScratchElements : 0;

    private long OwnInputElements => tiling.SharesInput ? 0 : input.BlockElements;

    public override int BlockCount(int phase) => phase < PhaseCount - 1
        ? (lateFilters?.Blocks ?? 0) + (tiling.SharesInput ? TileBlocks * channelChunks : 0)
        : TileBlocks * (tiling.SharesInput ? rowChunks : 1);

    public override bool CanRehearse => true;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        float* own = (float*)args.WorkerScratch, rest = own + OwnInputElements;
        if (phase < PhaseCount - 1)
        {
            if (lateFilters is { } filters && block < filters.Blocks)
            {
                filters.TransformBlock(block, (float*)args.Scratch);
                return;
            }
            (int tiles, int chunk) = Math.DivRem(block - (lateFilters?.Blocks ?? 0), channelChunks);
            int first = chunk * ChannelsPerChunk, end = Math.Min(first + ChannelsPerChunk, problem.GroupInputs);
            Transform(tiles, first, end, Shared(tiles, args), args, rest);
        }
        else if (tiling.SharesInput)
        {
            (int tiles, int chunk) = Math.DivRem(block, rowChunks);
            Multiply(tiles, chunk, Shared(tiles, args), args, rest);
        }
        else
        {
            Transform(block, 0, problem.GroupInputs, own, args, rest);
            for (int chunk = 0; chunk < rowChunks; chunk++) Multiply(block, chunk, own, args, rest);
        }
    }

    public override void Dispose()
    {
        weights.Dispose();
        base.Dispose();
    }

    private float* Shared(int tiles, in KernelArgs args) => (float*)args.Scratch + SharedFilterElements + tiles * (nint)input.BlockElements;

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
        float* products = scratch + OwnFilterElements;
        if (lateFilters is { AreShared: false } own) MultiplyByOwn(own, row, rows, block, right, scratch, products);
        else
        {
            float* filters = lateFilters is null ? weights.Left(0, 0, 0) : (float*)args.Scratch;
            for (int element = 0; element < tiling.Elements; element++)
                product.Multiply(filters, group * tiling.Filters + tiling.FilterOf(element), row, rows, tiling.TilesOf(block), input.Matrix(right, element), Product(products, element), tiling.Lanes);
        }
        var finished = new WinogradChunk { Block = block, Image = image, Channel = group * problem.GroupOutputs + row, Rows = rows };
        output.Finish(products, finished, args, products + output.ProductElements);
    }

    /// <summary>Multiplies by filters that are transformed now, a part of their elements at a time.</summary>
    private void MultiplyByOwn(LateFilters own, int row, int rows, int block, float* right, float* filters, float* products)
    {
        for (int element = 0, made = -1; element < tiling.Elements; element++)
        {
            (int part, int filter) = Math.DivRem(tiling.FilterOf(element), own.PartElements);
            if (part != made) own.TransformChunk(made = part, row, rows, filters);
            product.Multiply(filters, filter, 0, rows, tiling.TilesOf(block), input.Matrix(right, element), Product(products, element), tiling.Lanes);
        }
    }

    private float* Product(float* products, int element) => products + element * output.MatrixStride;
}
