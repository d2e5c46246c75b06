using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.Kernels.Copy;
using Parallax.Planning;

namespace Parallax.Runtime.Compilation;

/// <summary>
/// Finds the copies that need not be made. What Slice, Split and their like take out of a value in one run of bytes is shown where it lies. What Concat puts one behind
/// the other is computed there in the first place, where it is whole buffers of nodes that the CPU computes; they may have other readers. Put together, bytes live from
/// the first write to the last read of any: a copy stays where the peak of live bytes, one branch after another, would grow without it.
/// </summary>
internal sealed class CopyElision
{
    private readonly Graph graph;
    private readonly Predicate<Node> isView, isOnDevice;
    private readonly Func<Node, Kernel?> prepared;
    private readonly Dictionary<NodeId, CopyKernel> kernels = [];
    private readonly HashSet<ValueId> whole = []; // roots that stay where they are: they are handed out, or a device works on them

    /// <param name="isView">Whether a node only shows bytes under another shape.</param>
    /// <param name="isOnDevice">Whether a device computes a node, or a part of it.</param>
    /// <param name="prepared">The kernel of a node that the CPU computes; null where none is prepared with the plan.</param>
    internal CopyElision(Partition partition, Predicate<Node> isView, Predicate<Node> isOnDevice, Func<Node, Kernel?> prepared)
    {
        graph = partition.Graph;
        this.isView = isView;
        this.isOnDevice = isOnDevice;
        this.prepared = prepared;
        Ranges = new ValueRanges(graph.ValueIdBound);
        foreach (Node node in graph.TopologicalOrder())
            if (isView(node)) Ranges.Place(node.Outputs[0], node.Inputs[0], 0);
        foreach (GraphOutput output in graph.Outputs) whole.Add(Ranges.Root(output.Value));
        if (!graph.Nodes.Any(n => prepared(n) is CopyKernel)) return;
        var lifetimes = new BufferLifetimes(partition, Ranges, v => HasBytes(v) && !whole.Contains(v), prepared);
        foreach (Node node in lifetimes.Order)
            if (isOnDevice(node) && !isView(node))
                foreach (ValueId value in node.Inputs.Concat(node.Outputs))
                    if (!value.IsNone) whole.Add(Ranges.Root(value));
        foreach (Node node in lifetimes.Order)
            if (prepared(node) is CopyKernel kernel) Elide(node, kernel, lifetimes);
    }

    /// <summary>Where the bytes of each value lie.</summary>
    internal ValueRanges Ranges { get; }

    /// <summary>What a node still has to copy; null where it is not one of those that only copy.</summary>
    internal CopyKernel? Kernel(Node node) => kernels.GetValueOrDefault(node.Id);

    /// <summary>Whether nothing is left to do: the node is a view, or all that it would copy is in its place.</summary>
    internal bool DoesNothing(Node node) => isView(node) || Kernel(node) is { Parts.IsEmpty: true };

    /// <summary>Whether a node reads the bytes of its input.</summary>
    internal bool Reads(Node node, int input) => !isView(node) && (Kernel(node) is not { } kernel || kernel.Parts.ToArray().Any(p => p.Input == input));

    private long Bytes(ValueId id) => CostOf.Bytes(graph.Fact(id)).Value;

    private void Elide(Node node, CopyKernel kernel, BufferLifetimes lifetimes)
    {
        List<CopyPart> left = [.. kernel.Parts];
        Show(node, left, lifetimes);
        Place(node, left, lifetimes);
        kernels.Add(node.Id, left.Count == kernel.Parts.Length ? kernel : kernel.Only(left));
    }

    /// <summary>Makes outputs ranges of an input where each is one run of its bytes.</summary>
    private void Show(Node node, List<CopyPart> left, BufferLifetimes lifetimes)
    {
        List<CopyPart> runs = [.. left.Where(p => p.Copy is { IsRun: true, TargetStart: 0, TotalBytes: > 0 } && p.Copy.TotalBytes == Bytes(node.Outputs[p.Output])
            && !whole.Contains(node.Outputs[p.Output]) && HasBytes(Ranges.Root(node.Inputs[p.Input])))];
        foreach (IGrouping<int, CopyPart> input in runs.GroupBy(p => p.Input).ToArray())
            if (TryMerge(lifetimes, node.Inputs[input.Key], [.. input.Select(p => (node.Outputs[p.Output], p.Copy.SourceStart))]))
                left.RemoveAll(input.Contains);
    }

    /// <summary>Makes whole buffers of which inputs show runs ranges of an output.</summary>
    private void Place(Node node, List<CopyPart> left, BufferLifetimes lifetimes)
    {
        foreach (IGrouping<int, CopyPart> output in left.GroupBy(p => p.Output).ToArray())
        {
            var pieces = output.Where(p => p.Copy is { IsRun: true, TotalBytes: > 0 }).GroupBy(p => BufferOf(node, p))
                .Where(g => g.Key.Offset % MemoryProblem.Alignment == 0 && CanMove(g.Key.Root) && Covers(g.Key.Root, g.Key.Offset, g))
                .DistinctBy(g => g.Key.Root).OrderByDescending(g => lifetimes[g.Key.Root].First).ThenBy(g => g.Key.Offset).ToList();
            // What was computed long ago gives up first: it would keep the bytes of all.
            while (pieces.Count > 0 && !TryMerge(lifetimes, node.Outputs[output.Key], [.. pieces.Select(g => g.Key)])) pieces.RemoveAt(pieces.Count - 1);
            foreach (IGrouping<(ValueId, long), CopyPart> piece in pieces) left.RemoveAll(piece.Contains);
        }
    }

    /// <summary>The buffer that a part is read from, and where in the output it would begin.</summary>
    private (ValueId Root, long Offset) BufferOf(Node node, CopyPart part)
    {
        (ValueId root, long offset) = Ranges[node.Inputs[part.Input]];
        return (root, part.Copy.TargetStart - part.Copy.SourceStart - offset);
    }

    /// <summary>Whether parts of an output in which a buffer begins at an offset are, together, the whole buffer.</summary>
    private bool Covers(ValueId root, long offset, IEnumerable<CopyPart> parts)
    {
        long covered = 0;
        foreach (CopyPart part in parts.OrderBy(p => p.Copy.TargetStart))
        {
            if (part.Copy.TargetStart - offset != covered) return false;
            covered += part.Copy.TotalBytes;
        }
        return covered == Bytes(root);
    }

    /// <summary>Whether the place of a value is planned: it is the result of a kernel or a device, or there before the run.</summary>
    private bool HasBytes(ValueId root) => graph.Producer(root) is not { } producer || prepared(producer) is not null || isOnDevice(producer);

    private bool CanMove(ValueId root) => graph.Producer(root) is { } producer && prepared(producer) is not null && !whole.Contains(root);

    private bool TryMerge(BufferLifetimes lifetimes, ValueId into, (ValueId Root, long Offset)[] members)
    {
        if (!lifetimes.TryMerge(Ranges.Root(into), [.. members.Select(m => m.Root)])) return false;
        foreach ((ValueId root, long offset) in members) Ranges.Place(root, into, offset);
        return true;
    }
}
