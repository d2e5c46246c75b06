using System.Runtime.ExceptionServices;

namespace Parallax.Runtime.Execution;

/// <summary>
/// Runs the branches of a plan: a branch is ready when its predecessors and control edges are done, ready ones start in order of priority, on the CPU at most as
/// many at once as the memory plan allows. The caller and helpers take branches until none is left; one who finds none ready helps with blocks of kernels.
/// Regions that devices compute alone start as soon as they are ready and take no worker: whoever is between two steps or has nothing to do starts them and sees that they end.
/// </summary>
internal sealed class BranchRun(RunState run) : PoolJob
{
    private readonly Lock gate = new();
    private readonly BranchTable table = run.Branches;
    private readonly PriorityQueue<int, int> ready = new(), readyForDevices = new();
    private readonly int[] waiting = new int[run.Branches.Count], onDevices = new int[run.Branches.Count]; // the latter: the first onDeviceCount are under way
    private readonly Stack<Lane> lanes = [];
    private int readyCount, running, onDeviceCount, deviceWork, remaining;
    private Exception? error;

    /// <summary>Branches that the CPU runs at this moment.</summary>
    internal int Running => Volatile.Read(ref running);

    internal override bool HasWork => Volatile.Read(ref readyCount) > 0;

    internal override bool IsLeaf => false;

    internal void Run(WorkerPool pool)
    {
        Begin();
        int slot = pool.Publish(this);
        var spinner = new SpinWait();
        var patience = new Patience();
        while (Volatile.Read(ref remaining) > 0)
        {
            if (TendDevices()) { }
            else if (TryTake(out int branch, out Lane? lane)) RunBranch(branch, lane);
            else if (!pool.TryHelpAny(leafOnly: true))
            {
                bool isIdle = Volatile.Read(ref running) == 0;
                if (isIdle && Volatile.Read(ref deviceWork) == 0 && Volatile.Read(ref error) is not null) break;
                if (!isIdle || Volatile.Read(ref deviceWork) == 0) spinner.SpinOnce(sleep1Threshold: -1);
                else if (!patience.Spin()) SleepForDevice();
                continue;
            }
            spinner.Reset();
            patience = new Patience();
        }
        pool.Withdraw(this, slot);
        if (error is { } failure) ExceptionDispatchInfo.Throw(failure);
    }

    internal override void Help()
    {
        while (TendDevices() || TryTake(out int branch, out Lane? lane) && RunBranch(branch, lane)) { }
    }

    private void Begin()
    {
        error = null;
        running = onDeviceCount = deviceWork = 0;
        ready.Clear();
        readyForDevices.Clear();
        while (lanes.Count < table.Width) lanes.Push(new Lane());
        table.Waiting.CopyTo(waiting, 0);
        for (int branch = 0; branch < waiting.Length; branch++)
            if (waiting[branch] == 0) AddReady(branch);
        readyCount = Math.Min(ready.Count, table.Width);
        MaxHelpers = Math.Min(run.Workers, table.Width) - 1;
        remaining = waiting.Length;
    }

    private void AddReady(int branch)
    {
        if (run.HasWorkers(branch)) ready.Enqueue(branch, table.Priority[branch]);
        else
        {
            readyForDevices.Enqueue(branch, table.Priority[branch]);
            deviceWork++;
        }
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

    private bool RunBranch(int branch, Lane lane)
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
        End(branch, lane, failure);
        return true;
    }

    /// <param name="lane">Null for a region.</param>
    private void End(int branch, Lane? lane, Exception? failure)
    {
        int more;
        lock (gate)
        {
            error ??= failure;
            if (lane is null) deviceWork--;
            else
            {
                lanes.Push(lane);
                running--;
            }
            remaining--;
            if (failure is null)
                foreach (int successor in table.Successors[branch])
                    if (--waiting[successor] == 0) AddReady(successor);
            if (error is not null)
            {
                deviceWork -= readyForDevices.Count;
                readyForDevices.Clear();
            }
            readyCount = more = error is null ? Math.Min(ready.Count, lanes.Count) : 0;
        }
        if (more > 1) run.Pool.Wake(more - 1);
    }

    /// <summary>Starts the regions that are ready and finishes those that have ended; false where there was none.</summary>
    internal bool TendDevices()
    {
        if (Volatile.Read(ref deviceWork) == 0) return false;
        bool tended = false;
        while (TryTakeForDevice(out int branch))
        {
            Tend(branch, isNew: true);
            tended = true;
        }
        for (int left = Volatile.Read(ref onDeviceCount); left > 0 && TryClaim(out int branch); left--) tended |= Tend(branch, isNew: false);
        return tended;
    }

    /// <summary>Whether the region has ended.</summary>
    private bool Tend(int branch, bool isNew)
    {
        Exception? failure = null;
        try
        {
            if (!run.TendRegion(branch, isNew))
            {
                lock (gate) onDevices[onDeviceCount++] = branch;
                return false;
            }
        }
        catch (Exception e)
        {
            failure = e;
        }
        End(branch, lane: null, failure);
        return true;
    }

    private bool TryTakeForDevice(out int branch)
    {
        lock (gate) return readyForDevices.TryDequeue(out branch, out _);
    }

    /// <summary>Takes the region that is under way for the longest time, so that nobody else looks at it.</summary>
    private bool TryClaim(out int branch)
    {
        lock (gate)
        {
            branch = -1;
            if (onDeviceCount == 0) return false;
            branch = onDevices[0];
            onDeviceCount--;
            Array.Copy(onDevices, 1, onDevices, 0, onDeviceCount);
            return true;
        }
    }

    /// <summary>For the caller, who has nothing else to do and for whom nobody works but devices.</summary>
    private void SleepForDevice()
    {
        if (!TryClaim(out int branch)) return;
        run.RegionRunOf(branch)!.Sleep();
        lock (gate) onDevices[onDeviceCount++] = branch;
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
