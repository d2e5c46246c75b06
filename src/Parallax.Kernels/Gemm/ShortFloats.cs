using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>How a constant right operand may be kept.</summary>
public enum WeightForm
{
    /// <summary>In 32 bits.</summary>
    Float32,

    /// <summary>In 16 bits where every element can be, with all its bits.</summary>
    ShortIfExact,

    /// <summary>In 16 bits, rounded to 11 significant ones where that must be.</summary>
    Short,
}

/// <summary>
/// Floats of 16 bits: a sign, 5 bits of an exponent and 10 of a mantissa behind a leading one. The exponents of a matrix are those of its largest element and the 29 below; what is smaller is 0. So all
/// are normal numbers, unlike those of IEEE's half precision, and become float32 by a shift and a multiplication with a power of two. But for the codes of the highest exponent, the bits are those of a half that is a
/// power of two times the element. Thread-safe.
/// </summary>
public static unsafe class ShortFloats
{
    /// <summary>Bits of a float32's mantissa behind those that are kept.</summary>
    private const int Shift = 13;

    /// <summary>Panels follow one another in memory: while elements are widened, those so far behind them, of the next panel or the one after, are fetched.</summary>
    private const int Ahead = 1024;

    /// <summary>The code of the largest element's exponent: one below the last, for rounding may carry.</summary>
    public const int TopExponent = 30;

    /// <summary>A sign extended to 16 bits and shifted leaves copies of itself between itself and the exponent.</summary>
    private const int WithoutCopies = unchecked((int)0x8FFFFFFF);

    /// <summary>Whether all elements end where the mantissa of a short one does.</summary>
    internal static bool AreRound(ReadOnlySpan<float> values)
    {
        int bits = 0;
        foreach (float value in values) bits |= BitConverter.SingleToInt32Bits(value);
        return (bits & ((1 << Shift) - 1)) == 0;
    }

    /// <summary>What elements are multiples of, for a matrix whose largest magnitude is given; NaN where there is no such power of two, as for what is not finite.</summary>
    internal static float Scale(float largest, int topExponent = TopExponent)
    {
        int exponent = BitConverter.SingleToInt32Bits(largest) >>> 23;
        return largest == 0 ? 1 : exponent == 0 || exponent > 126 + topExponent ? float.NaN : BitConverter.Int32BitsToSingle((exponent - topExponent + 127) << 23);
    }

    /// <summary>What elements of a matrix are multiples of, a power of two; NaN where there is none for its largest magnitude, as for what is not finite.</summary>
    /// <param name="topExponent">The code of the largest magnitude's exponent, up to <see cref="TopExponent"/>: with a lower one, fewer exponents below it have codes, and what is smaller is 0.</param>
    public static float Scale(ReadOnlySpan<float> elements, int topExponent = TopExponent) => elements.IsEmpty ? 1 : Scale(Math.Abs(TensorPrimitives.MaxMagnitude(elements)), topExponent);

    /// <summary>Rounds to nearest, ties to even.</summary>
    /// <param name="to">As long as <paramref name="from"/>.</param>
    /// <param name="scale">From <see cref="Scale(ReadOnlySpan{float}, int)"/>, for at least these elements.</param>
    public static void Narrow(ReadOnlySpan<float> from, Span<short> to, float scale)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(to.Length, from.Length);
        fixed (float* source = from)
        fixed (short* target = to) Narrow(source, target, from.Length, scale);
    }

    /// <summary>The same.</summary>
    /// <returns>Whether all elements have kept all their bits.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static bool Narrow(float* from, short* to, nint count, float scale)
    {
        bool isExact = true;
        Vector128<float> scales = Vector128.Create(scale);
        nint i = 0;
        for (; i <= count - Vector128<short>.Count; i += Vector128<short>.Count)
        {
            Vector128<float> low = Vector128.Load(from + i), high = Vector128.Load(from + i + Vector128<float>.Count);
            Vector128<int> narrowLow = Code(low, scale), narrowHigh = Code(high, scale);
            isExact &= Value(narrowLow, scales) == low && Value(narrowHigh, scales) == high;
            Vector128.Store(Vector128.Narrow(narrowLow, narrowHigh), to + i);
        }
        for (; i < count; i++)
        {
            to[i] = (short)Code(Vector128.Create(from[i]), scale)[0];
            isExact &= Value(to[i], scale) == from[i];
        }
        return isExact;
    }

    /// <summary>Sign-extended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Code(Vector128<float> value, float scale)
    {
        Vector128<int> bits = (value / scale).AsInt32(), magnitude = bits & Vector128.Create(int.MaxValue);
        Vector128<int> rounded = (magnitude + Vector128.Create((1 << (Shift - 1)) - 1) + ((magnitude >> Shift) & Vector128<int>.One)) >> Shift;
        rounded &= Vector128.GreaterThanOrEqual(rounded, Vector128.Create(1 << (23 - Shift)));
        return ((bits >> 31) & Vector128.Create((int)short.MinValue)) | rounded;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Widen(short* from, float* to, nint count, float scale)
    {
        nint i = 0;
        Vector512<float> scales = Vector512.Create(scale);
        if (Vector512.IsHardwareAccelerated)
            for (; i <= count - Vector512<short>.Count; i += Vector512<short>.Count)
            {
                Vec.Prefetch(from + i + Ahead);
                (Vector512<int> low, Vector512<int> high) = Vector512.Widen(Vector512.Load(from + i));
                Vector512.Store(Value(low, scales), to + i);
                Vector512.Store(Value(high, scales), to + i + Vector512<float>.Count);
            }
        if (Vector256.IsHardwareAccelerated)
            for (; i <= count - Vector256<short>.Count; i += Vector256<short>.Count)
            {
                Vec.Prefetch(from + i + Ahead);
                (Vector256<int> low, Vector256<int> high) = Vector256.Widen(Vector256.Load(from + i));
                Vector256.Store(Value(low, scales.GetLower()), to + i);
                Vector256.Store(Value(high, scales.GetLower()), to + i + Vector256<float>.Count);
            }
        for (; i <= count - Vector128<short>.Count; i += Vector128<short>.Count)
        {
            Vec.Prefetch(from + i + Ahead);
            (Vector128<int> low, Vector128<int> high) = Vector128.Widen(Vector128.Load(from + i));
            Vector128.Store(Value(low, scales.GetLower().GetLower()), to + i);
            Vector128.Store(Value(high, scales.GetLower().GetLower()), to + i + Vector128<float>.Count);
        }
        for (; i < count; i++) to[i] = Value(from[i], scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Value(Vector512<int> value, Vector512<float> scale) => ((value << Shift) & Vector512.Create(WithoutCopies)).AsSingle() * scale;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Value(Vector256<int> value, Vector256<float> scale) => ((value << Shift) & Vector256.Create(WithoutCopies)).AsSingle() * scale;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<float> Value(Vector128<int> value, Vector128<float> scale) => ((value << Shift) & Vector128.Create(WithoutCopies)).AsSingle() * scale;

    internal static float Value(short value, float scale) => BitConverter.Int32BitsToSingle((value << Shift) & WithoutCopies) * scale;
}
