namespace Parallax.Planning;

/// <summary>Bytes that no plan can go below.</summary>
internal static class LowerBound
{
    /// <summary>Buffers from which a heavy set is grown.</summary>
    private const int Seeds = 16;

    /// <summary>The peak of live bytes when the branches run in the linear order, which every plan must allow.</summary>
    internal static long PeakBytes(Lifetimes lifetimes)
    {
        var live = new long[lifetimes.StepCount + 2];
        for (int i = 0; i < lifetimes.Count; i++)
        {
            live[Math.Max(0, lifetimes.Start[i])] += lifetimes.Bytes[i];
            live[lifetimes.End[i] == int.MaxValue ? lifetimes.StepCount + 1 : lifetimes.End[i] + 1] -= lifetimes.Bytes[i];
        }
        return Peak(live);
    }

    /// <summary>The most that is live at any step.</summary>
    /// <param name="live">By step, by how many bytes more is live there than at the step before; then what is live.</param>
    internal static long Peak(long[] live)
    {
        long peak = live[0];
        for (int step = 1; step < live.Length; step++) peak = Math.Max(peak, live[step] += live[step - 1]);
        return peak;
    }

    /// <summary>The weight of the heaviest set found of buffers that conflict in pairs: no two of them may share a byte.</summary>
    /// <param name="atLeast">A bound that is known already.</param>
    internal static long HeaviestClique(Lifetimes lifetimes, Conflicts conflicts, long atLeast)
    {
        long[] weight = new long[lifetimes.Count];
        for (int i = 0; i < weight.Length; i++)
        {
            weight[i] = lifetimes.Bytes[i];
            foreach (int neighbour in conflicts.Of(i)) weight[i] += lifetimes.Bytes[neighbour];
        }
        long best = atLeast;
        int[] heaviest = Mapping.Positions(weight.Length);
        Array.Sort(heaviest, (a, b) => weight[b] != weight[a] ? weight[b].CompareTo(weight[a]) : a - b);
        foreach (int seed in heaviest.AsSpan(0, Math.Min(Seeds, heaviest.Length)))
            if (weight[seed] > best) best = Math.Max(best, Grow(lifetimes, conflicts, seed));
        return best;
    }

    private static long Grow(Lifetimes lifetimes, Conflicts conflicts, int seed)
    {
        int[] candidates = conflicts.Of(seed).ToArray();
        Array.Sort(candidates, (a, b) => lifetimes.Bytes[b] != lifetimes.Bytes[a] ? lifetimes.Bytes[b].CompareTo(lifetimes.Bytes[a]) : a - b);
        var members = new List<int> { seed };
        long weight = lifetimes.Bytes[seed];
        foreach (int candidate in candidates.Take(4096))
        {
            if (!members.TrueForAll(m => lifetimes.Conflict(m, candidate))) continue;
            members.Add(candidate);
            weight += lifetimes.Bytes[candidate];
        }
        return weight;
    }
}
