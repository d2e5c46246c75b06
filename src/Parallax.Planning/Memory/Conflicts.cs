namespace Parallax.Planning;

/// <summary>Which buffers may not share bytes, as neighbour lists.</summary>
internal sealed class Conflicts
{
    private const long MaxCandidates = 40_000_000, MaxPairs = 8_000_000;

    private readonly int[] start, neighbours;

    private Conflicts(int[] start, int[] neighbours)
    {
        this.start = start;
        this.neighbours = neighbours;
    }

    internal int Count => neighbours.Length;

    internal ReadOnlySpan<int> Of(int buffer) => neighbours.AsSpan(start[buffer]..start[buffer + 1]);

    /// <summary>All conflicts; null where there are too many to list.</summary>
    internal static Conflicts? TryFind(Lifetimes lifetimes)
    {
        int count = lifetimes.Count;
        int[] byStart = Mapping.Positions(count);
        Array.Sort((int[])lifetimes.Start.Clone(), byStart);
        var pairs = new List<(int, int)>();
        var start = new int[count + 1];
        long candidates = 0;
        for (int i = 0; i < count; i++)
        {
            int a = byStart[i];
            for (int j = i + 1; j < count && lifetimes.Start[byStart[j]] <= lifetimes.LatestEnd[a]; j++)
            {
                int b = byStart[j];
                if (++candidates > MaxCandidates) return null;
                if (!lifetimes.Conflict(a, b)) continue;
                if (pairs.Count >= MaxPairs) return null;
                pairs.Add((a, b));
                start[a + 1]++;
                start[b + 1]++;
            }
        }
        for (int i = 0; i < count; i++) start[i + 1] += start[i];
        var next = start.AsSpan(..count).ToArray();
        var neighbours = new int[2 * pairs.Count];
        foreach ((int a, int b) in pairs)
        {
            neighbours[next[a]++] = b;
            neighbours[next[b]++] = a;
        }
        return new Conflicts(start, neighbours);
    }
}
