using System.Collections.Immutable;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>The steps of one branch between which a buffer is touched.</summary>
/// <param name="First">Step number within the branch.</param>
/// <param name="Last">Step number within the branch, inclusive.</param>
public readonly record struct Access(BranchId Branch, int First, int Last);

/// <summary>Bytes that need a place: a value with everything that shares its bytes (views, in-place results), or a step's scratch space.</summary>
/// <param name="Id">Whatever the caller knows the buffer by.</param>
/// <param name="Accesses">Every branch that writes or reads the buffer; a branch that reads it once has First = Last.</param>
/// <param name="IsDynamic">The size is not known before it runs: the buffer gets no offset.</param>
/// <param name="LiveIn">Holds something before the first step.</param>
/// <param name="LiveOut">Is read after the last step.</param>
public sealed record ArenaBuffer(int Id, long Bytes, ImmutableArray<Access> Accesses, bool IsDynamic = false, bool LiveIn = false, bool LiveOut = false);

/// <summary>Buffers, and the branches of steps that touch them. The steps of a branch run one after another.</summary>
/// <param name="Branches">The dependencies between branches, by <see cref="BranchId.Index"/>.</param>
/// <param name="StepCounts">By branch.</param>
/// <param name="BranchUs">Predicted time of each branch; default where nothing is known.</param>
public sealed record MemoryProblem(Dag Branches, ImmutableArray<int> StepCounts, ImmutableArray<ArenaBuffer> Buffers, ImmutableArray<double> BranchUs = default)
{
    /// <summary>Every offset is a multiple of this.</summary>
    public const int Alignment = 64;

    public static long Align(long bytes) => checked(bytes + Alignment - 1) / Alignment * Alignment;

    /// <summary>
    /// The problem of a partition as it stands: a buffer per value that a node computes, its views included, with the value's index as id.
    /// A step is a node's index in its branch. Nothing is computed in place.
    /// </summary>
    /// <param name="rootOf">By value index, the value whose bytes a value shares; by default, views share the bytes of what they show.</param>
    public static MemoryProblem Of(Partition partition, ValueId[]? rootOf = null)
    {
        Graph graph = partition.Graph;
        rootOf ??= ValueRoots.Of(graph, graph.TopologicalOrder());
        var outputs = new HashSet<ValueId>();
        foreach (GraphOutput output in graph.Outputs)
            if (!output.Value.IsNone) outputs.Add(rootOf[output.Value.Index]);
        var accesses = new SortedDictionary<int, Dictionary<BranchId, Access>>();
        foreach (Branch branch in partition.Branches)
            for (int step = 0; step < branch.Nodes.Length; step++)
            {
                Node node = graph[branch.Nodes[step]];
                foreach (ValueId value in node.Outputs) Touch(value, branch.Id, step);
                foreach (ValueId value in node.Inputs) Touch(value, branch.Id, step);
            }
        var buffers = accesses.Select(a => Buffer(new ValueId(a.Key), [.. a.Value.Values]));
        return new MemoryProblem(partition.BranchGraph, [.. partition.Branches.Select(b => b.Nodes.Length)], [.. buffers], [.. partition.Branches.Select(b => b.Placement.PredictedUs)]);

        void Touch(ValueId value, BranchId branch, int step)
        {
            if (value.IsNone || graph[rootOf[value.Index]].Producer is null) return;
            int root = rootOf[value.Index].Index;
            if (!accesses.TryGetValue(root, out Dictionary<BranchId, Access>? byBranch)) accesses[root] = byBranch = [];
            byBranch[branch] = byBranch.TryGetValue(branch, out Access known)
                ? known with { First = Math.Min(known.First, step), Last = Math.Max(known.Last, step) }
                : new Access(branch, step, step);
        }

        ArenaBuffer Buffer(ValueId root, ImmutableArray<Access> touched)
        {
            bool isStatic = CostOf.Bytes(graph.Fact(root)).TryGetValue(out long bytes) && graph.Fact(root) is TensorFact { IsStatic: true };
            return new ArenaBuffer(root.Index, isStatic ? bytes : 0, touched, IsDynamic: !isStatic, LiveOut: outputs.Contains(root));
        }
    }
}
