using Parallax.Graphs.Ops;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class RandomBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<RandomNumbers>((op, x) => op.Normal
            ? RandomKernels.Normal(x.OutputType(0), Shape.Count(x.OutputDims(0)), op.First, op.Second, op.Seed)
            : RandomKernels.Uniform(x.OutputType(0), Shape.Count(x.OutputDims(0)), op.First, op.Second, op.Seed)),
        Binding.Kernel<Bernoulli>((op, x) => RandomKernels.Bernoulli(x.Type(0), x.OutputType(0), Shape.Count(x.Dims(0)), op.Seed)),
        Binding.Kernel<Multinomial>((op, x) => RandomKernels.Multinomial(x.Type(0), op.Type, x.Dims(0)[0], x.Dims(0)[1], op.Samples, op.Seed)),
        Binding.Kernel<Dropout>((op, x) => RandomKernels.Dropout(x.Type(0), Shape.Count(x.Dims(0)), x.Has(1) ? x.Type(1) : null, x.Has(2), x.Wants(1), op.Seed)),
    ];
}
