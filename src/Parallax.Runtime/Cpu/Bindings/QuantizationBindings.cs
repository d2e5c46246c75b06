using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class QuantizationBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<QuantizeLinear>((op, x) => QuantizeKernels.Quantize(Layout(x, op.Axis, op.BlockSize), x.Type(0), x.Type(1), x.OutputType(0), x.Has(2), op.Saturate)),
        Binding.Kernel<DequantizeLinear>((op, x) => QuantizeKernels.Dequantize(Layout(x, op.Axis, op.BlockSize), x.Type(0), x.Type(1), x.OutputType(0), x.Has(2))),
        Binding.Kernel<DynamicQuantizeLinear>((op, x) => new DynamicQuantizeKernel(Shape.Count(x.Dims(0)))),
    ];

    private static QuantizationLayout Layout(PrepareContext x, long axis, long block)
    {
        long[] dims = x.Dims(0), scales = x.Dims(1);
        return QuantizationLayout.Of(dims, scales, block == 0 && Shape.Count(scales) == 1 ? 0 : ShapeRules.Axis(axis, dims.Length), block);
    }
}
