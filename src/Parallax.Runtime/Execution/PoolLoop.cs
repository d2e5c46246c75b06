using System.Runtime.ExceptionServices;

namespace Parallax.Runtime.Execution;

/// <summary>Calls a function with the numbers below a count, on all workers, taken in order. What it throws first, by number, is thrown when all are done.</summary>
/// <param name="body">Called by several threads at once.</param>
internal sealed class PoolLoop(int count, Action<int> body) : PoolJob
{
    private readonly Lock gate = new();
    private int next, firstFailed = int.MaxValue;
    private Exception? error;

    internal override bool HasWork => Volatile.Read(ref next) < count;

    /// <summary>One who waits in a run should not be kept by the packing of another model.</summary>
    internal override bool IsLeaf => false;

    internal void Run(WorkerPool pool, int workers)
    {
        MaxHelpers = Math.Min(workers, count) - 1;
        if (MaxHelpers <= 0) Help();
        else
        {
            int slot = pool.Publish(this);
            Help();
            pool.Withdraw(this, slot);
        }
        if (error is not null) ExceptionDispatchInfo.Throw(error);
    }

    internal override void Help()
    {
        while (Interlocked.Increment(ref next) - 1 is var taken && taken < count)
            try
            {
                body(taken);
            }
            catch (Exception e)
            {
                lock (gate)
                    if (taken < firstFailed) (firstFailed, error) = (taken, e);
            }
    }
}
