namespace Parallax.Kernels;

/// <summary>Neighbouring tiles of one row of tiles: they take the lanes from <see cref="Lane"/> on.</summary>
internal struct TileRun
{
    internal int Lane, Count, TileY, TileX;
}

/// <summary>
/// How the results of one image are cut into tiles of m x m, and the tiles, row by row, into blocks: the tiles of a block are the columns of its matrix
/// products. Follows from the problem and the entry alone.
/// </summary>
internal sealed unsafe class WinogradTiling
{
    /// <summary>What the transformed input of a block may take: about half of a small second-level cache.</summary>
    private const int InputBytes = 320 << 10;

    /// <summary>What the products of a block may take before they are transformed back.</summary>
    private const int ProductBytes = 128 << 10;

    private const int MaxLanes = 64, WantedBlocks = 12;

    internal WinogradTiling(ConvProblem problem, GemmMicroKernel entry, int results, int tile)
    {
        (Results, Tile) = (results, tile);
        (Height, Width) = ((int)problem.Axes[0].Output, (int)problem.Axes[1].Output);
        TilesX = (Width + results - 1) / results;
        TilesY = (Height + results - 1) / results;
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

    /// <summary>m.</summary>
    internal int Results { get; }

    /// <summary>Elements along a side of an input tile.</summary>
    internal int Tile { get; }

    /// <summary>Elements of an input tile: so many matrix products.</summary>
    internal int Elements => Tile * Tile;

    internal int Height { get; }
    internal int Width { get; }
    internal int TilesX { get; }
    internal int TilesY { get; }

    internal int TileCount => TilesX * TilesY;

    /// <summary>Tiles of a block: whole panels.</summary>
    internal int Lanes { get; }

    internal int Blocks { get; }

    /// <summary>Output channels that are multiplied before their products are transformed back: whole panels.</summary>
    internal int RowsPerChunk { get; }

    /// <summary>Whether few blocks share their transformed input among chunks of output channels, so that there is work for many workers.</summary>
    internal bool SharesInput { get; }

    /// <summary>Tiles of a block; the last one may have fewer.</summary>
    internal int TilesOf(int block) => Math.Min(Lanes, TileCount - block * Lanes);

    /// <summary>Writes the runs of a block, at most one per tile; returns how many there are.</summary>
    internal int FindRuns(int block, TileRun* runs)
    {
        int first = block * Lanes, tiles = TilesOf(block), count = 0;
        for (int lane = 0; lane < tiles; count++)
        {
            (int y, int x) = Math.DivRem(first + lane, TilesX);
            runs[count] = new TileRun { Lane = lane, Count = Math.Min(TilesX - x, tiles - lane), TileY = y, TileX = x };
            lane += runs[count].Count;
        }
        return count;
    }
}
