namespace Parallax.Kernels.Text;

/// <summary>Counts the n-grams of a pool in lists of items; built once, read by many threads.</summary>
/// <typeparam name="T">An item: an integer or a word.</typeparam>
public sealed class NgramCounter<T> where T : notnull
{
    private sealed class Branch
    {
        internal Dictionary<T, Branch> Next { get; } = [];

        /// <summary>The output place of the n-gram that ends here; negative where none does.</summary>
        internal long Place { get; set; } = -1;
    }

    private readonly Branch root = new();
    private readonly int minLength, maxLength, maxSkip;

    /// <param name="starts">Per n-gram length, from 1 on, where its n-grams start in the pool.</param>
    /// <param name="places">Per n-gram of the pool, its output place.</param>
    public NgramCounter(ReadOnlySpan<T> pool, ReadOnlySpan<long> starts, ReadOnlySpan<long> places, int minLength, int maxLength, int maxSkip)
    {
        (this.minLength, this.maxLength, this.maxSkip) = (minLength, maxLength, maxSkip);
        int ngram = 0;
        for (int length = 1; length <= starts.Length; length++)
        {
            long end = length < starts.Length ? starts[length] : pool.Length;
            if (starts[length - 1] < 0 || end > pool.Length || starts[length - 1] > end) throw new InvalidModelException($"ngram_counts {Shape.ToString(starts)} does not fit a pool of {pool.Length}");
            for (long at = starts[length - 1]; at + length <= end; at += length, ngram++)
                if (length >= minLength && length <= maxLength) Add(pool.Slice((int)at, length), places[ngram]);
        }
    }

    /// <summary>Adds one to the place of every n-gram found in <paramref name="items"/>, whose members may lie up to the allowed skip apart.</summary>
    public void Count(ReadOnlySpan<T> items, Span<float> counts)
    {
        int shortest = minLength;
        for (int step = 1; step <= maxSkip + 1; step++)
        {
            for (int start = 0; start + (long)step * (shortest - 1) < items.Length; start++) CountFrom(items, start, step, shortest, counts);
            // A skip makes no difference to a single item: those are counted once.
            if (shortest == 1 && ++shortest > maxLength) break;
        }
    }

    private void CountFrom(ReadOnlySpan<T> items, int start, int step, int shortest, Span<float> counts)
    {
        Branch branch = root;
        for (long at = start, length = 1; length <= maxLength && at < items.Length; at += step, length++)
        {
            if (!branch.Next.TryGetValue(items[(int)at], out Branch? next)) return;
            branch = next;
            if (length >= shortest && branch.Place >= 0) counts[(int)branch.Place]++;
        }
    }

    private void Add(ReadOnlySpan<T> ngram, long place)
    {
        Branch branch = root;
        foreach (T item in ngram)
        {
            if (!branch.Next.TryGetValue(item, out Branch? next)) branch.Next[item] = next = new Branch();
            branch = next;
        }
        branch.Place = place;
    }
}
