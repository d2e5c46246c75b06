using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;

namespace Parallax.OpenCL.Bindings;

internal static class PoolingBindings
{
    private const int SpatialAxes = 3;

    /// <summary>Places of a row that an item with vectors joins at a time.</summary>
    private const int Seen = 512;

    internal static readonly ClBinding[] All = [ClBinding.Of<Pool>(WhyNot, Prepare)];

    private static string? WhyNot(Pool op, OperandFacts x)
    {
        if (op.Kind == PoolKind.Lp) return "Lp pooling is not supported";
        if (x.Wants(1)) return "positions of the largest elements are not supported";
        int axes = x.Dims(0).Length - 2;
        return axes > SpatialAxes ? $"{axes} spatial axes, at most {SpatialAxes} are supported" : OperandLimits.UnlessFloat32(x, 0);
    }

    private static ClCall Prepare(Pool op, ClPrepareContext x)
    {
        long[] dims = x.Dims(0);
        WindowAxis[] given = Windows.Over(op.Window, dims);
        WindowAxis[] axes = [.. Enumerable.Repeat(WindowAxis.Trivial, SpatialAxes - given.Length), .. given];
        long planes = dims[0] * dims[1];
        string name = op.Kind == PoolKind.Max ? "pool_max" : "pool_average";
        long lines = axes[0].Output * axes[1].Output, reach = (axes[2].Kernel - 1) * axes[2].Dilation + 1;
        ClArg[] args =
        [
            ClArg.Input(0), ClArg.Output(0), ClArg.Int(planes), Of(axis => axis.Input), Of(axis => axis.Output), Of(axis => axis.Kernel), Of(axis => axis.Stride),
            Of(axis => axis.Dilation), Of(axis => axis.PadBegin), Of(axis => op.CountIncludePad ? -axis.PadBegin : 0),
            Of(axis => op.CountIncludePad ? axis.Input + axis.PadEnd : axis.Input),
        ];
        long columns = reach > Seen ? 0 : Math.Min((Seen - reach) / axes[2].Stride + 1, axes[2].Output);
        return ClCall.Of(x.HasVectors && columns >= Math.Min(x.Context.Lanes, axes[2].Output)
            ? new ClLaunch(x.VectorKernel("pooling", $"{name}_rows", $"-DSEEN={Seen}"), x.OverVectors((axes[2].Output + columns - 1) / Math.Max(1, columns), lines, planes), [.. args, ClArg.Int(columns)])
            : new ClLaunch(x.Kernel("pooling", name), x.Over(axes[2].Output, lines, planes), [.. args]));

        ClArg Of(Func<WindowAxis, long> number) => ClArg.Ints(number(axes[0]), number(axes[1]), number(axes[2]), 0);
    }
}
