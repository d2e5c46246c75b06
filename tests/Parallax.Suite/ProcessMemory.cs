namespace Parallax.Suite;

/// <summary>What code takes of the process's memory.</summary>
public static class ProcessMemory
{
    /// <summary>
    /// The fewest managed bytes that a run allocates on this thread, of so many runs; ends at the first that allocates nothing. The runtime itself allocates now
    /// and then: the smallest of several samples is what a run needs.
    /// </summary>
    public static long LeastAllocated(int samples, Action run)
    {
        long least = long.MaxValue;
        for (int sample = 0; sample < samples && least > 0; sample++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            run();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }

    /// <summary>Resident bytes once what nobody needs was collected. Of all tests under way: for tests that run alone.</summary>
    public static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return Environment.WorkingSet;
    }
}
