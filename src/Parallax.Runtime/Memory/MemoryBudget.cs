namespace Parallax.Runtime.Memory;

/// <summary>
/// What the arenas of a session may take: a number, or a share of the memory that is free at the moment. Counts what runs hold; a run that must wait for
/// another's memory waits. Thread-safe.
/// </summary>
/// <param name="fixedBytes">Null: <c>(1 - margin)</c> of the free memory.</param>
internal sealed class MemoryBudget(long? fixedBytes, double margin)
{
    private readonly Lock gate = new();
    private long held;

    /// <summary>What one more arena should take at most now.</summary>
    /// <param name="reusable">Bytes of idle arenas, which a new one may replace: they count as free, so that they are given back as memory gets scarce.</param>
    internal long Room(long reusable) => fixedBytes ?? (long)((1 - margin) * HardRoom(reusable));

    /// <summary>What one more arena can take at all: the number, or everything that is free.</summary>
    internal long HardRoom(long reusable)
    {
        if (fixedBytes is { } number) return number;
        long free = FreeMemory.Bytes();
        return free > long.MaxValue - reusable ? free : free + reusable;
    }

    /// <summary>Takes the bytes of an arena from a fixed budget; waits while other runs hold too much of it.</summary>
    /// <param name="mayWait">False for a run inside of another, which would wait for itself.</param>
    internal void Take(long bytes, bool mayWait, CancellationToken cancellation)
    {
        if (fixedBytes is not { } number) return;
        var spinner = new SpinWait();
        while (true)
        {
            lock (gate)
                if (!mayWait || held == 0 || held + bytes <= number)
                {
                    held += bytes;
                    return;
                }
            cancellation.ThrowIfCancellationRequested();
            spinner.SpinOnce();
        }
    }

    internal void GiveBack(long bytes)
    {
        if (fixedBytes is null) return;
        lock (gate) held -= bytes;
    }
}
