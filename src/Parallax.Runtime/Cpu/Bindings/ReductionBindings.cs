using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Reduce;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class ReductionBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<Graphs.Ops.Reduce>(Reduce),
        Binding.Kernel<ArgReduce>(ArgReduce),
        Binding.Kernel<Softmax>((op, x) =>
        {
            (long outer, long count, long inner) = op.View(x.Dims(0));
            return SoftmaxKernels.Create(op.Kind, x.Type(0), outer, count, inner);
        }),
    ];

    private static Kernel Reduce(Graphs.Ops.Reduce op, PrepareContext x)
    {
        x.TryGetInts(1, out long[] axes);
        long[] dims = x.Dims(0);
        return ReduceKernels.Create(op.Kind, x.Type(0), dims, op.Axes(axes, dims.Length));
    }

    private static Kernel ArgReduce(ArgReduce op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        if (dims.Length == 0) dims = [1];
        int axis = ShapeRules.Axis(op.Axis, dims.Length);
        return ReduceKernels.CreateArg(op.Largest, op.SelectLastIndex, x.Type(0), Shape.Count(dims.AsSpan(0, axis)), dims[axis], Shape.Count(dims.AsSpan(axis + 1)));
    }
}
