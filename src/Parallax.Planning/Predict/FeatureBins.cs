namespace Parallax.Planning;

/// <summary>The samples' features as numbers of bins, so that a split is searched for in a histogram. Bins hold about equally many samples.</summary>
internal sealed class FeatureBins
{
    internal const int MaxBins = 64;

    private readonly byte[][] bins;
    private readonly float[][] limits;

    /// <param name="rows">A row of features per sample.</param>
    internal FeatureBins(IReadOnlyList<float[]> rows, int featureCount)
    {
        bins = new byte[featureCount][];
        limits = new float[featureCount][];
        for (int feature = 0; feature < featureCount; feature++)
        {
            int f = feature;
            float[] column = [.. rows.Select(r => r[f])];
            float[] upper = limits[f] = Limits(column);
            bins[f] = [.. column.Select(v => (byte)BinOf(upper, v))];
        }
    }

    internal int FeatureCount => bins.Length;

    internal int BinCount(int feature) => limits[feature].Length + 1;

    /// <summary>Bins of all samples.</summary>
    internal ReadOnlySpan<byte> Column(int feature) => bins[feature];

    /// <summary>The largest value that belongs to the bins 0 to <paramref name="bin"/>.</summary>
    internal float UpperLimit(int feature, int bin) => limits[feature][bin];

    /// <summary>Thresholds half-way between neighbours, fewer than <see cref="MaxBins"/>.</summary>
    private static float[] Limits(float[] column)
    {
        float[] sorted = [.. column.Order()], distinct = [.. sorted.Distinct()];
        var chosen = new List<float>();
        if (distinct.Length <= MaxBins)
        {
            for (int i = 0; i + 1 < distinct.Length; i++) chosen.Add(Between(distinct[i], distinct[i + 1]));
            return [.. chosen];
        }
        for (int bin = 1; bin < MaxBins; bin++)
        {
            int place = (int)((long)sorted.Length * bin / MaxBins);
            float limit = Between(sorted[place - 1], sorted[place]);
            if (limit < sorted[^1] && (chosen.Count == 0 || limit > chosen[^1])) chosen.Add(limit);
        }
        return [.. chosen];
    }

    private static float Between(float low, float high)
    {
        float middle = low + (high - low) / 2;
        return middle < high ? middle : low;
    }

    private static int BinOf(float[] limits, float value)
    {
        int place = Array.BinarySearch(limits, value);
        return place >= 0 ? place : ~place;
    }
}
