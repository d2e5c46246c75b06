namespace Parallax.Kernels;

/// <summary>Prepares products and convolutions of 8-bit integers; <see cref="QuantizedTypes"/> is the contract of the arithmetic.</summary>
public static class QuantizedKernels
{
    /// <summary>
    /// A batch of products laid out as the problem says (strides in elements); its Alpha, Beta, bias, residual and activation are not used.
    /// </summary>
    /// <param name="width">Null for the widest vectors of this machine.</param>
    public static Kernel CreateProduct(GemmProblem problem, QuantizedTypes types, VecWidth? width = null) =>
        new QuantizedGemm(problem, types, width ?? Vec.Widest);

    /// <summary>A convolution over any number of axes; the problem's bias, residual and activation are not used. Padding holds the zero point.</summary>
    public static Kernel CreateConv(ConvProblem problem, QuantizedTypes types, VecWidth? width = null)
    {
        problem.Check();
        return new QuantizedConv(problem, types, width ?? Vec.Widest);
    }

    internal static string Name(string form, VecWidth width) => width == VecWidth.Scalar ? $"{form}_scalar" : $"{form}_v{32 * (int)width}";
}

internal sealed unsafe class QuantizedGemm(GemmProblem problem, QuantizedTypes types, VecWidth width) : Kernel
{
    private readonly QuantizedProduct product = new(types, problem.M, problem.N, problem.K, width);

    public override string Name => QuantizedKernels.Name("gemm_i8_pairs", width);

    public override long WorkerScratchBytes => QuantizedProduct.WorkerScratchBytes;

    public override int BlockCount(int phase) => problem.BatchCount * product.MBlocks * product.NBlocks;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int index, int part) = Math.DivRem(block, product.MBlocks * product.NBlocks);
        nint c = (nint)(problem.CBatch?[index] ?? 0);
        var columns = new StridedColumns((nint)problem.B.RowStride, (nint)problem.B.ColumnStride);
        product.RunBlock(part, args.Input<byte>(types.Inputs.A) + (problem.ABatch?[index] ?? 0), (nint)problem.A.RowStride, (nint)problem.A.ColumnStride,
            args.Input<byte>(types.Inputs.B) + (problem.BBatch?[index] ?? 0), columns,
            args.Output<byte>(0) + c * (types.Requantizes ? 1 : sizeof(int)), (nint)problem.CRowStride, 0, args);
    }

    private readonly struct StridedColumns(nint rowStride, nint columnStride) : IQuantizedColumns
    {
        public void Fill(short* target, int width, int start, int depth, int column, int columns, byte* b, int* offsets, int flip)
        {
            for (int k = 0; k < depth; k++)
            {
                short* to = target + k / 2 * 2 * width + k % 2;
                byte* from = b + (start + k) * rowStride + column * columnStride;
                for (int j = 0; j < columns; j++)
                    to[2 * j] = (short)((from[j * columnStride] ^ flip) - offsets[j]);
            }
        }
    }
}

internal sealed unsafe class QuantizedConv(ConvProblem problem, QuantizedTypes types, VecWidth width) : Kernel
{
    private readonly QuantizedProduct product = new(types, problem.GroupOutputs, problem.OutputPlane, problem.GroupInputs * problem.Taps, width);

    public override string Name => QuantizedKernels.Name("conv_i8_pairs", width);

    public override long WorkerScratchBytes => QuantizedProduct.WorkerScratchBytes;

    public override int BlockCount(int phase) => problem.Batch * problem.Groups * product.MBlocks * product.NBlocks;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int index, int part) = Math.DivRem(block, product.MBlocks * product.NBlocks);
        (int image, int group) = Math.DivRem(index, problem.Groups);
        nint depth = (nint)problem.GroupInputs * problem.Taps, plane = problem.OutputPlane;
        nint y = ((nint)image * problem.OutputChannels + group * problem.GroupOutputs) * plane;
        product.RunBlock(part, args.Input<byte>(types.Inputs.A) + group * problem.GroupOutputs * depth, depth, 1,
            args.Input<byte>(types.Inputs.B) + ((nint)image * problem.InputChannels + group * problem.GroupInputs) * problem.InputPlane,
            new PatchColumns(problem), args.Output<byte>(0) + y * (types.Requantizes ? 1 : sizeof(int)), plane, group * problem.GroupOutputs, args);
    }

    /// <summary>Row k of B is one tap of one channel; what lies in the padding stays zero.</summary>
    private readonly struct PatchColumns(ConvProblem problem) : IQuantizedColumns
    {
        private readonly WindowAxis[] axes = problem.Axes;
        private readonly int taps = problem.Taps, plane = problem.InputPlane;

        public void Fill(short* target, int width, int start, int depth, int column, int columns, byte* b, int* offsets, int flip)
        {
            // Channels are the outer part of the depth: a tap's place is found once for all of them.
            for (int first = 0; first < Math.Min(taps, depth); first++)
            {
                for (int j = 0; j < columns; j++)
                {
                    nint at = Locate((start + first) % taps, column + j);
                    if (at < 0)
                        continue;
                    byte* from = b + (nint)((start + first) / taps) * plane + at;
                    for (int k = first; k < depth; k += taps, from += plane)
                        target[(k / 2 * width + j) * 2 + k % 2] = (short)((*from ^ flip) - offsets[j]);
                }
            }
        }

        private nint Locate(int tap, int result)
        {
            nint at = 0, stride = 1;
            for (int i = axes.Length - 1; i >= 0; i--)
            {
                ref readonly WindowAxis axis = ref axes[i];
                (tap, int k) = Math.DivRem(tap, (int)axis.Kernel);
                (result, int place) = Math.DivRem(result, (int)axis.Output);
                long from = axis.Start(place) + k * axis.Dilation;
                if (from < 0 || from >= axis.Input)
                    return -1;
                at += (nint)from * stride;
                stride *= (nint)axis.Input;
            }
            return at;
        }
    }
}
