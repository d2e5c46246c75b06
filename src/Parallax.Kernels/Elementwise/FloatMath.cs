using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>Elementary functions of float32 vectors, to about 2 units in the last place, without tables. NaN stays NaN.</summary>
public static class FloatMath
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    /// <summary>e^x. 0 at -infinity, +infinity above 88.73; results below the normal range are subnormal, as they should be.</summary>
    [MethodImpl(Inline)]
    public static V Exp<V>(V x) where V : struct, IVec<V>
    {
        // x = n ln2 + r, |r| <= ln2/2. Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
        x = Vec.Clamp(x, V.Create(-105f), V.Create(90f));
        V magic = V.Create(12582912f);
        V shifted = V.MultiplyAdd(x, V.Create(1.44269504088896341f), magic);
        V n = shifted - magic;
        V r = V.MultiplyAdd(n, V.Create(-0.693359375f), x);
        r = V.MultiplyAdd(n, V.Create(2.12194440e-4f), r);
        V p = V.Create(1.9875691500e-4f);
        p = V.MultiplyAdd(p, r, V.Create(1.3981999507e-3f));
        p = V.MultiplyAdd(p, r, V.Create(8.3334519073e-3f));
        p = V.MultiplyAdd(p, r, V.Create(4.1665795894e-2f));
        p = V.MultiplyAdd(p, r, V.Create(1.6666665459e-1f));
        p = V.MultiplyAdd(p, r, V.Create(5.0000001201e-1f));
        p = V.MultiplyAdd(p, r * r, r) + V.Create(1f);
        // 2^n in two factors, so that neither overflows where the product does not, and subnormal results round once.
        V integer = V.SubtractBits(shifted, magic);
        V half = V.ShiftRightBits(integer, 1);
        return p * PowerOfTwo(half) * PowerOfTwo(V.SubtractBits(integer, half));
    }

    /// <summary>
    /// e^x for x up to 0, and 0 where that is below the normal range: for weights that are summed beside 1, where a subnormal changes nothing and costs
    /// a hundred times as much to compute with.
    /// </summary>
    [MethodImpl(Inline)]
    public static V ExpOrZero<V>(V x) where V : struct, IVec<V> => V.Select(V.Less(x, V.Create(-87f)), default, Exp(Vec.Clamp(x, V.Create(-87f), V.Create(90f))));

    /// <summary>1 / (1 + e^-x), accurate in both tails.</summary>
    [MethodImpl(Inline)]
    public static V Sigmoid<V>(V x) where V : struct, IVec<V>
    {
        V one = V.Create(1f);
        V e = Exp(V.Or(x, V.CreateBits(int.MinValue)));
        return V.Select(V.Less(x, default), e, one) / (one + e);
    }

    [MethodImpl(Inline)]
    public static V Tanh<V>(V x) where V : struct, IVec<V>
    {
        V magnitude = Vec.Abs(x), one = V.Create(1f);
        V far = one - V.Create(2f) / (Exp(magnitude + magnitude) + one);
        V z = x * x;
        V p = V.Create(-5.70498872745e-3f);
        p = V.MultiplyAdd(p, z, V.Create(2.06390887954e-2f));
        p = V.MultiplyAdd(p, z, V.Create(-5.37397155531e-2f));
        p = V.MultiplyAdd(p, z, V.Create(1.33314422036e-1f));
        p = V.MultiplyAdd(p, z, V.Create(-3.33332819422e-1f));
        V near = V.MultiplyAdd(p * z, x, x);
        return Vec.WithSign(V.Select(V.Less(magnitude, V.Create(0.625f)), near, far), x);
    }

    /// <summary>The error function: a polynomial near zero, 1 - exp(polynomial) in the tails.</summary>
    [MethodImpl(Inline)]
    public static V Erf<V>(V x) where V : struct, IVec<V>
    {
        V t = Vec.Abs(x), s = x * x;
        // At 4 the result rounds to 1; the limit keeps the polynomial of the tail finite.
        t = V.Select(V.Less(V.Create(4f), t), V.Create(4f), t);
        V st = t * t;
        V r = V.MultiplyAdd(V.Create(-1.72853470e-5f), t, V.Create(3.83197126e-4f));
        V u = V.MultiplyAdd(V.Create(-3.88396438e-3f), t, V.Create(2.42546219e-2f));
        r = V.MultiplyAdd(r, st, u);
        r = V.MultiplyAdd(r, t, V.Create(-1.06777877e-1f));
        r = V.MultiplyAdd(r, t, V.Create(-6.34846687e-1f));
        r = V.MultiplyAdd(r, t, V.Create(-1.28717512e-1f));
        V far = V.Create(1f) - Exp(V.MultiplyAdd(r, t, Vec.Negate(t)));
        V p = V.Create(-5.96761703e-4f);
        p = V.MultiplyAdd(p, s, V.Create(4.99119423e-3f));
        p = V.MultiplyAdd(p, s, V.Create(-2.67681349e-2f));
        p = V.MultiplyAdd(p, s, V.Create(1.12819925e-1f));
        p = V.MultiplyAdd(p, s, V.Create(-3.76125336e-1f));
        p = V.MultiplyAdd(p, s, V.Create(1.28379166e-1f));
        V near = V.MultiplyAdd(p, x, x);
        return Vec.WithSign(V.Select(V.Less(V.Create(0.927734375f), t), far, near), x);
    }

    [MethodImpl(Inline)]
    private static V PowerOfTwo<V>(V integer) where V : struct, IVec<V> =>
        V.ShiftLeftBits(V.AddBits(integer, V.CreateBits(127)), 23);
}
