namespace Parallax.Runtime.Memory;

/// <summary>
/// What the runs of a session may take, for arenas and for values whose size is known only at run time: a number, or a share of the memory that is free at
/// the moment. Counts what runs hold; a run that must wait for another's memory waits. Thread-safe.
/// </summary>
/// <param name="fixedBytes">Null: <c>(1 - margin)</c> of the free memory.</param>
internal sealed class MemoryBudget(long? fixedBytes, double margin)
{
    private readonly Lock gate = new();
    private long held;
    private int runs, growing;
    private bool isExclusive;

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

    /// <summary>What is left of a fixed budget; null where it is none.</summary>
    internal long? Left
    {
        get
        {
            if (fixedBytes is not { } number) return null;
            lock (gate) return number - held;
        }
    }

    /// <summary>Takes what a run is known to need from a fixed budget; waits while other runs hold too much of it.</summary>
    /// <param name="exclusive">Whether no other run may hold anything meanwhile, because nobody knows what this one will need.</param>
    internal void Take(long bytes, bool exclusive, CancellationToken cancellation)
    {
        if (fixedBytes is not { } number) return;
        var spinner = new SpinWait();
        while (true)
        {
            lock (gate)
                if (runs == 0 || (!exclusive && !isExclusive && held + bytes <= number))
                {
                    held += bytes;
                    runs++;
                    isExclusive = exclusive;
                    return;
                }
            cancellation.ThrowIfCancellationRequested();
            spinner.SpinOnce();
        }
    }

    /// <summary>Ends what <see cref="Take"/> began.</summary>
    internal void GiveBack(long bytes)
    {
        if (fixedBytes is null) return;
        lock (gate)
        {
            held -= bytes;
            runs--;
            isExclusive = false;
        }
    }

    /// <summary>Refuses memory that is not there; nothing is counted where the budget is a number.</summary>
    /// <exception cref="MemoryBudgetException">Less is free.</exception>
    internal void CheckFree(long bytes)
    {
        if (fixedBytes is null && FreeMemory.Bytes() is var free && bytes > free)
            throw new MemoryBudgetException($"the run needs {bytes} bytes more for values whose size is known only at run time, {free} are free", bytes, free);
    }

    /// <summary>
    /// Takes bytes of a fixed budget that a run needs beyond what it took at its start. Waits for runs that will end; where none is left to wait for, there is
    /// not enough.
    /// </summary>
    /// <exception cref="MemoryBudgetException">The budget does not hold them.</exception>
    internal void Grow(long bytes, CancellationToken cancellation)
    {
        if (fixedBytes is not { } number || TryGrow(bytes, number)) return;
        lock (gate) growing++;
        try
        {
            var spinner = new SpinWait();
            while (!TryGrow(bytes, number))
            {
                lock (gate)
                    if (growing >= runs)
                        throw new MemoryBudgetException($"the run needs {bytes} bytes more, of the budget of {number} bytes {held} are taken", held + bytes, number);
                cancellation.ThrowIfCancellationRequested();
                spinner.SpinOnce();
            }
        }
        finally
        {
            lock (gate) growing--;
        }
    }

    /// <summary>Ends what <see cref="Grow"/> began.</summary>
    internal void Shrink(long bytes)
    {
        if (fixedBytes is null) return;
        lock (gate) held -= bytes;
    }

    private bool TryGrow(long bytes, long number)
    {
        lock (gate)
        {
            if (bytes > 0 && held + bytes > number) return false;
            held += bytes;
            return true;
        }
    }
}
