using System.Runtime.ExceptionServices;

namespace Parallax.Runtime.Execution;

/// <summary>Calls a function with numbers, on all workers, taken in an order. What it throws with the lowest number is thrown when all are done.</summary>
/// <param name="body">Called by several threads at once.</param>
internal sealed class PoolLoop(int[] order, Action<int> body) : PoolJob
{
    private readonly Lock gate = new();
    private int next, firstFailed = int.MaxValue;
    private Exception? error;

    internal override bool HasWork => Volatile.Read(ref next) < order.Length;

    /// <summary>One who waits in a run should not be kept by the packing of another model.</summary>
    internal override bool IsLeaf => false;

    /// <summary>The numbers of so many pieces of work, those of the largest first: workers end at about the same time then.</summary>
    internal static int[] LargestFirst(long[] sizes)
    {
        var order = new int[sizes.Length];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        Array.Sort(order, (a, b) => sizes[b] != sizes[a] ? sizes[b].CompareTo(sizes[a]) : a - b);
        return order;
    }

    internal void Run(WorkerPool pool, int workers)
    {
        MaxHelpers = Math.Min(workers, order.Length) - 1;
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
        while (Interlocked.Increment(ref next) - 1 is var taken && taken < order.Length)
            try
            {
                body(order[taken]);
            }
            catch (Exception e)
            {
                lock (gate)
                    if (order[taken] < firstFailed) (firstFailed, error) = (order[taken], e);
            }
    }
}
