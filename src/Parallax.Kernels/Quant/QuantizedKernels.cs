using Parallax.Kernels.Copy;

namespace Parallax.Kernels;

/// <summary>Prepares products and convolutions of 8-bit integers; <see cref="QuantizedTypes"/> is the contract of the arithmetic.</summary>
public static unsafe class QuantizedKernels
{
    /// <summary>
    /// A batch of products laid out as the problem says (strides in elements); its Alpha, Beta, bias, residual and activation are not used.
    /// </summary>
    /// <param name="b">The one B of all products where it is constant, as <see cref="PackedIntegers"/> packs it; input B may then be null. The kernel takes its own reference.</param>
    /// <param name="entry">A supported entry of <see cref="IntegerCatalog"/>, that which packed the constants; null for the best.</param>
    public static Kernel CreateProduct(GemmProblem problem, QuantizedTypes types, PackedIntegers? b = null, IntegerMicroKernel? entry = null) =>
        new QuantizedGemm(problem, types, b, entry ?? IntegerCatalog.Best);

    /// <summary>A convolution over up to three axes; the problem's bias, residual and activation are not used. Padding holds the zero point.</summary>
    /// <param name="weights">The weights where they are constant, packed by <see cref="PackWeights"/>; input A may then be null. The kernel takes its own reference.</param>
    public static Kernel CreateConv(ConvProblem problem, QuantizedTypes types, PackedIntegers? weights = null, IntegerMicroKernel? entry = null)
    {
        problem.Check();
        return UsesPackedWeights(problem, types)
            ? new QuantizedConv(problem, types, weights, entry ?? IntegerCatalog.Best)
            : new QuantizedDepthwiseFirst(problem, types, entry?.Width ?? Vec.Widest);
    }

    /// <summary>Whether a convolution's constant weights are to be packed; otherwise they are read where they are.</summary>
    public static bool UsesPackedWeights(ConvProblem problem, QuantizedTypes types) => !QuantizedDepthwise.Supports(problem, types);

    /// <param name="weights">[OutputChannels, InputChannels / Groups, taps...]</param>
    public static PackedIntegers PackWeights(ConvProblem problem, QuantizedTypes types, byte* weights, IntegerMicroKernel? entry = null)
    {
        int depth = problem.Depth;
        return PackedIntegers.Pack(entry ?? IntegerCatalog.Best, isLeft: true, types.ASigned, weights, problem.GroupOutputs, depth, depth, 1,
            problem.Groups, (long)problem.GroupOutputs * depth);
    }

    /// <summary>
    /// A convolution of data with channels last, [Batch, spatial..., InputChannels], to a result of the same form. All inputs but the data are constant; the weights, whose
    /// zero point is 0, or 128 where they are unsigned, have the form of ONNX. One group, or groups of one channel each.
    /// </summary>
    /// <exception cref="ArgumentException"><see cref="SupportsLast"/> says no.</exception>
    /// <param name="constants">The constant inputs by position, as a run would see them; they are not read again.</param>
    /// <param name="weights">As <see cref="PackWeightsLast"/> packs them; null where <see cref="UsesPackedWeightsLast"/> says that they are not. The kernel takes its own reference.</param>
    public static Kernel CreateConvLast(ConvProblem problem, QuantizedTypes types, in KernelArgs constants, PackedIntegers? weights = null, IntegerMicroKernel? entry = null)
    {
        problem.Check();
        if (!SupportsLast(problem, types)) throw new ArgumentException($"no kernel with channels last for {problem.Groups} groups of {problem.GroupInputs} channels and {problem.Taps} taps", nameof(problem));
        return weights is null
            ? new QuantizedDepthwiseLast(problem, types, constants, entry?.Width ?? Vec.Widest)
            : new QuantizedConvLast(problem, types, constants, weights, entry ?? IntegerCatalog.BestForRows);
    }

    /// <summary>Whether a convolution can be computed with channels last, once its constants allow it.</summary>
    public static bool SupportsLast(ConvProblem problem, QuantizedTypes types) =>
        types.Requantizes && problem.Axes.Length <= 3 && (problem.Groups == 1 || (problem.GroupOutputs == 1 && QuantizedDepthwise.Supports(problem, types)));

    /// <summary>Whether the weights of <see cref="CreateConvLast"/> are to be packed; otherwise they are among the constants.</summary>
    public static bool UsesPackedWeightsLast(ConvProblem problem) => problem.Groups == 1;

    /// <param name="weights">[OutputChannels, InputChannels, taps...]</param>
    public static PackedIntegers PackWeightsLast(ConvProblem problem, QuantizedTypes types, byte* weights, IntegerMicroKernel? entry = null)
    {
        int taps = problem.Taps, inputs = problem.InputChannels, depth = problem.Depth;
        byte[] ordered = new byte[(long)problem.OutputChannels * depth];
        // Channels behind one another, tap after tap.
        fixed (byte* to = ordered)
        {
            for (int output = 0; output < problem.OutputChannels; output++)
                TileTranspose.Run(1, weights + (nint)output * depth, taps, to + (nint)output * depth, inputs, taps, inputs);
            return PackedIntegers.Pack(entry ?? IntegerCatalog.BestForRows, isLeft: false, types.ASigned, to, problem.OutputChannels, depth, depth, 1);
        }
    }

    /// <summary>
    /// A product whose sums become real numbers, <c>Y = float((A - AZero) (B - BZero)) * scale + bias</c>, rounded after each step, of rows by a constant B. Inputs: 0 A [rows, depth], 1 B, 2 AZero (optional),
    /// of A's type, 3 BZero, 4 scale, float32, one or one per column, 5 bias (optional), float32, one per column; output 0 is Y, float32 [rows, columns]. Inputs 1 and 3 are not read.
    /// </summary>
    /// <param name="weights">B, as <see cref="PackedIntegers"/> packs right factors for the entry. The kernel takes its own reference.</param>
    /// <param name="bSigned">Whether B is int8; otherwise uint8.</param>
    /// <param name="bZero">The byte of B's zero point.</param>
    /// <param name="entry">A supported one of <see cref="IntegerCatalog.RowEntries"/>, that which packed B; null for the best.</param>
    public static Kernel CreateScaledProduct(int rows, int columns, int depth, bool aSigned, bool bSigned, byte bZero, bool scalePerColumn, PackedIntegers weights, IntegerMicroKernel? entry = null)
    {
        entry ??= IntegerCatalog.BestForRows;
        return new ScaledIntegerProduct(rows, columns, depth, aSigned, weights, entry.Factor(isLeft: false, (byte)(bZero ^ entry.Flip(isLeft: false, bSigned))), scalePerColumn, entry);
    }
}
