using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;

namespace Parallax.OpenCL.Bindings;

/// <summary>Elements that are chosen by the contents of other tensors, and those that change their type.</summary>
internal static class SelectionBindings
{
    internal static readonly ClBinding[] All =
    [
        ClBinding.Of<Where>(WhyNotWhere, PrepareWhere),
        ClBinding.Of<Gather>(WhyNotGather, PrepareGather),
        ClBinding.Of<Cast>((op, x) => ClTypes.IsNumber(x.Type(0)) && ClTypes.IsNumber(op.To) ? null : $"{x.Type(0)} as {op.To} is not supported", PrepareCast),
    ];

    private static string? WhyNotWhere(Where op, OperandFacts x)
    {
        if (x.Type(1) != x.Type(2)) return $"a choice between {x.Type(1)} and {x.Type(2)} is not supported";
        return ClTypes.WhyNotMoved(x.Type(1)) ?? RowWalk.WhyNot(Loop(x).Dims.Length);
    }

    private static Broadcast Loop(OperandFacts x) => new(x.OutputDims(0), x.Dims(0), x.Dims(1), x.Dims(2));

    private static ClCall PrepareWhere(Where op, ClPrepareContext x)
    {
        Broadcast loop = Loop(x);
        return ClCall.Of(new ClLaunch(x.VectorKernel(MovementBindings.Family, "choose", ClTypes.MovedOption(x.Type(1))), RowWalk.Grid(x, loop.Dims),
            [ClArg.Input(0), ClArg.Input(1), ClArg.Input(2), ClArg.Output(0), .. RowWalk.Args(loop.Dims, loop.Strides(0), loop.Strides(1), loop.Strides(2))]));
    }

    // A device cannot say in the middle of a run that an index is out of range, as the CPU does.
    private static string? WhyNotGather(Gather op, OperandFacts x)
    {
        if (ClTypes.WhyNotMoved(x.Type(0)) is { } reason) return reason;
        if (op.IsWithin) return null;
        if (!x.TryGetInts(1, out long[] indices)) return "the indices are not known before the run, and could be out of range";
        long[] dims = x.Dims(0);
        long length = dims[ShapeRules.Axis(op.Axis, dims.Length)];
        foreach (long index in indices)
            if (index < -length || index >= length) return $"index {index} is out of range for an axis of length {length}";
        return null;
    }

    private static ClCall PrepareGather(Gather op, ClPrepareContext x)
    {
        long[] dims = x.Dims(0);
        int axis = ShapeRules.Axis(op.Axis, dims.Length);
        long outer = Shape.Count(dims.AsSpan(0, axis)), inner = Shape.Count(dims.AsSpan(axis + 1)), count = Shape.Count(x.Dims(1));
        return ClCall.Of(new ClLaunch(x.VectorKernel(MovementBindings.Family, "gather", ClTypes.MovedOption(x.Type(0))), x.OverChunks(inner, count, outer),
        [
            ClArg.Input(0), ClArg.Input(1), ClArg.Output(0), ClArg.Int(outer), ClArg.Int(dims[axis]), ClArg.Int(inner), ClArg.Int(count),
            ClArg.Int(x.Type(1) == DType.Int32 ? 1 : 0),
        ]));
    }

    private static ClCall PrepareCast(Cast op, ClPrepareContext x)
    {
        long count = Shape.Count(x.Dims(0));
        string options = $"-DFROM={ClTypes.Number(x.Type(0))} -DTO={ClTypes.Number(op.To)} -DCONVERT={Rule(x.Type(0), op.To)}";
        return ClCall.Of(new ClLaunch(x.Kernel("cast", "cast", options), x.Over(count), [ClArg.Input(0), ClArg.Output(0), ClArg.Int(count)]));
    }

    /// <summary>As on the CPU: floats saturate at the ends of int32 or int64, and integers wrap.</summary>
    private static string Rule(DType from, DType to)
    {
        if (to == DType.Bool) return "to_truth";
        if (from != DType.Float32 || to == DType.Float32) return "by_value";
        return to == DType.Int64 ? "saturate_long" : "saturate_int";
    }
}
