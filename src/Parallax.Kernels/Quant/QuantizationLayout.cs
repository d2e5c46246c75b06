namespace Parallax.Kernels;

/// <summary>
/// Which scale belongs to which element: the data as rows in order, a row with one scale (and zero point) or one per element.
/// </summary>
public sealed class QuantizationLayout
{
    private readonly long rowsPerGroup; // rows that share the scales between two repetitions; 0: no repetition
    private readonly long repeat; // consecutive rows with the same scales
    private readonly long groupScales;
    private readonly long scaleStep; // scales from one row to the next

    private QuantizationLayout(long count, long rowLength, bool perElement, long rowsPerGroup, long repeat, long groupScales, long scaleStep)
    {
        Count = count;
        RowLength = rowLength;
        ScalePerElement = perElement;
        this.rowsPerGroup = rowsPerGroup;
        this.repeat = repeat;
        this.groupScales = groupScales;
        this.scaleStep = scaleStep;
    }

    public long Count { get; }

    /// <summary>Elements of a row; those of a shortened last row of a group too.</summary>
    public long RowLength { get; }

    /// <summary>Whether the elements of a row have a scale each, in order.</summary>
    public bool ScalePerElement { get; }

    /// <summary>Where the scales of a row begin.</summary>
    public long ScaleOf(long row) => rowsPerGroup == 0 ? 0 : row / rowsPerGroup * groupScales + row % rowsPerGroup / repeat * scaleStep;

    /// <summary>Length of the group after which rows begin anew, so that its last row is short where the row length does not divide it; 0 where none does.</summary>
    public long GroupLength { get; private init; }

    /// <param name="scaleDims">Dims of the scales: one element, one per index along <paramref name="axis"/>, or the data's with blocks along the axis.</param>
    /// <param name="block">Elements along the axis that share a scale; 0 where the scales are not blocked.</param>
    public static QuantizationLayout Of(long[] dims, long[] scaleDims, int axis, long block)
    {
        long count = Shape.Count(dims), scales = Shape.Count(scaleDims);
        if (block == 0 && scales == 1) return new QuantizationLayout(count, Math.Max(count, 1), false, 0, 1, 0, 0);
        long along = dims[axis], inner = Shape.Count(dims.AsSpan(axis + 1));
        if (block == 0)
            return inner == 1 && along > 1
                ? new QuantizationLayout(count, along, true, 0, 1, 0, 0)
                : new QuantizationLayout(count, Math.Max(inner, 1), false, Math.Max(along, 1), 1, 0, 1);
        long blocks = scaleDims[axis];
        return inner == 1
            ? new QuantizationLayout(count, block, false, Math.Max(blocks, 1), 1, blocks, 1) { GroupLength = along }
            : new QuantizationLayout(count, inner, true, Math.Max(along, 1), block, blocks * inner, inner);
    }

    /// <summary>The row of an element, and its place in it.</summary>
    public (long Row, long Column) Find(long element)
    {
        if (GroupLength == 0) return Math.DivRem(element, RowLength);
        (long group, long inGroup) = Math.DivRem(element, GroupLength);
        (long row, long column) = Math.DivRem(inGroup, RowLength);
        return (group * ((GroupLength + RowLength - 1) / RowLength) + row, column);
    }

    /// <summary>Elements from a place in a row to the row's end.</summary>
    public long Rest(long element, long column)
    {
        long rest = RowLength - column;
        return GroupLength == 0 ? rest : Math.Min(rest, GroupLength - element % GroupLength);
    }
}
