using System.Runtime.InteropServices;
using Parallax.Kernels;

namespace Parallax.Runtime.Execution;

/// <summary>One kernel run that workers may help with. Owned by the caller of <see cref="WorkerPool.Run"/>, reused from run to run.</summary>
internal sealed class BlockJob
{
    internal Kernel Kernel = null!;
    internal KernelArgs Args;
    internal int Phase, BlockCount, MaxHelpers;

    /// <summary>Index of the next block that nobody has taken.</summary>
    internal int NextBlock;

    /// <summary>1 while workers may join. A worker counts itself in <see cref="Helpers"/> first and looks here second, so that after closing
    /// the job the owner only has to wait for the count to fall to 0.</summary>
    internal int Open;

    internal int Helpers;
    internal Exception? Error;
}

/// <summary>
/// The threads of the process that help callers run blocks of kernels. A worker without work spins for some microseconds and then sleeps:
/// an idle process uses no CPU. Sessions share the pool; a session's own limit bounds how many workers help one of its runs.
/// </summary>
internal sealed unsafe class WorkerPool
{
    private const int MaxJobs = 64, SpinsBeforeSleep = 1500;

    private readonly BlockJob?[] jobs = new BlockJob?[MaxJobs];
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
            new Thread(WorkLoop, maxStackSize: 1 << 20) { IsBackground = true, Name = $"Parallax worker {have + 1}" }.Start();
        }
    }

    /// <summary>Runs all blocks of all phases on the calling thread and up to <paramref name="maxWorkers"/> - 1 helpers; rethrows what a block throws.</summary>
    internal void Run(Kernel kernel, in KernelArgs args, int maxWorkers, BlockJob job)
    {
        for (int phase = 0; phase < kernel.PhaseCount; phase++)
        {
            int blocks = kernel.BlockCount(phase);
            if (blocks == 0) continue;
            if (blocks == 1 || maxWorkers <= 1)
            {
                KernelArgs own = new(args, WorkerScratchFor(kernel.WorkerScratchBytes));
                for (int block = 0; block < blocks; block++) kernel.RunBlock(phase, block, own);
            }
            else RunShared(kernel, args, phase, blocks, maxWorkers, job);
        }
    }

    private void RunShared(Kernel kernel, in KernelArgs args, int phase, int blocks, int maxWorkers, BlockJob job)
    {
        job.Kernel = kernel;
        job.Args = args;
        job.Phase = phase;
        job.BlockCount = blocks;
        job.MaxHelpers = Math.Min(maxWorkers, blocks) - 1;
        job.NextBlock = 0;
        job.Error = null;
        Volatile.Write(ref job.Open, 1);
        int slot = Publish(job);
        Help(job);
        // A full fence: the count below must not be read before helpers can see that the job is closed.
        Interlocked.Exchange(ref job.Open, 0);
        if (slot >= 0) Volatile.Write(ref jobs[slot], null);
        var spinner = new SpinWait();
        while (Volatile.Read(ref job.Helpers) != 0) spinner.SpinOnce(sleep1Threshold: -1);
        if (job.Error is { } error) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(error);
    }

    private int Publish(BlockJob job)
    {
        for (int i = 0; i < MaxJobs; i++)
            if (Volatile.Read(ref jobs[i]) is null && Interlocked.CompareExchange(ref jobs[i], job, null) is null)
            {
                int wanted = Math.Min(job.MaxHelpers, Volatile.Read(ref sleepers));
                if (wanted > 0) wake.Release(wanted);
                return i;
            }
        return -1; // so many jobs at once that every core has work: the caller does this one alone
    }

    /// <summary>Takes blocks until none is left.</summary>
    private static void Help(BlockJob job)
    {
        KernelArgs own = new(job.Args, WorkerScratchFor(job.Kernel.WorkerScratchBytes));
        try
        {
            while (true)
            {
                int block = Interlocked.Increment(ref job.NextBlock) - 1;
                if (block >= job.BlockCount) return;
                job.Kernel.RunBlock(job.Phase, block, own);
            }
        }
        catch (Exception e)
        {
            job.Error = e;
            Volatile.Write(ref job.NextBlock, job.BlockCount);
        }
    }

    private void WorkLoop()
    {
        int spins = 0;
        while (true)
        {
            if (TryHelpAny())
            {
                spins = 0;
                continue;
            }
            if (++spins < SpinsBeforeSleep)
            {
                Thread.SpinWait(20);
                continue;
            }
            Interlocked.Increment(ref sleepers);
            // A job published between the last look and the count above did not see this sleeper.
            if (!TryHelpAny()) wake.Wait();
            Interlocked.Decrement(ref sleepers);
            spins = 0;
        }
    }

    private bool TryHelpAny()
    {
        for (int i = 0; i < MaxJobs; i++)
        {
            if (Volatile.Read(ref jobs[i]) is not { } job || Volatile.Read(ref job.Open) == 0) continue;
            int helpers = Interlocked.Increment(ref job.Helpers);
            bool helped = Volatile.Read(ref job.Open) == 1 && helpers <= job.MaxHelpers && Volatile.Read(ref job.NextBlock) < job.BlockCount;
            if (helped) Help(job);
            Interlocked.Decrement(ref job.Helpers);
            if (helped) return true;
        }
        return false;
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
