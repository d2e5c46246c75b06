namespace Parallax.Runtime.Calibration;

/// <summary>The shortest of many runs, and whether others were about as short: a time that was met once may be luck, and the next shortest far from it says that there may be a shorter one.</summary>
internal sealed class ShortestRuns
{
    /// <summary>Runs that must be about as short as the shortest, itself included, and how much longer they may be.</summary>
    private const int Witnesses = 4;

    private const double AboutAsShort = 1.03;

    /// <summary>In order.</summary>
    private readonly double[] shortest = new double[Witnesses];

    internal ShortestRuns() => Forget();

    /// <summary>Infinite before the first run.</summary>
    internal double Us => shortest[0];

    internal bool IsSettled => shortest[^1] <= shortest[0] * AboutAsShort;

    internal void Forget() => Array.Fill(shortest, double.PositiveInfinity);

    internal void Keep(double us)
    {
        for (int i = 0; i < shortest.Length; i++)
            if (us < shortest[i]) (us, shortest[i]) = (shortest[i], us);
    }
}
