namespace Parallax.Planning;

/// <summary>When one of two sides has something to do.</summary>
internal sealed class BusyTimes
{
    private readonly List<double> starts = [], ends = [], before = []; // apart from one another, in order; before each, how long all earlier ones are

    /// <param name="spans">In any order; they may overlap.</param>
    internal BusyTimes(IEnumerable<(double StartUs, double EndUs)> spans)
    {
        foreach ((double start, double end) in spans.Order())
        {
            if (ends.Count > 0 && start <= ends[^1])
            {
                ends[^1] = Math.Max(ends[^1], end);
                continue;
            }
            before.Add(ends.Count == 0 ? 0 : before[^1] + ends[^1] - starts[^1]);
            starts.Add(start);
            ends.Add(end);
        }
    }

    /// <summary>How much of a span is busy.</summary>
    internal double Within(double startUs, double endUs) => Until(endUs) - Until(startUs);

    private double Until(double us)
    {
        int place = starts.BinarySearch(us);
        if (place < 0) place = ~place - 1;
        return place < 0 ? 0 : before[place] + Math.Min(us, ends[place]) - starts[place];
    }
}
