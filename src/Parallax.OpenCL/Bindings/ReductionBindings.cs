using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;

namespace Parallax.OpenCL.Bindings;

internal static class ReductionBindings
{
    internal static readonly ClBinding[] All =
    [
        ClBinding.Of<Reduce>(WhyNotReduce, (op, x) => Launch(op.Kind, View(op, x)!.Value, x)),
        ClBinding.Of<ArgReduce>((_, x) => x.Type(0) is DType.Float32 or DType.Int32 or DType.Int64 ? null : $"{x.Type(0)} is not supported", PrepareArgReduce),
        ClBinding.Of<GlobalPool>(
            (op, x) => op.Kind == PoolKind.Lp ? "Lp pooling is not supported" : OperandLimits.UnlessFloat32(x, 0),
            (op, x) => Launch(op.Kind == PoolKind.Max ? ReduceKind.Max : ReduceKind.Mean, Planes(x.Dims(0)), x)),
    ];

    private static string? WhyNotReduce(Reduce op, OperandFacts x)
    {
        if (op.Kind == ReduceKind.LogSumExp) return "LogSumExp is not supported";
        if (OperandLimits.UnlessFloat32(x, 0) is { } reason) return reason;
        return View(op, x) is null ? $"the axes reduced of {Shape.ToString(x.Dims(0))} are not neighbours" : null;
    }

    private static ClCall PrepareArgReduce(ArgReduce op, ClPrepareContext x)
    {
        long[] dims = x.Dims(0).Length == 0 ? [1] : x.Dims(0);
        int axis = ShapeRules.Axis(op.Axis, dims.Length);
        long outer = Shape.Count(dims.AsSpan(0, axis)), inner = Shape.Count(dims.AsSpan(axis + 1));
        return ClCall.Of(new ClLaunch(x.Kernel(RowFolds.Groups, "arg_extreme", $"-DT={ClTypes.Number(x.Type(0))}"), x.Over(inner, outer),
        [
            ClArg.Input(0), ClArg.Output(0), ClArg.Int(outer), ClArg.Int(dims[axis]), ClArg.Int(inner), ClArg.Int(op.Largest ? 1 : 0), ClArg.Int(op.SelectLastIndex ? 1 : 0),
        ]));
    }

    private static (long Outer, long Count, long Inner) Planes(long[] dims) => (dims[0] * dims[1], Shape.Count(dims.AsSpan(2)), 1);

    /// <summary>The data as [outer, count, inner], reduced along the middle; null where axes between the reduced ones are kept.</summary>
    private static (long Outer, long Count, long Inner)? View(Reduce op, OperandFacts x)
    {
        long[] dims = x.Dims(0);
        x.TryGetInts(1, out long[] given);
        int[] axes = [.. op.Axes(given, dims.Length).Where(axis => dims[axis] != 1).Order()];
        if (axes.Length == 0) return (Shape.Count(dims), 1, 1);
        int first = axes[0], end = axes[^1] + 1;
        for (int i = first; i < end; i++)
            if (dims[i] != 1 && !axes.Contains(i)) return null;
        return (Shape.Count(dims.AsSpan(0, first)), Shape.Count(dims.AsSpan(first, end - first)), Shape.Count(dims.AsSpan(end)));
    }

    private static ClCall Launch(ReduceKind kind, (long Outer, long Count, long Inner) view, ClPrepareContext x)
    {
        (long outer, long count, long inner) = view;
        string options = $"-DKIND={(int)kind}";
        return ClCall.Of(RowFolds.AreRows(x, count, inner)
            ? RowFolds.OverRows(x, "reduce", options, outer, ClArg.Input(0), ClArg.Output(0), ClArg.Int(count))
            : RowFolds.OverColumns(x, "reduce", options, outer, count, inner));
    }
}
