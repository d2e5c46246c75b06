namespace Parallax.Kernels;

/// <summary>Neighbouring tiles of one row of tiles: they take the lanes from <see cref="Lane"/> on.</summary>
internal struct TileRun
{
    internal int Lane, Count, TileY, TileX;
}

/// <summary>How the results of one image are cut into tiles of m x m; the tiles follow one another row by row.</summary>
internal sealed unsafe class PlaneTiling : WinogradTiling
{
    private readonly int filters;

    /// <param name="results">m.</param>
    /// <param name="tile">Elements along a side of an input tile.</param>
    /// <param name="filters">Elements along a side of a transformed filter that differ.</param>
    internal PlaneTiling(ConvProblem problem, GemmMicroKernel entry, int results, int tile, int filters)
        : base(problem, entry, tile * tile, CountOf(problem, results))
    {
        (Results, Tile, this.filters) = (results, tile, filters);
        (Height, Width) = ((int)problem.Axes[0].Output, (int)problem.Axes[1].Output);
        TilesX = Tiles(problem.Axes[1], results);
    }

    /// <summary>m.</summary>
    internal int Results { get; }

    /// <summary>Elements along a side of an input tile.</summary>
    internal int Tile { get; }

    internal int Height { get; }
    internal int Width { get; }
    internal int TilesX { get; }

    internal override int Filters => filters * filters;

    internal override int FilterOf(int element)
    {
        (int i, int j) = Math.DivRem(element, Tile);
        return Math.Min(i, filters - 1) * filters + Math.Min(j, filters - 1);
    }

    /// <summary>Tiles of an image.</summary>
    internal static int CountOf(ConvProblem problem, int results) => checked(Tiles(problem.Axes[0], results) * Tiles(problem.Axes[1], results));

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

    private static int Tiles(WindowAxis axis, int results) => ((int)axis.Output + results - 1) / results;
}
