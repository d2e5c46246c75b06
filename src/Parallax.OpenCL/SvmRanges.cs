namespace Parallax.OpenCL;

/// <summary>The shared allocations of a context, by address. Not thread-safe.</summary>
internal sealed class SvmRanges
{
    private readonly SortedList<nint, long> byteCounts = [];

    internal void Add(nint address, long byteCount) => byteCounts[address] = byteCount;

    internal void Remove(nint address) => byteCounts.Remove(address);

    /// <summary>Whether <paramref name="address"/> lies inside an allocation.</summary>
    internal bool Contains(nint address)
    {
        int low = 0, high = byteCounts.Count; // the last allocation that begins at or before the address is low - 1
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (byteCounts.GetKeyAtIndex(middle) <= address) low = middle + 1;
            else high = middle;
        }
        return low > 0 && address - byteCounts.GetKeyAtIndex(low - 1) < byteCounts.GetValueAtIndex(low - 1);
    }
}
