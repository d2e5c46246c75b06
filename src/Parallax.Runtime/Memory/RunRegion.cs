using System.Numerics;
using System.Runtime.InteropServices;

namespace Parallax.Runtime.Memory;

/// <summary>
/// The memory of one run, its loop bodies included, for values whose size is known only when they are there: a bump pointer in reserved address space that is
/// committed as it grows, and lists of free blocks by size. A block is freed when its last holder lets it go, and all of them when the run ends; what the
/// run used is then kept for the next one up to a limit. Where the reserved space does not suffice, blocks are allocated one by one. Thread-safe.
/// </summary>
internal sealed unsafe class RunRegion
{
    private const long ReservedBytes = 1L << 36, LeastReservedBytes = 1L << 28, CommitStep = 1 << 20;

    /// <summary>So much of a region stays committed between runs, and so many regions are kept.</summary>
    private const long KeptBytes = 32 << 20;
    private const int MaxIdle = 8;

    /// <summary>Sizes of blocks: four to each power of two, so that at most a fifth of a block is waste.</summary>
    private const int ClassesPerDouble = 4, SmallestLog = 6, ClassCount = (64 - SmallestLog) * ClassesPerDouble;

    private static readonly Stack<RunRegion> Idle = new();

    private readonly Lock gate = new();
    private readonly Stack<long>?[] free = new Stack<long>?[ClassCount];
    private readonly HashSet<RunBlock> separate = [];
    private readonly nint start;
    private readonly long reserved;
    private long committed, top, live, separateBytes, arenaBytes, peak, prepaid, granted;
    private int run;
    private MemoryBudget? budget;
    private CancellationToken cancellation;

    internal RunRegion(long reservedBytes = ReservedBytes)
    {
        for (reserved = reservedBytes; reserved >= LeastReservedBytes; reserved /= 4)
            if ((start = AddressSpace.Reserve(reserved)) != 0) return;
        reserved = 0;
    }

    ~RunRegion()
    {
        if (start != 0) AddressSpace.Free(start, reserved);
    }

    /// <summary>Counts runs: blocks of a run that is over are dead, whoever still knows them.</summary>
    internal int RunNumber => Volatile.Read(ref run);

    /// <summary>Bytes of the blocks that are held now.</summary>
    internal long LiveBytes => Interlocked.Read(ref live);

    /// <summary>The most bytes that the blocks of this run, free ones between them included, and the arenas of its bodies took at once.</summary>
    internal long PeakBytes
    {
        get
        {
            lock (gate) return peak;
        }
    }

    internal long CommittedBytes
    {
        get
        {
            lock (gate) return committed;
        }
    }

    /// <summary>Begins a run.</summary>
    /// <param name="budget">What the region grows under.</param>
    /// <param name="prepaid">Bytes that the run took from the budget for its region beforehand.</param>
    /// <param name="cancellation">Ends a wait for the memory of other runs.</param>
    internal static RunRegion Rent(MemoryBudget budget, long prepaid, CancellationToken cancellation)
    {
        RunRegion? region;
        lock (Idle) Idle.TryPop(out region);
        region ??= new RunRegion();
        region.Begin(budget, prepaid, cancellation);
        return region;
    }

    /// <summary>Ends the run.</summary>
    internal static void Return(RunRegion region)
    {
        region.Reset();
        lock (Idle)
            if (Idle.Count < MaxIdle) Idle.Push(region);
    }

    internal Tensor Allocate(DType type, ReadOnlySpan<long> dims) =>
        type == DType.String ? Tensor.Allocate(type, dims) : new Tensor(type, dims, Allocate(type.ByteCount(Shape.Count(dims))));

    /// <summary>A block with one holder, undefined contents, 64-byte aligned.</summary>
    internal RunBlock Allocate(long bytes)
    {
        int sizeClass = ClassOf(Math.Max(bytes, 1 << SmallestLog), out long size);
        lock (gate)
        {
            RunBlock block;
            if (free[sizeClass] is { } list && list.TryPop(out long offset)) block = new RunBlock(this, start + (nint)offset, bytes, run);
            else
            {
                Grant(size);
                if (top + size <= reserved && TryCommit(top + size))
                {
                    block = new RunBlock(this, start + (nint)top, bytes, run);
                    top += size;
                }
                else
                {
                    block = new RunBlock(this, (nint)NativeMemory.AlignedAlloc((nuint)size, Storage.Alignment), bytes, run);
                    separate.Add(block);
                    separateBytes += size;
                }
            }
            live += size;
            return block;
        }
    }

    internal void Free(RunBlock block, nint address)
    {
        int sizeClass = ClassOf(Math.Max(block.ByteCount, 1 << SmallestLog), out long size);
        lock (gate)
        {
            if (block.RunNumber != run) return;
            live -= size;
            if (separate.Count > 0 && separate.Remove(block))
            {
                NativeMemory.AlignedFree((void*)address);
                separateBytes -= size;
                return;
            }
            long offset = address - start;
            if (offset + size == top) top = offset;
            else (free[sizeClass] ??= new Stack<long>()).Push(offset);
        }
    }

    /// <summary>The class of a size, and the size of its blocks: a multiple of 64 bytes.</summary>
    internal static int ClassOf(long bytes, out long size)
    {
        int log = BitOperations.Log2((ulong)(bytes - 1) | 1) - 2; // 5..8 times 2^log hold bytes
        log = Math.Max(log, SmallestLog);
        long steps = (bytes + (1L << log) - 1) >> log;
        size = steps << log;
        return log == SmallestLog ? (int)steps : (log - SmallestLog) * ClassesPerDouble + (int)steps;
    }

    /// <summary>What the arena of a body may take at most now.</summary>
    /// <param name="reusable">As for <see cref="MemoryBudget.Room"/>.</param>
    internal long RoomForArena(long reusable)
    {
        lock (gate) return budget!.Left is { } left ? left + granted - InUse : budget.Room(reusable);
    }

    /// <summary>The arena of a body counts with the run around it.</summary>
    internal void TakeArena(long bytes)
    {
        lock (gate)
        {
            Grant(bytes);
            arenaBytes += bytes;
        }
    }

    internal void GiveBackArena(long bytes)
    {
        lock (gate) arenaBytes -= bytes;
    }

    private long InUse => top + separateBytes + arenaBytes;

    private void Begin(MemoryBudget newBudget, long newPrepaid, CancellationToken newCancellation)
    {
        lock (gate)
        {
            (budget, prepaid, cancellation) = (newBudget, newPrepaid, newCancellation);
            granted = newPrepaid;
        }
    }

    /// <summary>Before so many bytes more are in use: asks the budget for what goes beyond everything that this run had at once so far.</summary>
    private void Grant(long more)
    {
        long bytes = InUse + more;
        if (budget is not null && bytes > granted)
        {
            budget.Grow(bytes - granted, cancellation);
            granted = bytes;
        }
        peak = Math.Max(peak, bytes);
    }

    private bool TryCommit(long end)
    {
        if (end <= committed) return true;
        long wanted = Math.Min(reserved, (Math.Max(end, committed + committed / 4) + CommitStep - 1) / CommitStep * CommitStep);
        budget?.CheckFree(wanted - committed);
        if (!AddressSpace.Commit(start + (nint)committed, wanted - committed)) return false;
        committed = wanted;
        return true;
    }

    /// <summary>Makes every block dead, and gives memory above the limit back to the system.</summary>
    internal void Reset()
    {
        lock (gate)
        {
            run++;
            foreach (RunBlock block in separate) NativeMemory.AlignedFree((void*)block.Start);
            separate.Clear();
            foreach (Stack<long>? list in free) list?.Clear();
            budget?.Shrink(granted - prepaid);
            (budget, cancellation) = (null, default);
            top = live = separateBytes = arenaBytes = peak = granted = prepaid = 0;
            if (committed <= KeptBytes) return;
            AddressSpace.Decommit(start + (nint)KeptBytes, committed - KeptBytes);
            committed = KeptBytes;
        }
    }
}

/// <summary>
/// Bytes of a run's region. Whoever stores a tensor over them holds them; views share them. They are freed when the last holder lets go, and may not be
/// touched after that, nor after the run.
/// </summary>
internal sealed unsafe class RunBlock(RunRegion region, nint start, long byteCount, int runNumber) : Storage
{
    private int holders = 1;

    internal nint Start => start;

    internal int RunNumber => runNumber;

    public override nint Address => Volatile.Read(ref holders) > 0 && runNumber == region.RunNumber
        ? start
        : throw new ObjectDisposedException(nameof(RunBlock), "the value's memory was given back to its run");

    public override long ByteCount => byteCount;

    public override Span<byte> Slice(long offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, byteCount);
        return new Span<byte>((byte*)Address + offset, count);
    }

    internal void Hold()
    {
        if (Interlocked.Increment(ref holders) <= 1) throw new ObjectDisposedException(nameof(RunBlock), "the value's memory was given back to its run");
    }

    internal void LetGo()
    {
        if (Interlocked.Decrement(ref holders) == 0) region.Free(this, start);
    }
}
