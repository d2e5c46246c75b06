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

    /// <param name="nodes">Each is prepared once.</param>
    /// <param name="prepare">Called by several threads at once.</param>
    internal KernelPreparation(Node[] nodes, Func<Node, long> constantBytes, Func<Node, Kernel> prepare)
    {
        this.nodes = nodes;
        this.prepare = prepare;
        order = PoolLoop.LargestFirst(Array.ConvertAll(nodes, n => constantBytes(n)));
    }

    /// <exception cref="ParallaxException">What the first node that failed, in the order given, says.</exception>
    internal void Run(WorkerPool pool, int workers) => new PoolLoop(order, Prepare).Run(pool, workers);

    private void Prepare(int index)
    {
        Kernel kernel = prepare(nodes[index]);
        lock (kernels) kernels.Add(nodes[index].Id.Index, kernel);
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
