using Parallax.Graphs.Ops;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu;

/// <summary>From the window of an operator to the window over concrete data.</summary>
internal static class Windows
{
    /// <summary>One axis per spatial dim of an input [batch, channels, spatial...].</summary>
    internal static WindowAxis[] Over(SpatialWindow window, ReadOnlySpan<long> inputDims)
    {
        var axes = new WindowAxis[inputDims.Length - 2];
        for (int i = 0; i < axes.Length; i++)
        {
            long input = inputDims[i + 2];
            (long begin, long end) = window.PadsOf(i, input);
            axes[i] = new WindowAxis(input, window.Output(i, input).Value, window.Kernel[i], window.Stride(i), window.Dilation(i), begin, end);
        }
        return axes;
    }

    /// <summary>One axis per spatial dim of a transposed convolution.</summary>
    internal static TransposeAxis[] Over(ConvTranspose op, OperandFacts x)
    {
        long[] dims = x.Dims(0), weights = x.Dims(1), results = x.OutputDims(0);
        Shape filters = x.Inputs[1]!.Shape!.Value;
        SpatialWindow window = op.WindowOver(filters);
        var axes = new TransposeAxis[dims.Length - 2];
        for (int i = 0; i < axes.Length; i++)
            axes[i] = new TransposeAxis(dims[i + 2], results[i + 2], weights[i + 2], window.Stride(i), window.Dilation(i), op.PadsOf(i, dims[i + 2], filters).Begin);
        return axes;
    }
}
