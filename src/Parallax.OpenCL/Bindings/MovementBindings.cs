using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels.Copy;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;

namespace Parallax.OpenCL.Bindings;

/// <summary>The operators that are strided copies.</summary>
internal static class MovementBindings
{
    internal const string Family = "movement";

    /// <summary>What an item of <c>transpose</c> moves: TILE_COLUMNS and TILE_ROWS of movement.cl.</summary>
    private const int TileColumns = 64, TileRows = 32;

    internal static readonly ClBinding[] All =
    [
        Copies<Transpose>(CopyParts.Of),
        Copies<Concat>(CopyParts.Of),
        Copies<Split>(CopyParts.Of),
        Copies<Slice>(CopyParts.Of),
        Copies<Expand>(CopyParts.Of),
        Copies<Tile>(CopyParts.Of),
        Copies<DepthToSpace>(CopyParts.Of),
        Copies<SpaceToDepth>(CopyParts.Of),
    ];

    private static ClBinding Copies<TOp>(Func<TOp, OperandFacts, CopyPart[]> parts) where TOp : Op => ClBinding.Of<TOp>(
        (op, x) => ClTypes.WhyNotMoved(x.Type(0)) ?? RowWalk.WhyNot(parts(op, x).Select(part => part.Copy.Axes.Length).DefaultIfEmpty().Max()),
        (op, x) => new ClCall([.. parts(op, x).Select(part => Launch(part, x))]));

    private static ClLaunch Launch(CopyPart part, ClPrepareContext x)
    {
        StridedCopy copy = part.Copy;
        ReadOnlySpan<CopyAxis> axes = copy.Axes.IsEmpty ? [new CopyAxis(1, 0, 0)] : copy.Axes;
        int bytes = x.Type(0).ElementBytes();
        int tiled = x.HasVectors && axes[^1].Source != bytes && axes[^1].Target == bytes ? IndexOfContiguous(axes, bytes) : -1;
        CopyAxis[] walked = [.. axes];
        if (tiled >= 0) walked = [.. walked[..tiled], .. walked[(tiled + 1)..^1], new CopyAxis(1, 0, 0)];
        long[] dims = new long[walked.Length], source = new long[walked.Length], target = new long[walked.Length];
        for (int i = 0; i < dims.Length; i++) (dims[i], source[i], target[i]) = (walked[i].Count, walked[i].Source / bytes, walked[i].Target / bytes);
        string type = ClTypes.MovedOption(x.Type(0));
        ClArg[] tensors = [ClArg.Input(part.Input, copy.SourceStart), ClArg.Output(part.Output, copy.TargetStart)];
        if (tiled < 0) return new ClLaunch(x.VectorKernel(Family, "copy", type), RowWalk.Grid(x, dims), [.. tensors, .. RowWalk.Args(dims, source, target)]);
        CopyAxis columns = axes[^1], rows = axes[tiled];
        return new ClLaunch(x.VectorKernel(Family, "transpose", type), x.OverVectors((columns.Count + TileColumns - 1) / TileColumns, (rows.Count + TileRows - 1) / TileRows, Shape.Count(dims)),
            [.. tensors, .. RowWalk.OuterArgs(dims, source, target), ClArg.Ints(columns.Count, rows.Count, columns.Source / bytes, rows.Target / bytes)]);
    }

    /// <summary>The axis along which the source is contiguous; -1 where there is none.</summary>
    private static int IndexOfContiguous(ReadOnlySpan<CopyAxis> axes, int elementBytes)
    {
        for (int i = 0; i < axes.Length; i++)
            if (axes[i].Source == elementBytes) return i;
        return -1;
    }
}
