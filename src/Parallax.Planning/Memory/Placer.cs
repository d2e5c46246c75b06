namespace Parallax.Planning;

/// <summary>
/// Gives offsets to buffers so that those that conflict are disjoint: one after another in several orders (by size as in Pisarchyk and Lee,
/// by breadth, by area, by time), each into the lowest or the tightest gap; then small changes to the best order.
/// </summary>
internal sealed class Placer(Lifetimes lifetimes, Conflicts conflicts, long lowerBound)
{
    /// <summary>Neighbours looked at in all; bounds the time of the search, and a search bounded by work gives the same plan every time.</summary>
    private const long SearchBudget = 400_000;

    private const int MaxAttempts = 80;

    private readonly long[] offsets = new long[lifetimes.Count];
    private readonly int[] placedIn = new int[lifetimes.Count]; // the attempt that placed the buffer
    private long[] gapStarts = [], gapEnds = [];
    private int[] bestOrder = [];
    private int attempt;
    private long budget = SearchBudget;

    internal long[] Offsets { get; private set; } = [];

    internal long ArenaBytes { get; private set; } = long.MaxValue;

    internal string Heuristic { get; private set; } = "";

    internal void Run()
    {
        foreach ((string name, int[] order) in Orders())
        {
            Try(name, order, bestFit: false);
            if (ArenaBytes > lowerBound && budget > 0) Try($"{name}, best fit", order, bestFit: true);
            if (ArenaBytes <= lowerBound || budget <= 0) return;
        }
        Improve();
    }

    private IEnumerable<(string Name, int[] Order)> Orders()
    {
        long[] bytes = lifetimes.Bytes;
        var breadth = new long[bytes.Length];
        for (int i = 0; i < breadth.Length; i++) breadth[i] = bytes[i] + Sum(conflicts.Of(i));
        yield return ("size", Sorted((a, b) => bytes[b].CompareTo(bytes[a])));
        yield return ("breadth", Sorted((a, b) => breadth[b].CompareTo(breadth[a])));
        yield return ("area", Sorted((a, b) => Area(b).CompareTo(Area(a))));
        yield return ("lifetime", Sorted((a, b) => Life(b) != Life(a) ? Life(b).CompareTo(Life(a)) : bytes[b].CompareTo(bytes[a])));
        yield return ("start", Sorted((a, b) => 0));

        double Area(int i) => bytes[i] * (double)Life(i);

        long Life(int i) => Math.Min(lifetimes.End[i], lifetimes.StepCount) - (long)lifetimes.Start[i] + 1;

        long Sum(ReadOnlySpan<int> buffers)
        {
            long sum = 0;
            foreach (int buffer in buffers) sum += bytes[buffer];
            return sum;
        }
    }

    /// <summary>All buffers by a comparison; ties by start, then by number.</summary>
    private int[] Sorted(Comparison<int> comparison)
    {
        int[] order = Mapping.Positions(lifetimes.Count);
        Array.Sort(order, (a, b) => comparison(a, b) is var c and not 0 ? c : lifetimes.Start[a] != lifetimes.Start[b] ? lifetimes.Start[a].CompareTo(lifetimes.Start[b]) : a - b);
        return order;
    }

    /// <summary>Moves a buffer at the top of the arena to the front of the order, or swaps two buffers, and keeps what is not worse.</summary>
    private void Improve()
    {
        uint state = 0x9E3779B9;
        int[] order = [.. bestOrder];
        bool bestFit = Heuristic.EndsWith("best fit", StringComparison.Ordinal);
        while (budget > 0 && attempt < MaxAttempts && ArenaBytes > lowerBound && order.Length > 1)
        {
            int[] changed = [.. order];
            if (Draw(2) == 0)
            {
                int[] top = [.. Enumerable.Range(0, order.Length).Where(i => Offsets[order[i]] + lifetimes.Bytes[order[i]] == ArenaBytes)];
                int from = top[Draw(top.Length)], to = Draw(from + 1);
                int moved = changed[from];
                Array.Copy(changed, to, changed, to + 1, from - to);
                changed[to] = moved;
            }
            else
            {
                int a = Draw(order.Length), b = Draw(order.Length);
                (changed[a], changed[b]) = (changed[b], changed[a]);
            }
            if (Try("local search", changed, bestFit, acceptEqual: true)) order = changed;
        }

        int Draw(int below)
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            return (int)(state % (uint)below);
        }
    }

    /// <summary>Places all buffers in an order; keeps the result if the arena is smaller.</summary>
    private bool Try(string name, int[] order, bool bestFit, bool acceptEqual = false)
    {
        attempt++;
        long limit = acceptEqual || ArenaBytes == long.MaxValue ? ArenaBytes : ArenaBytes - 1, arena = 0;
        foreach (int buffer in order)
        {
            offsets[buffer] = FindGap(buffer, bestFit);
            placedIn[buffer] = attempt;
            arena = Math.Max(arena, offsets[buffer] + lifetimes.Bytes[buffer]);
            if (arena > limit) return false;
        }
        if (Heuristic.Length == 0 || arena < ArenaBytes) Heuristic = name;
        ArenaBytes = arena;
        Offsets = [.. offsets];
        bestOrder = order;
        return true;
    }

    private long FindGap(int buffer, bool bestFit)
    {
        ReadOnlySpan<int> neighbours = conflicts.Of(buffer);
        budget -= neighbours.Length + 1;
        if (gapStarts.Length < neighbours.Length) (gapStarts, gapEnds) = (new long[2 * neighbours.Length], new long[2 * neighbours.Length]);
        int count = 0;
        foreach (int neighbour in neighbours)
        {
            if (placedIn[neighbour] != attempt) continue;
            gapStarts[count] = offsets[neighbour];
            gapEnds[count++] = offsets[neighbour] + lifetimes.Bytes[neighbour];
        }
        SortGaps(count);
        long bytes = lifetimes.Bytes[buffer], offset = 0, best = -1, bestGap = long.MaxValue;
        for (int i = 0; i < count; i++)
        {
            long gap = gapStarts[i] - offset;
            if (gap >= bytes && gap < bestGap)
            {
                best = offset;
                bestGap = gap;
                if (!bestFit) break;
            }
            offset = Math.Max(offset, gapEnds[i]);
        }
        return best >= 0 ? best : offset;
    }

    /// <summary>Few as a rule: sorted as they come, without the library's generic code, which every process would have to compile.</summary>
    private void SortGaps(int count)
    {
        const int Few = 64;
        if (count > Few)
        {
            Array.Sort(gapStarts, gapEnds, 0, count);
            return;
        }
        for (int i = 1; i < count; i++)
        {
            (long start, long end) = (gapStarts[i], gapEnds[i]);
            int at = i;
            for (; at > 0 && gapStarts[at - 1] > start; at--) (gapStarts[at], gapEnds[at]) = (gapStarts[at - 1], gapEnds[at - 1]);
            (gapStarts[at], gapEnds[at]) = (start, end);
        }
    }
}
