using Parallax.Graphs.Ops;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class LossBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<NegativeLogLikelihood>(PrepareLoss),
    ];

    private static Kernel PrepareLoss(NegativeLogLikelihood op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        return TypeDispatch.ForNumber(x.Type(0), new NegativeLogLikelihoodFactory(dims[0], dims[1], Shape.Count(dims.AsSpan(2)), x.Type(1) == DType.Int32, x.Has(2),
            op.IgnoreIndex, op.Reduction != LossReduction.None, op.Reduction == LossReduction.Mean));
    }
}
