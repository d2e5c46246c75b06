using Parallax.Kernels;
using Parallax.OpenCL.Calls;

namespace Parallax.OpenCL.Bindings;

/// <summary>
/// A factor of products. Short elements are <see cref="ShortFloats"/>, rounded as the CPU's are, with a highest exponent that makes them halves of IEEE: any device reads those as float32 (<c>vload_half</c>), and as there is no
/// subnormal one, none loses any.
/// </summary>
/// <param name="Elements">Float32, or 16 bits.</param>
/// <param name="Scale">What the elements are multiplied with, a power of two.</param>
internal readonly record struct ClFactor(ClArg Elements, bool IsShort, float Scale)
{
    /// <summary>
    /// Products that are summed in half precision before their sum is added in float32. With s = 16 of them, u = 2^-11 and w the largest weight, a sum over k of x_k w_k is off by at most the sum of
    /// <c>(s + 4) u |x_k w_k| + 2^-14 |w_k| + 2^-18 |w| (|x_k| + 1)</c>, beside what float32 adds: the first term is the rounding of both factors, of the product and of s sums; the others are what is smaller than half's
    /// normal numbers, 2^-14 and up, and lost on some devices, of activations, and of weights and products, of which the largest weight is 16 to 32.
    /// </summary>
    internal const int HalfSteps = 16;

    /// <summary>The exponent's code of the largest weight where products are computed in half: 16 to 32 as half, so that the products of a slab stay below 65504 where activations stay below 127.</summary>
    private const int HalfTopExponent = 19;

    /// <summary>Elsewhere: that of 2^14. The next one is the last that IEEE's half has for finite numbers, and rounding may carry.</summary>
    private const int TopExponent = ShortFloats.TopExponent - 1;

    public static implicit operator ClFactor(ClArg float32) => new(float32, false, 1);

    internal static ClFactor Short(ClArg elements, float scale) => new(elements, true, scale);

    /// <summary>The exponent's code of a matrix' largest element.</summary>
    internal static int TopExponentFor(bool inHalf) => inHalf ? HalfTopExponent : TopExponent;
}

/// <summary>A constant factor of products in the device's memory, made once for a model.</summary>
internal sealed class ClWeights : IDisposable
{
    /// <summary>What a half is multiplied with to be what its bits are in the code of <see cref="ShortFloats"/>, before the scale.</summary>
    private static readonly float HalfUnit = MathF.ScaleB(1, -112);

    private readonly ClBuffer buffer;

    /// <summary>Copies a float32 matrix to the device, in 16 bits where all elements are finite and there is a scale for the largest.</summary>
    /// <param name="topExponent">The exponent's code of the largest element.</param>
    internal ClWeights(ClContext context, Tensor matrix, int topExponent)
    {
        Span<float> elements = matrix.Span<float>();
        float scale = ShortFloats.Scale(elements, topExponent);
        if (!float.IsNormal(scale * HalfUnit))
        {
            buffer = context.Copy(matrix);
            Factor = ClArg.Weight(buffer);
            return;
        }
        using Tensor narrow = Tensor.Allocate(DType.Int16, [elements.Length]);
        ShortFloats.Narrow(elements, narrow.Span<short>(), scale);
        buffer = context.Copy(narrow);
        Factor = ClFactor.Short(ClArg.Weight(buffer), scale * HalfUnit);
    }

    internal ClFactor Factor { get; }

    public void Dispose() => buffer.Dispose();
}
