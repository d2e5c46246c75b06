using System.Runtime.ExceptionServices;

namespace Parallax.Runtime.Execution;

/// <summary>
/// Runs the branches of a plan: a branch is ready when its predecessors and control edges are done, ready ones start in order of priority, at most as
/// many at once as the memory plan allows. The caller and helpers take branches until none is left; one who finds none ready helps with blocks of kernels.
/// </summary>
internal sealed class BranchRun(RunState run) : PoolJob
{
    private readonly Lock gate = new();
    private readonly BranchTable table = run.Branches;
    private readonly PriorityQueue<int, int> ready = new();
    private readonly int[] waiting = new int[run.Branches.Count];
    private readonly Stack<Lane> lanes = [];
    private int readyCount, running, remaining;
    private Exception? error;

    /// <summary>Branches that run at this moment.</summary>
    internal int Running => Volatile.Read(ref running);

    internal override bool HasWork => Volatile.Read(ref readyCount) > 0;

    internal override bool IsLeaf => false;

    internal void Run(WorkerPool pool)
    {
        Begin();
        int slot = pool.Publish(this);
        var spinner = new SpinWait();
        while (Volatile.Read(ref remaining) > 0)
        {
            if (TryTake(out int branch, out Lane? lane)) RunBranch(branch, lane);
            else if (!pool.TryHelpAny(leafOnly: true))
            {
                if (Volatile.Read(ref running) == 0 && Volatile.Read(ref error) is not null) break;
                spinner.SpinOnce(sleep1Threshold: -1);
                continue;
            }
            spinner.Reset();
        }
        pool.Withdraw(this, slot);
        if (error is { } failure) ExceptionDispatchInfo.Throw(failure);
    }

    internal override void Help()
    {
        while (TryTake(out int branch, out Lane? lane)) RunBranch(branch, lane);
    }

    private void Begin()
    {
        error = null;
        running = 0;
        ready.Clear();
        while (lanes.Count < table.Width) lanes.Push(new Lane());
        table.Waiting.CopyTo(waiting, 0);
        for (int branch = 0; branch < waiting.Length; branch++)
            if (waiting[branch] == 0) ready.Enqueue(branch, table.Priority[branch]);
        readyCount = Math.Min(ready.Count, table.Width);
        MaxHelpers = Math.Min(run.Workers, table.Width) - 1;
        remaining = waiting.Length;
    }

    private bool TryTake(out int branch, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Lane? lane)
    {
        lock (gate)
        {
            lane = null;
            branch = -1;
            if (error is not null || lanes.Count == 0 || !ready.TryDequeue(out branch, out _)) return false;
            lane = lanes.Pop();
            running++;
            readyCount = Math.Min(ready.Count, lanes.Count);
            return true;
        }
    }

    private void RunBranch(int branch, Lane lane)
    {
        Exception? failure = null;
        try
        {
            run.RunBranch(branch, lane, table.MaxWorkers[branch]);
        }
        catch (Exception e)
        {
            failure = e;
        }
        int more;
        lock (gate)
        {
            error ??= failure;
            lanes.Push(lane);
            running--;
            remaining--;
            if (failure is null)
                foreach (int successor in table.Successors[branch])
                    if (--waiting[successor] == 0) ready.Enqueue(successor, table.Priority[successor]);
            readyCount = more = error is null ? Math.Min(ready.Count, lanes.Count) : 0;
        }
        if (more > 1) run.Pool.Wake(more - 1);
    }
}

/// <summary>What a worker needs to itself while it runs a branch: a job to share blocks through, and scratch for kernels prepared at run time.</summary>
internal sealed class Lane : IDisposable
{
    private Memory.NativeStorage? scratch;

    internal BlockJob Job { get; } = new();

    internal unsafe byte* Scratch(long bytes)
    {
        if (bytes == 0) return null;
        if (bytes > (scratch?.ByteCount ?? 0))
        {
            scratch?.Dispose();
            scratch = new Memory.NativeStorage(bytes);
        }
        return (byte*)scratch!.Address;
    }

    public void Dispose() => scratch?.Dispose();
}
