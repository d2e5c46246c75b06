using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Signal;
using Parallax.Runtime.Cpu.Hosts;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class SignalBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<Dft>(CreateDft),
        Binding.Kernel<Stft>(CreateStft),
        Binding.Host<WindowFunction>(WindowHost.Run),
        Binding.Host<MelWeightMatrix>(WindowHost.Run),
    ];

    private static Kernel CreateDft(Dft op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        int axis = ShapeRules.Axis(x.TryGetInts(2, out long[] given) ? given[0] : -2, dims.Length);
        long length = x.TryGetInts(1, out long[] points) ? points[0] : op is { OneSided: true, Inverse: true } ? 2 * (dims[axis] - 1) : dims[axis];
        return SignalKernels.Dft(x.Type(0), dims, axis, checked((int)length), op.Inverse, op.OneSided);
    }

    private static Kernel CreateStft(Stft op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        long length = x.TryGetInts(3, out long[] points) ? points[0] : x.Has(2) ? x.Dims(2)[0] : dims[1];
        if (!x.TryGetInts(1, out long[] step)) throw new InvalidModelException("the frame step must be known when the kernel is prepared");
        return SignalKernels.Stft(x.Type(0), dims, checked((int)length), x.OutputDims(0)[1], step[0], op.OneSided);
    }
}
