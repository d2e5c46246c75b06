namespace Parallax.Kernels;

/// <summary>
/// How a convolution of one channel per group is cut up: a channel into tiles of rows whose padded copy stays in a cache, and small channels together into blocks.
/// </summary>
internal sealed class DepthwiseTiling
{
    /// <summary>Multiply-accumulates, and about as much for the rest, that are worth a block.</summary>
    private const long BlockWork = 1 << 18;

    /// <summary>What it takes to set up a channel, as long as that many multiply-accumulates: most of the time of a small plane.</summary>
    private const long ChannelWork = 1 << 12;

    /// <summary>About as many elements has the padded copy of a tile.</summary>
    private const int TileElements = 1 << 15;

    private readonly ConvProblem problem;
    private readonly int tilesPerChannel, channelsPerBlock;

    internal DepthwiseTiling(ConvProblem problem)
    {
        this.problem = problem;
        WindowAxis[] axes = problem.ThreeAxes;
        Padded = PaddedInput.For(axes);
        (Planes, Rows, RowLength) = ((int)axes[0].Output, (int)axes[1].Output, (int)axes[2].Output);
        int halo = Padded.Rows - Rows;
        RowsPerTile = Planes > 1 ? Math.Max(1, Rows) : Math.Clamp(TileElements / Math.Max(1, Padded.ChannelElements(1)) - halo, 1, Math.Max(1, Rows));
        PaddedRowsPerTile = RowsPerTile + halo;
        tilesPerChannel = (Rows + RowsPerTile - 1) / RowsPerTile;
        TapOffsets = Padded.TapOffsets(axes, PaddedRowsPerTile);
        long work = ChannelWork + (long)problem.OutputPlane * (TapOffsets.Length + 8);
        channelsPerBlock = tilesPerChannel > 1 ? 1 : (int)Math.Clamp(BlockWork / work, 1, Math.Max(1, problem.OutputChannels));
    }

    internal PaddedInput Padded { get; }

    /// <summary>By tap, the distance in the copy of a tile.</summary>
    internal int[] TapOffsets { get; }

    internal int Planes { get; }

    internal int Rows { get; }

    internal int RowLength { get; }

    internal int RowsPerTile { get; }

    internal int PaddedRowsPerTile { get; }

    internal int BlockCount => problem.OutputPlane == 0 ? 0 : (Channels + channelsPerBlock - 1) / channelsPerBlock * tilesPerChannel;

    /// <summary>Channels of all images together.</summary>
    private int Channels => problem.Batch * problem.OutputChannels;

    /// <summary>The channels of a block, counted over all images, and the first row of its tile in each.</summary>
    internal (int First, int End, int FirstRow) Block(int block)
    {
        (int first, int tile) = Math.DivRem(block, tilesPerChannel);
        return (first * channelsPerBlock, Math.Min(Channels, (first + 1) * channelsPerBlock), tile * RowsPerTile);
    }
}
