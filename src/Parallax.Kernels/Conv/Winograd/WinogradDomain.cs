namespace Parallax.Kernels;

/// <summary>
/// How the tiles of one group of one image are cut into blocks, whose tiles are the columns of matrix products, and output channels into chunks.
/// Follows from the problem and the entry alone.
/// </summary>
internal abstract class WinogradTiling
{
    /// <summary>What the transformed input of a block may take: about half of a small second-level cache.</summary>
    private const int InputBytes = 320 << 10;

    /// <summary>What the products of a block may take before they are transformed back.</summary>
    private const int ProductBytes = 128 << 10;

    private const int MaxLanes = 64, WantedBlocks = 12;

    private readonly GemmMicroKernel entry;

    private protected WinogradTiling(ConvProblem problem, GemmMicroKernel entry, int elements, int tiles)
    {
        this.entry = entry;
        (Elements, TileCount) = (elements, tiles);
        int panels = (TileCount + entry.NR - 1) / entry.NR, products = problem.Batch * problem.Groups;
        int panelBytes = sizeof(float) * Elements * Math.Max(1, problem.GroupInputs) * entry.NR;
        int panelsPerBlock = Math.Clamp(InputBytes / panelBytes, 1, Math.Max(1, MaxLanes / entry.NR));
        while (panelsPerBlock > 1 && products * ((panels + panelsPerBlock - 1) / panelsPerBlock) < WantedBlocks) panelsPerBlock--;
        Lanes = panelsPerBlock * entry.NR;
        Blocks = (TileCount + Lanes - 1) / Lanes;
        RowsPerChunk = Math.Max(1, ProductBytes / (sizeof(float) * Elements * Lanes * entry.MR)) * entry.MR;
        RowsPerChunk = Math.Min(RowsPerChunk, (problem.GroupOutputs + entry.MR - 1) / entry.MR * entry.MR);
        SharesInput = products * Blocks < WantedBlocks;
    }

    /// <summary>Elements of an input tile: so many matrix products.</summary>
    internal int Elements { get; }

    internal int TileCount { get; }

    /// <summary>Tiles of a block: whole panels.</summary>
    internal int Lanes { get; }

    internal int Blocks { get; }

    /// <summary>Output channels that are multiplied before their products are transformed back: whole panels.</summary>
    internal int RowsPerChunk { get; }

    /// <summary>Whether few blocks share their transformed input among chunks of output channels, so that there is work for many workers.</summary>
    internal bool SharesInput { get; }

    /// <summary>Elements of a transformed filter that differ.</summary>
    internal abstract int Filters { get; }

    /// <summary>The element of a transformed filter that an element of a tile is multiplied by.</summary>
    internal abstract int FilterOf(int element);

    /// <summary>Tiles of a block; the last one may have fewer.</summary>
    internal int TilesOf(int block) => Math.Min(Lanes, TileCount - block * Lanes);

    /// <summary>Lanes of a block that products read, those without a tile included.</summary>
    internal int ComputedLanesOf(int block) => entry.ComputedColumns(TilesOf(block));
}

/// <summary>The input of a block of tiles in the transformed domain: of each element of a tile a right operand, in panels of <c>[channel][NR tiles]</c>.</summary>
internal abstract unsafe class WinogradInput
{
    private protected WinogradInput(ConvProblem problem, WinogradTiling tiling)
    {
        // An odd number of cache lines from matrix to matrix spreads them over the sets of the cache.
        MatrixStride = (nint)problem.GroupInputs * tiling.Lanes + Vec.LineElements;
        BlockElements = tiling.Elements * MatrixStride;
    }

    /// <summary>Elements from the matrix of one element to that of the next.</summary>
    internal nint MatrixStride { get; }

    /// <summary>Elements of the transformed input of a block.</summary>
    internal long BlockElements { get; }

    internal abstract long ScratchElements { get; }

    /// <summary>First panel of a matrix; the next panels follow at <c>channels * NR</c>.</summary>
    internal float* Matrix(float* transformed, int element) => transformed + element * MatrixStride;

    /// <summary>Transforms channels [first, end) of one group of one image for the tiles of a block.</summary>
    internal abstract void Transform(float* source, int block, int first, int end, float* transformed, float* scratch);
}

/// <summary>Transforms products back into results, adds what follows a convolution, and writes what lies inside the image.</summary>
internal abstract unsafe class WinogradOutput
{
    // An odd number of cache lines from matrix to matrix spreads them over the sets of the cache.
    private protected WinogradOutput(WinogradTiling tiling)
    {
        MatrixStride = (nint)Vec.WholeLineElements((long)tiling.RowsPerChunk * tiling.Lanes) | Vec.LineElements;
        ProductElements = tiling.Elements * MatrixStride;
    }

    /// <summary>Elements from the product of one element to that of the next; a product is [output channels of a chunk, tiles of a block].</summary>
    internal nint MatrixStride { get; }

    internal long ProductElements { get; }

    internal abstract long ScratchElements { get; }

    /// <summary>Finishes the products of a chunk.</summary>
    internal abstract void Finish(float* products, in WinogradChunk chunk, in KernelArgs args, float* scratch);
}

/// <summary>Output channels whose products are transformed back together: rows from a channel on, for the tiles of one block of one image.</summary>
internal struct WinogradChunk
{
    internal int Block, Image, Channel, Rows;
}
