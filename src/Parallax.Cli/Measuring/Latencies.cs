namespace Parallax.Cli.Measuring;

/// <summary>Times of single runs, in milliseconds, and what can be read off them.</summary>
internal sealed class Latencies
{
    private readonly double[] sorted;

    internal Latencies(IEnumerable<double> milliseconds)
    {
        sorted = [.. milliseconds.Order()];
        if (sorted.Length == 0) throw new ArgumentException("there must be a time", nameof(milliseconds));
    }

    internal double Min => sorted[0];

    internal double Max => sorted[^1];

    internal double Mean => sorted.Average();

    /// <summary>Interpolated between the two closest times.</summary>
    internal double Percentile(double percent)
    {
        double at = percent / 100 * (sorted.Length - 1);
        int below = (int)at, above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }
}
