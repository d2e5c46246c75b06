using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Pool;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class PoolingBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<Graphs.Ops.Pool>(Pool),
        Binding.Kernel<GlobalPool>((op, x) =>
        {
            long[] dims = x.Dims(0);
            return PoolKernels.CreateGlobal(Function(op.Kind), x.Type(0), dims[0] * dims[1], Shape.Count(dims.AsSpan(2)), op.P);
        }),
        Binding.Kernel<MaxUnpool>((op, x) =>
        {
            long[] dims = x.Dims(0), positionDims = op.Unpooled(Shape.Of(dims)).ToArray();
            return PoolKernels.CreateUnpool(x.Type(0), Shape.Count(dims), positionDims, x.OutputDims(0));
        }),
    ];

    private static Kernel Pool(Graphs.Ops.Pool op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        WindowAxis[] axes = Windows.Over(op.Window, dims);
        return x.Wants(1)
            ? PoolKernels.CreateWithIndices(x.Type(0), dims[0] * dims[1], axes, op.ColumnMajorIndices)
            : PoolKernels.Create(Function(op.Kind), x.Type(0), dims[0] * dims[1], axes, op.CountIncludePad, op.P);
    }

    private static Pooling Function(PoolKind kind) => kind switch
    {
        PoolKind.Max => Pooling.Max,
        PoolKind.Average => Pooling.Average,
        _ => Pooling.Lp,
    };
}
