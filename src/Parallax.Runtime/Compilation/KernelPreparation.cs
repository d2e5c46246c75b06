using System.Runtime.ExceptionServices;
using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Compilation;

/// <summary>Prepares the kernels of many nodes on all workers, those with the most constant bytes first: packing them takes most of the time.</summary>
internal sealed class KernelPreparation : IDisposable
{
    private readonly Node[] nodes;
    private readonly int[] order;
    private readonly Func<Node, Kernel> prepare;
    private readonly Dictionary<int, Kernel> kernels = [];
    private int firstFailed = int.MaxValue;
    private Exception? error;

    /// <param name="nodes">Each is prepared once.</param>
    /// <param name="prepare">Called by several threads at once.</param>
    internal KernelPreparation(Node[] nodes, Func<Node, long> constantBytes, Func<Node, Kernel> prepare)
    {
        this.nodes = nodes;
        this.prepare = prepare;
        order = new int[nodes.Length];
        long[] bytes = Array.ConvertAll(nodes, n => constantBytes(n));
        for (int i = 0; i < order.Length; i++) order[i] = i;
        Array.Sort(order, (a, b) => bytes[b] != bytes[a] ? bytes[b].CompareTo(bytes[a]) : a - b);
    }

    /// <exception cref="ParallaxException">What the first node that failed, in the order given, says.</exception>
    internal void Run(WorkerPool pool, int workers)
    {
        new PoolLoop(order.Length, i => Prepare(order[i])).Run(pool, workers);
        if (error is not null) ExceptionDispatchInfo.Throw(error);
    }

    private void Prepare(int index)
    {
        try
        {
            Kernel kernel = prepare(nodes[index]);
            lock (kernels) kernels.Add(nodes[index].Id.Index, kernel);
        }
        catch (Exception e)
        {
            lock (kernels)
                if (index < firstFailed) (firstFailed, error) = (index, e);
        }
    }

    /// <summary>The kernel of a node that nobody took yet; null where there is none.</summary>
    internal Kernel? Find(Node node) => kernels.GetValueOrDefault(node.Id.Index);

    /// <summary>Hands over the kernel of a node, once.</summary>
    internal Kernel Take(Node node) => kernels.Remove(node.Id.Index, out Kernel? kernel) ? kernel : throw new InvalidOperationException($"{node} was not prepared");

    /// <summary>Frees what nobody took.</summary>
    public void Dispose()
    {
        foreach (Kernel kernel in kernels.Values) kernel.Dispose();
        kernels.Clear();
    }
}
