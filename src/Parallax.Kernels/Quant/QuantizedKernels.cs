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
            : new QuantizedDepthwise(problem, types, entry?.Width ?? Vec.Widest);
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
}
