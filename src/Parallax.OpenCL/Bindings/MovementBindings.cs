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
        long[] dims = new long[axes.Length], source = new long[axes.Length], target = new long[axes.Length];
        for (int i = 0; i < dims.Length; i++) (dims[i], source[i], target[i]) = (axes[i].Count, axes[i].Source / bytes, axes[i].Target / bytes);
        return new ClLaunch(x.Kernel(Family, $"copy_{ClTypes.Moved(x.Type(0))}"), RowWalk.Grid(x, dims),
            [ClArg.Input(part.Input, copy.SourceStart), ClArg.Output(part.Output, copy.TargetStart), .. RowWalk.Args(dims, source, target)]);
    }
}
