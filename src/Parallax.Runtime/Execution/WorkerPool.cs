using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Parallax.Kernels;

namespace Parallax.Runtime.Execution;

/// <summary>
/// Work that helpers may join while its owner has it open. A helper counts itself first and looks at <see cref="IsOpen"/> second; the owner
/// closes first and waits for the count to fall to 0 second: after that no helper touches the job.
/// </summary>
internal abstract class PoolJob
{
    private int open, helpers;

    /// <summary>So many helpers at most work on the job at once.</summary>
    internal int MaxHelpers { get; set; }

    internal bool IsOpen => Volatile.Read(ref open) != 0;

    /// <summary>Whether there is something to do for one more helper; a hint, read without locks.</summary>
    internal abstract bool HasWork { get; }

    /// <summary>Whether the work never waits for other jobs, so that one who waits may do it in between.</summary>
    internal abstract bool IsLeaf { get; }

    /// <summary>Works until nothing is left to take. Must not throw.</summary>
    internal abstract void Help();

    internal void OpenUp() => Volatile.Write(ref open, 1);

    /// <summary>Closes the job and waits for its helpers to leave.</summary>
    internal void Close()
    {
        // A full fence: the count must not be read before helpers can see that the job is closed.
        Interlocked.Exchange(ref open, 0);
        var spinner = new SpinWait();
        while (Volatile.Read(ref helpers) != 0) spinner.SpinOnce(sleep1Threshold: -1);
    }

    internal bool TryHelp()
    {
        if (!IsOpen || !HasWork) return false;
        bool joined = Interlocked.Increment(ref helpers) <= MaxHelpers && IsOpen && HasWork;
        if (joined) Help();
        Interlocked.Decrement(ref helpers);
        return joined;
    }
}

/// <summary>
/// The blocks of one phase of a kernel. Each of those who work on it begins with a range of neighbouring blocks, which often read neighbouring memory, and goes on with what the others have
/// left. Belongs to whoever runs the kernel, and is reused from kernel to kernel.
/// </summary>
internal sealed class BlockJob : PoolJob
{
    private Range[] ranges = [];
    private Kernel kernel = null!;
    private KernelArgs args;
    private int phase, rangeCount, joined;
    private Exception? error;

    internal override bool HasWork
    {
        get
        {
            // Read without locks, perhaps while the next phase is made ready.
            Range[] all = ranges;
            for (int i = 0; i < Math.Min(rangeCount, all.Length); i++)
                if (all[i].HasWork) return true;
            return false;
        }
    }

    internal override bool IsLeaf => true;

    internal void Start(Kernel newKernel, in KernelArgs newArgs, int newPhase, int blocks, int workers)
    {
        kernel = newKernel;
        args = newArgs;
        phase = newPhase;
        error = null;
        joined = 0;
        MaxHelpers = workers - 1;
        if (ranges.Length < workers) ranges = new Range[workers];
        rangeCount = workers;
        for (int i = 0; i < workers; i++) ranges[i] = new Range { Next = (int)((long)i * blocks / workers), End = (int)((long)(i + 1) * blocks / workers) };
    }

    internal override unsafe void Help()
    {
        KernelArgs own = new(args, WorkerPool.WorkerScratchFor(kernel.WorkerScratchBytes));
        // Who joins after another has left may find its range empty.
        int first = (Interlocked.Increment(ref joined) - 1) % rangeCount;
        try
        {
            for (int i = 0; i < rangeCount; i++)
                while (ranges[(first + i) % rangeCount].TryTake(out int block))
                    kernel.RunBlock(phase, block, own);
        }
        catch (Exception e)
        {
            error = e;
            for (int i = 0; i < rangeCount; i++) ranges[i].Close();
        }
    }

    internal void ThrowIfFailed()
    {
        if (error is not null) ExceptionDispatchInfo.Throw(error);
    }

    /// <summary>Blocks that are left of a range; a cache line of its own.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 2 * 64)]
    private struct Range
    {
        [FieldOffset(0)] internal int Next;
        [FieldOffset(4)] internal int End;

        internal bool HasWork => Volatile.Read(ref Next) < End;

        internal bool TryTake(out int block)
        {
            block = 0;
            return HasWork && (block = Interlocked.Increment(ref Next) - 1) < End;
        }

        internal void Close() => Volatile.Write(ref Next, End);
    }
}

/// <summary>
/// The threads of the process that help callers. A worker without work spins for some microseconds and then sleeps: an idle process uses no CPU. One whose core others use stays away for a while (<see cref="ProcessorShare"/>).
/// Sessions share the pool; a session's own limit bounds how many workers help one of its runs.
/// </summary>
internal sealed unsafe class WorkerPool
{
    private const int MaxJobs = 64, SpinsBeforeSleep = 1500;

    private readonly PoolJob?[] jobs = new PoolJob?[MaxJobs];
    private readonly SemaphoreSlim wake = new(0);
    private int sleepers, threadCount;

    [ThreadStatic]
    private static WorkerScratch? scratch;

    internal static WorkerPool Shared { get; } = new();

    /// <summary>Makes sure that at least so many workers exist beside the calling threads.</summary>
    internal void EnsureWorkers(int count)
    {
        while (true)
        {
            int have = Volatile.Read(ref threadCount);
            if (have >= count) return;
            if (Interlocked.CompareExchange(ref threadCount, have + 1, have) != have) continue;
            new Thread(WorkLoop, maxStackSize: 4 << 20) { IsBackground = true, Name = $"Parallax worker {have + 1}" }.Start();
        }
    }

    /// <summary>Runs all blocks of all phases on the calling thread and up to <paramref name="maxWorkers"/> - 1 helpers; rethrows what a block throws.</summary>
    internal void Run(Kernel kernel, in KernelArgs args, int maxWorkers, BlockJob job)
    {
        for (int phase = 0; phase < kernel.PhaseCount; phase++)
        {
            int blocks = kernel.BlockCount(phase);
            if (blocks == 1 || maxWorkers <= 1)
            {
                KernelArgs own = new(args, WorkerScratchFor(kernel.WorkerScratchBytes));
                for (int block = 0; block < blocks; block++) kernel.RunBlock(phase, block, own);
            }
            else if (blocks > 0)
            {
                job.Start(kernel, args, phase, blocks, Math.Min(maxWorkers, blocks));
                int slot = Publish(job);
                job.Help();
                Withdraw(job, slot);
                job.ThrowIfFailed();
            }
        }
    }

    /// <summary>Opens a job to helpers and wakes as many as it can use. Returns what <see cref="Withdraw"/> wants.</summary>
    internal int Publish(PoolJob job)
    {
        job.OpenUp();
        for (int i = 0; i < MaxJobs; i++)
            if (Volatile.Read(ref jobs[i]) is null && Interlocked.CompareExchange(ref jobs[i], job, null) is null)
            {
                Wake(job.MaxHelpers);
                return i;
            }
        return -1; // so many jobs at once that every core has work: the owner does this one alone
    }

    internal void Withdraw(PoolJob job, int slot)
    {
        if (slot >= 0) Volatile.Write(ref jobs[slot], null);
        job.Close();
    }

    /// <summary>Wakes up to so many sleeping workers.</summary>
    internal void Wake(int count)
    {
        int wanted = Math.Min(count, Volatile.Read(ref sleepers));
        if (wanted > 0) wake.Release(wanted);
    }

    /// <summary>Does some of the work that is open; false where there is none.</summary>
    /// <param name="leafOnly">For one who waits: only work that never waits itself.</param>
    internal bool TryHelpAny(bool leafOnly)
    {
        for (int i = 0; i < MaxJobs; i++)
            if (Volatile.Read(ref jobs[i]) is { } job && (!leafOnly || job.IsLeaf) && job.TryHelp()) return true;
        return false;
    }

    private void WorkLoop()
    {
        int spins = 0;
        var share = new ProcessorShare(ProcessorShare.OfThisThread, Now());
        while (true)
        {
            if (TryHelpAny(leafOnly: false))
            {
                spins = 0;
                if (share.PauseAt(Now()) is { Ticks: > 0 } pause)
                {
                    Thread.Sleep(pause);
                    share.Wakes(Now());
                }
                continue;
            }
            if (++spins < SpinsBeforeSleep)
            {
                Thread.SpinWait(20);
                continue;
            }
            share.Sleeps(Now());
            Interlocked.Increment(ref sleepers);
            // A job published between the last look and the count above did not see this sleeper.
            if (!TryHelpAny(leafOnly: false)) wake.Wait();
            Interlocked.Decrement(ref sleepers);
            share.Wakes(Now());
            spins = 0;
        }

        static TimeSpan Now() => Stopwatch.GetElapsedTime(0);
    }

    internal static byte* WorkerScratchFor(long bytes)
    {
        if (bytes == 0) return null;
        scratch ??= new WorkerScratch();
        return scratch.Reserve(bytes);
    }

    /// <summary>The scratch memory of one thread; freed when the thread is gone.</summary>
    private sealed class WorkerScratch
    {
        private void* memory;
        private long size;

        ~WorkerScratch() => NativeMemory.AlignedFree(memory);

        internal byte* Reserve(long bytes)
        {
            if (bytes > size)
            {
                NativeMemory.AlignedFree(memory);
                memory = null;
                memory = NativeMemory.AlignedAlloc((nuint)bytes, Storage.Alignment);
                size = bytes;
            }
            return (byte*)memory;
        }
    }
}
