namespace Parallax.Kernels;

/// <summary>
/// Convolution of 3x3 taps, stride 1 or 2, by minimal filtering in two dimensions: input tiles of t x t are transformed, t x t matrix products over the channels
/// replace the sums over taps, and the products are transformed back into tiles of m x m results. Where there are many blocks of tiles, each is done
/// from end to end in its worker's scratch; where there are few, phase 0 transforms the input and phase 1 has a block per chunk of output channels.
/// </summary>
internal sealed unsafe class WinogradConv : Kernel
{
    /// <summary>Channels that a block of phase 0 transforms.</summary>
    private const int ChannelsPerChunk = 16;

    private readonly ConvProblem problem;
    private readonly PackedMatrix weights;
    private readonly GemmMicroKernel entry;
    private readonly WinogradTiling tiling;
    private readonly WinogradInput input;
    private readonly WinogradOutput output;
    private readonly DepthSlabs slabs;
    private readonly int rowChunks, channelChunks, filters;

    private WinogradConv(ConvProblem problem, PackedMatrix weights, WinogradTiling tiling, WinogradInput input, WinogradOutput output, int filters, string name)
    {
        (this.tiling, this.input, this.output, this.filters, Name) = (tiling, input, output, filters, name);
        this.problem = problem;
        this.weights = weights.AddReference();
        entry = weights.Entry;
        slabs = new DepthSlabs(problem.GroupInputs, entry);
        rowChunks = (problem.GroupOutputs + tiling.RowsPerChunk - 1) / tiling.RowsPerChunk;
        channelChunks = (problem.GroupInputs + ChannelsPerChunk - 1) / ChannelsPerChunk;
    }

    internal static WinogradConv Create<TTransform>(ConvProblem problem, PackedMatrix weights) where TTransform : struct, IWinogradTransform
    {
        GemmMicroKernel entry = weights.Entry;
        var tiling = new WinogradTiling(problem, entry, TTransform.Results, TTransform.Tile);
        string name = entry.Name.Replace("gemm_f32", $"conv_f32_{TTransform.Name}", StringComparison.Ordinal);
        return new WinogradConv(problem, weights, tiling, WinogradInput.Create<TTransform>(problem, tiling, entry), WinogradOutput.Create<TTransform>(problem, tiling, entry), TTransform.Filters, name);
    }

    public override string Name { get; }

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

    private void Transform(int tiles, int first, int end, float* transformed, in KernelArgs args, float* scratch)
    {
        (int product, int block) = Math.DivRem(tiles, tiling.Blocks);
        (int image, int group) = Math.DivRem(product, problem.Groups);
        input.Transform(args.Input<float>(0) + problem.InputAt(image, group), block, first, end, transformed, scratch);
    }

    /// <summary>Multiplies a chunk of output channels and finishes its results.</summary>
    private void Multiply(int tiles, int chunk, float* transformed, in KernelArgs args, float* scratch)
    {
        (int product, int block) = Math.DivRem(tiles, tiling.Blocks);
        (int image, int group) = Math.DivRem(product, problem.Groups);
        int row = chunk * tiling.RowsPerChunk, rows = Math.Min(tiling.RowsPerChunk, problem.GroupOutputs - row);
        for (int element = 0; element < tiling.Elements; element++)
            MultiplyElement(FilterOf(group, element), row, rows, tiling.TilesOf(block), input.Matrix(transformed, element), scratch + element * output.MatrixStride);
        var finished = new WinogradChunk { Block = block, Image = image, Channel = group * problem.GroupOutputs + row, Rows = rows };
        output.Finish(scratch, finished, args, scratch + output.ProductElements);
    }

    /// <summary>The left operand of an element.</summary>
    private int FilterOf(int group, int element)
    {
        (int i, int j) = Math.DivRem(element, tiling.Tile);
        return (group * filters + Math.Min(i, filters - 1)) * filters + Math.Min(j, filters - 1);
    }

    private void MultiplyElement(int matrix, int row, int rows, int tiles, float* right, float* result)
    {
        for (int slab = 0; slab < slabs.Count; slab++)
        {
            int start = slabs.Start(slab), depth = slabs.Length(slab);
            float* left = weights.Left(matrix, start, row);
            for (int lane = 0; lane < tiles; lane += entry.NR)
            {
                float* panel = right + (nint)lane * problem.GroupInputs + start * entry.NR;
                // All weights come by once for every block of tiles: each tile fetches those of the next.
                for (int i = 0; i < rows; i += entry.MR)
                {
                    float* tile = left + i * weights.RowStride, sums = result + (nint)i * tiling.Lanes + lane;
                    Prefetcher ahead = Prefetcher.Along(tile + entry.MR * weights.RowStride, entry.MR);
                    entry.TileFor(Math.Min(entry.MR, rows - i))(
                        depth, tile, weights.RowStride, panel, entry.NR, sums, tiling.Lanes, slab > 0 ? sums : null, tiling.Lanes, &ahead);
                }
            }
        }
    }
}
