using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>Predicted times of branches, by the number of workers.</summary>
public sealed class BranchTimes
{
    private readonly ImmutableArray<ImmutableArray<double>> us;

    /// <param name="us">By branch and number of workers less one; all branches have as many entries.</param>
    /// <param name="devices">By branch; null where the CPU's workers run it. Branches of one device run one after another.</param>
    public BranchTimes(ImmutableArray<ImmutableArray<double>> us, ImmutableArray<string?> devices = default)
    {
        this.us = us;
        Devices = devices.IsDefault ? [.. us.Select(_ => (string?)null)] : devices;
    }

    public int Count => us.Length;

    public int MaxWorkers => us.IsEmpty ? 1 : us[0].Length;

    public ImmutableArray<string?> Devices { get; }

    /// <summary>By branch, the most workers that joint planning gives it; null where it has no say. Empty where it was not asked.</summary>
    public ImmutableArray<int?> PlannedWorkers { get; init; } = [];

    public double Us(int branch, int workers) => us[branch][Math.Clamp(workers, 1, us[branch].Length) - 1];

    /// <summary>The CPU's cost model over each node of a branch; a delegate region takes what its placement says.</summary>
    /// <param name="kernelOf">The kernel of a node; null where it is not known.</param>
    public static BranchTimes Of(Partition partition, CostModel model, int workers, Func<NodeId, KernelFacts?>? kernelOf = null)
    {
        var us = new ImmutableArray<double>[partition.Branches.Length];
        foreach (Branch branch in partition.Branches)
        {
            var times = new double[Math.Max(1, workers)];
            NodeSplit? split = SplitOf(partition, branch);
            if (branch.Region is not null && split is null) Array.Fill(times, branch.Placement.PredictedUs);
            else
                foreach (NodeId id in branch.Nodes)
                {
                    Node node = partition.Graph[id];
                    StepWork work = StepWork.Of(partition.Graph, node);
                    KernelFacts? kernel = kernelOf?.Invoke(id);
                    for (int w = 0; w < times.Length; w++) times[w] += split?.Us(model, w + 1, partition.Graph, node, kernel) ?? model.PredictUs(work, w + 1, kernel);
                }
            us[branch.Id.Index] = ImmutableCollectionsMarshal.AsImmutableArray(times);
        }
        return new BranchTimes(ImmutableCollectionsMarshal.AsImmutableArray(us), [.. partition.Branches.Select(b => b.Region is null || SplitOf(partition, b) is not null ? null : b.Placement.Backend)])
        {
            PlannedWorkers = partition.Branches.Map(b => b.PlannedWorkers),
        };
    }

    /// <summary>A split node has workers as any branch of the CPU has, and ends when the slower side does.</summary>
    private static NodeSplit? SplitOf(Partition partition, Branch branch) => branch.Region is { } region ? partition.Regions[region].Split : null;
}
