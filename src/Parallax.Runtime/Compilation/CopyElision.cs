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
        CopyPart[] runs = [.. left.FindAll(p => p.Copy is { IsRun: true, TargetStart: 0, TotalBytes: > 0 } && p.Copy.TotalBytes == Bytes(node.Outputs[p.Output])
            && !whole.Contains(node.Outputs[p.Output]) && HasBytes(Ranges.Root(node.Inputs[p.Input])))];
        for (int input = 0; input < node.Inputs.Length; input++)
        {
            CopyPart[] own = Array.FindAll(runs, p => p.Input == input);
            if (own.Length > 0 && TryMerge(lifetimes, node.Inputs[input], Array.ConvertAll(own, p => (node.Outputs[p.Output], p.Copy.SourceStart))))
                left.RemoveAll(p => Array.IndexOf(own, p) >= 0);
        }
    }

    /// <summary>Makes whole buffers of which inputs show runs ranges of an output.</summary>
    private void Place(Node node, List<CopyPart> left, BufferLifetimes lifetimes)
    {
        for (int output = 0; output < node.Outputs.Length; output++)
        {
            List<Piece> pieces = PiecesOf(node, output, left);
            // What was computed long ago gives up first: it would keep the bytes of all.
            pieces.Sort((a, b) => lifetimes[b.Root].First.CompareTo(lifetimes[a.Root].First) is var order and not 0 ? order : a.Offset.CompareTo(b.Offset));
            while (pieces.Count > 0 && !TryMerge(lifetimes, node.Outputs[output], [.. pieces.ConvertAll(p => (p.Root, p.Offset))])) pieces.RemoveAt(pieces.Count - 1);
            foreach (Piece piece in pieces) left.RemoveAll(piece.Parts.Contains);
        }
    }

    /// <summary>The buffers of which parts of an output are all, one place of each.</summary>
    private List<Piece> PiecesOf(Node node, int output, List<CopyPart> parts)
    {
        List<Piece> found = [];
        foreach (CopyPart part in parts)
        {
            if (part.Output != output || part.Copy is not { IsRun: true, TotalBytes: > 0 }) continue;
            (ValueId root, long offset) = BufferOf(node, part);
            if (found.Find(p => p.Root == root && p.Offset == offset) is not { } piece) found.Add(piece = new Piece(root, offset, []));
            piece.Parts.Add(part);
        }
        List<Piece> pieces = [];
        foreach (Piece piece in found)
            if (piece.Offset % MemoryProblem.Alignment == 0 && CanMove(piece.Root) && Covers(piece) && !pieces.Exists(p => p.Root == piece.Root)) pieces.Add(piece);
        return pieces;
    }

    /// <summary>A buffer that would begin at an offset of an output, and the parts of the output that are read from it.</summary>
    private sealed record Piece(ValueId Root, long Offset, List<CopyPart> Parts);

    /// <summary>The buffer that a part is read from, and where in the output it would begin.</summary>
    private (ValueId Root, long Offset) BufferOf(Node node, CopyPart part)
    {
        (ValueId root, long offset) = Ranges[node.Inputs[part.Input]];
        return (root, part.Copy.TargetStart - part.Copy.SourceStart - offset);
    }

    /// <summary>Whether the parts are, together, the whole buffer.</summary>
    private bool Covers(Piece piece)
    {
        long covered = 0;
        piece.Parts.Sort((a, b) => a.Copy.TargetStart.CompareTo(b.Copy.TargetStart));
        foreach (CopyPart part in piece.Parts)
        {
            if (part.Copy.TargetStart - piece.Offset != covered) return false;
            covered += part.Copy.TotalBytes;
        }
        return covered == Bytes(piece.Root);
    }

    /// <summary>Whether the place of a value is planned: it is the result of a kernel or a device, or there before the run.</summary>
    private bool HasBytes(ValueId root) => graph.Producer(root) is not { } producer || prepared(producer) is not null || isOnDevice(producer);

    private bool CanMove(ValueId root) => graph.Producer(root) is { } producer && prepared(producer) is not null && !whole.Contains(root);

    private bool TryMerge(BufferLifetimes lifetimes, ValueId into, (ValueId Root, long Offset)[] members)
    {
        if (!lifetimes.TryMerge(Ranges.Root(into), Array.ConvertAll(members, m => m.Root))) return false;
        foreach ((ValueId root, long offset) in members) Ranges.Place(root, into, offset);
        return true;
    }
}
