namespace Parallax.Kernels.Reduce;

/// <summary>
/// How a reduction walks its input: neighbouring axes that are all kept or all reduced become one, dims of 1 vanish, and the innermost
/// run, kept or reduced, is contiguous.
/// </summary>
internal sealed class ReduceLayout
{
    private readonly long[] keptDims, keptStrides, reducedDims, reducedStrides;

    internal ReduceLayout(ReadOnlySpan<long> dims, ReadOnlySpan<int> axes)
    {
        List<(long Size, bool Reduced)> groups = Collapse(dims, axes);
        InnerReduced = groups.Count == 0 || groups[^1].Reduced;
        Inner = groups.Count == 0 ? 1 : groups[^1].Size;
        List<(long Size, long Stride)> kept = [], reduced = [];
        long stride = Inner;
        for (int i = groups.Count - 2; i >= 0; i--)
        {
            (groups[i].Reduced ? reduced : kept).Insert(0, (groups[i].Size, stride));
            stride *= groups[i].Size;
        }
        (keptDims, keptStrides) = ([.. kept.Select(k => k.Size)], [.. kept.Select(k => k.Stride)]);
        (reducedDims, reducedStrides) = ([.. reduced.Select(r => r.Size)], [.. reduced.Select(r => r.Stride)]);
        Kept = Shape.Count(keptDims);
        Reduced = Shape.Count(reducedDims);
    }

    /// <summary>Whether the innermost run is along reduced axes.</summary>
    internal bool InnerReduced { get; }

    /// <summary>Elements of the innermost run.</summary>
    internal long Inner { get; }

    /// <summary>Kept positions outside the innermost run.</summary>
    internal long Kept { get; }

    /// <summary>Reduced positions outside the innermost run.</summary>
    internal long Reduced { get; }

    internal long Outputs => InnerReduced ? Kept : Kept * Inner;

    /// <summary>Elements that one output is made of.</summary>
    internal long PerOutput => InnerReduced ? Reduced * Inner : Reduced;

    internal long KeptOffset(long index) => Offset(index, keptDims, keptStrides);

    internal long ReducedOffset(long index) => Offset(index, reducedDims, reducedStrides);

    private static long Offset(long index, long[] dims, long[] strides)
    {
        if (dims.Length == 1) return index * strides[0];
        long offset = 0;
        for (int i = dims.Length - 1; i >= 0; i--)
        {
            (index, long digit) = Math.DivRem(index, dims[i]);
            offset += digit * strides[i];
        }
        return offset;
    }

    private static List<(long Size, bool Reduced)> Collapse(ReadOnlySpan<long> dims, ReadOnlySpan<int> axes)
    {
        List<(long Size, bool Reduced)> groups = [];
        for (int i = 0; i < dims.Length; i++)
        {
            if (dims[i] == 1) continue;
            bool reduced = axes.Contains(i);
            if (groups.Count > 0 && groups[^1].Reduced == reduced) groups[^1] = (groups[^1].Size * dims[i], reduced);
            else groups.Add((dims[i], reduced));
        }
        return groups;
    }
}
