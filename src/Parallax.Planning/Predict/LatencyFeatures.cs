namespace Parallax.Planning;

/// <summary>
/// The numbers by which latencies are predicted: how much there is to do, in which shape, and how the kernel that does it cuts it up. Counts are logarithms
/// to base 2, for latencies are products.
/// </summary>
internal static class LatencyFeatures
{
    /// <summary>The number of the feature that names the kernel.</summary>
    internal const int Implementation = 15;

    /// <summary>What that is where the kernel is not known.</summary>
    internal const float NoImplementation = -1;

    /// <summary>The number of the feature that is the sum of the amounts at their costs.</summary>
    internal const int SumOfCosts = 21;

    internal const int Count = 22;

    private const double LeastUs = 1e-3;

    /// <summary>Writes the features; NaN stands for what is not known.</summary>
    /// <param name="units">Workers, or a device's compute units, that share the groups of the kernel.</param>
    /// <param name="implementation">The kernel's place in the predictor's list; NaN where it is not there.</param>
    /// <param name="costs">Of the amounts of <see cref="WorkAmounts"/>, in microseconds.</param>
    internal static void Write(in StepWork work, int units, in KernelFacts kernel, float implementation, ReadOnlySpan<double> costs, Span<float> features)
    {
        Span<double> amounts = stackalloc double[WorkAmounts.Count];
        WorkAmounts.Write(work, units, kernel, amounts);
        double us = 0;
        for (int i = 0; i < amounts.Length; i++) us += costs[i] * amounts[i];
        features[SumOfCosts] = (float)Math.Log2(Math.Max(LeastUs, us));
        WorkShape shape = work.Extents;
        double parts = Math.Max(1, kernel.Groups), waves = Math.Ceiling(parts / units);
        double tiles = Tiles(shape.Rows, kernel.TileRows) * Tiles(shape.Columns, kernel.TileColumns);
        double inTiles = tiles * Math.Max(1, kernel.TileRows) * Math.Max(1, kernel.TileColumns);
        features[0] = Log(work.Units);
        features[1] = Log(work.Bytes);
        features[2] = Log(work.ColdBytes);
        features[3] = (float)Math.Log2((1.0 + work.Units) / (1.0 + work.Bytes));
        features[4] = Log(work.EpilogueResults);
        features[5] = Log(shape.Batch);
        features[6] = Log(shape.Rows);
        features[7] = Log(shape.Columns);
        features[8] = Log(shape.Depth);
        features[9] = shape.Taps;
        features[10] = shape.Stride;
        features[11] = Log(shape.Groups);
        features[12] = Log(shape.Depth / Math.Max(1, shape.Taps));
        features[13] = Log(shape.Columns / Math.Max(1, shape.Groups));
        features[14] = units;
        features[Implementation] = implementation;
        features[16] = kernel.GroupSize > 0 ? Log(kernel.GroupSize) : float.NaN;
        // One unit computes all groups, however many they are; nor are those of a CPU's kernel known before it is prepared.
        features[17] = kernel.Groups > 0 && units > 1 ? Log(kernel.Groups) : float.NaN;
        features[18] = kernel.Groups > 0 && units > 1 ? (float)Math.Log2(waves / parts) : float.NaN; // the part that the slowest unit does
        features[19] = Log((long)tiles);
        // What is asked for among what is computed.
        features[20] = kernel.Macs > 0 ? (float)Math.Log2(Math.Max(1, work.Macs) / (double)kernel.Macs) : (float)Math.Log2(Math.Max(1, shape.Rows) * (double)Math.Max(1, shape.Columns) / inTiles);
    }

    private static double Tiles(long extent, long tile) => Math.Ceiling(Math.Max(1, extent) / (double)Math.Max(1, tile));

    private static float Log(long count) => (float)Math.Log2(1.0 + count);
}
