using System.Globalization;

namespace Parallax.Cli.Measuring;

/// <summary>One way's time over another's: the median of the ratios of neighbouring turns, and between what the true median lies.</summary>
/// <param name="Low">NaN where there are too few turns to say.</param>
internal readonly record struct Ratio(double Median, double Low, double High)
{
    /// <summary>How often the true median may lie outside of the interval.</summary>
    private const double Risk = 0.05;

    /// <summary>
    /// The interval goes from the k-th smallest to the k-th largest ratio, with the largest k for which the risk that fewer than k lie below the true median, each with probability 1/2, is at most half of
    /// what is taken. That holds for any distribution of turns that do not depend on each other.
    /// </summary>
    internal static Ratio Of(IEnumerable<double> ratios)
    {
        double[] sorted = [.. ratios.Order()];
        double median = new Latencies(sorted).Percentile(50), exactly = Math.Pow(0.5, sorted.Length), atMost = exactly;
        int rank = 0;
        for (; atMost <= Risk / 2; rank++)
        {
            exactly *= (sorted.Length - rank) / (rank + 1.0);
            atMost += exactly;
        }
        return rank == 0 ? new Ratio(median, double.NaN, double.NaN) : new Ratio(median, sorted[rank - 1], sorted[^rank]);
    }

    public override string ToString() =>
        double.IsNaN(Low) ? Median.ToString("0.000", CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{Median:0.000} ({Low:0.00}-{High:0.00})");
}
