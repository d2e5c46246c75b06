namespace Parallax.Planning;

/// <summary>
/// Offsets for problems with too many conflicts to list: an allocator that replays the linear order. Bytes are free again when nothing that may still
/// touch them can run any more.
/// </summary>
internal static class FreeListPlacer
{
    internal static (long[] Offsets, long ArenaBytes) Run(Lifetimes lifetimes)
    {
        int[] byStart = Mapping.Positions(lifetimes.Count);
        Array.Sort((int[])lifetimes.Start.Clone(), byStart);
        var offsets = new long[lifetimes.Count];
        var live = new PriorityQueue<int, int>();
        var free = new FreeList();
        foreach (int buffer in byStart)
        {
            while (live.TryPeek(out int done, out int end) && end < lifetimes.Start[buffer])
            {
                live.Dequeue();
                free.Release(offsets[done], lifetimes.Bytes[done]);
            }
            offsets[buffer] = free.Take(lifetimes.Bytes[buffer]);
            live.Enqueue(buffer, lifetimes.LatestEnd[buffer]);
        }
        return (offsets, free.ArenaBytes);
    }

    /// <summary>Free blocks, merged with their neighbours; the tightest is taken first.</summary>
    private sealed class FreeList
    {
        private readonly SortedSet<(long Bytes, long Offset)> bySize = [];
        private readonly Dictionary<long, long> byOffset = [], byEnd = []; // offset to bytes, end to bytes

        internal long ArenaBytes { get; private set; }

        internal long Take(long bytes)
        {
            var fits = bySize.GetViewBetween((bytes, 0), (long.MaxValue, 0));
            if (fits.Count > 0)
            {
                (long blockBytes, long offset) = fits.Min;
                Remove(offset, blockBytes);
                if (blockBytes > bytes) Add(offset + bytes, blockBytes - bytes);
                return offset;
            }
            long start = ArenaBytes;
            if (byEnd.TryGetValue(ArenaBytes, out long tail)) Remove(start = ArenaBytes - tail, tail);
            ArenaBytes = start + bytes;
            return start;
        }

        internal void Release(long offset, long bytes)
        {
            if (byEnd.TryGetValue(offset, out long before))
            {
                Remove(offset - before, before);
                (offset, bytes) = (offset - before, bytes + before);
            }
            if (byOffset.TryGetValue(offset + bytes, out long after))
            {
                Remove(offset + bytes, after);
                bytes += after;
            }
            Add(offset, bytes);
        }

        private void Add(long offset, long bytes)
        {
            bySize.Add((bytes, offset));
            byOffset[offset] = bytes;
            byEnd[offset + bytes] = bytes;
        }

        private void Remove(long offset, long bytes)
        {
            bySize.Remove((bytes, offset));
            byOffset.Remove(offset);
            byEnd.Remove(offset + bytes);
        }
    }
}
