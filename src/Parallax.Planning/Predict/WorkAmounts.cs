namespace Parallax.Planning;

/// <summary>
/// What an operator does, as amounts each of which takes its own time: a kernel's time is about their sum, each at a cost that is the device's. Where the logarithms of
/// <see cref="LatencyFeatures"/> tell products apart, these tell sums apart: multiplying, and fetching weights that no cache has.
/// </summary>
internal static class WorkAmounts
{
    internal const int Count = 13;

    /// <summary>What a core's own caches usually hold.</summary>
    private const long CacheBytes = 1 << 20;

    /// <summary>Tiles of results as kernels usually have them, where theirs are not known; smaller results fill them badly.</summary>
    private const long TileRows = 8, TileColumns = 32;

    /// <summary>Taps of the window of 3 x 3 that, without strides, kernels may compute by fewer multiplications of transformed tiles.</summary>
    private const int TransformableTaps = 9;

    /// <param name="units">Workers, or a device's compute units; they share everything, in whole groups of the kernel where these are known.</param>
    internal static void Write(in StepWork work, int units, in KernelFacts kernel, Span<double> amounts)
    {
        WorkShape e = work.Extents;
        double share = kernel.Groups > 0 ? Math.Ceiling(kernel.Groups / (double)units) / kernel.Groups : 1.0 / units;
        double results = (double)e.Batch * e.Rows * e.Columns, left = (double)e.Batch * e.Rows * e.Depth * e.Groups;
        bool isTransformable = e.Taps == TransformableTaps && e.Stride == 1 && e.Groups == 1, isKnown = kernel.Implementation is not null;
        amounts[0] = work.Units;
        amounts[1] = kernel.Macs > 0 ? kernel.Macs
            : isTransformable && !isKnown ? 0 : (double)e.Batch * Padded(e.Rows, kernel.TileRows > 0 ? kernel.TileRows : TileRows) * Padded(e.Columns, kernel.TileColumns > 0 ? kernel.TileColumns : TileColumns) * e.Depth;
        amounts[2] = kernel.Macs > 0 ? kernel.Moves : isTransformable ? results + left / TransformableTaps : 0;
        amounts[3] = work.ColdBytes;
        amounts[4] = work.Bytes - work.ColdBytes;
        amounts[5] = work.EpilogueResults;
        amounts[6] = results;
        amounts[7] = left;
        amounts[8] = work.ColdBytes > 0 ? 0 : (double)e.Batch * e.Columns * e.Depth;
        amounts[9] = (double)e.Batch * e.Rows;
        amounts[10] = Math.Max(0, work.Bytes - work.ColdBytes - CacheBytes);
        for (int i = 0; i < amounts.Length - 2; i++) amounts[i] *= share;
        amounts[^2] = kernel.Launches;
        amounts[^1] = 1;
    }

    private static long Padded(long extent, long tile) => (extent + tile - 1) / tile * tile;
}
