using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>Elementary functions of float32 vectors, to about 2 units in the last place, without tables. NaN stays NaN.</summary>
public static class FloatMath
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private const float Log2E = 1.44269504088896341f;

    /// <summary>Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.</summary>
    private const float Magic = 12582912f;

    /// <summary>e^x. 0 at -infinity, +infinity above 88.73; results below the normal range are subnormal, as they should be.</summary>
    [MethodImpl(Inline)]
    public static V Exp<V>(V x) where V : struct, IVec<V>
    {
        x = Vec.Clamp(x, V.Create(-105f), V.Create(90f));
        V magic = V.Create(Magic), shifted = V.MultiplyAdd(x, V.Create(Log2E), magic);
        V r = Reduce(x, shifted - magic), p = V.MultiplyAdd(ExpFactor(r), r, V.Create(1f));
        // 2^n in two factors, so that neither overflows where the product does not, and subnormal results round once.
        V integer = V.SubtractBits(shifted, magic);
        V half = V.ShiftRightBits(integer, 1);
        return p * PowerOfTwo(half) * PowerOfTwo(V.SubtractBits(integer, half));
    }

    /// <summary>e^x for x within [-87, 88], at half the cost; NaN stays NaN, other x give anything.</summary>
    [MethodImpl(Inline)]
    public static V ExpWithin<V>(V x) where V : struct, IVec<V>
    {
        // With the bias of the exponent in the constant, the low bits are those of 2^n.
        V magic = V.Create(Magic + 127f), shifted = V.MultiplyAdd(x, V.Create(Log2E), magic);
        V r = Reduce(x, shifted - magic), power = V.ShiftLeftBits(shifted, 23);
        // r * 2^n would be subnormal where e^x is just above that, which costs a hundred times as much.
        return V.MultiplyAdd(ExpFactor(r), r, V.Create(1f)) * power;
    }

    /// <summary>
    /// e^x for x up to 88, and 0 where that is below the normal range: for weights that are summed beside 1, where a subnormal changes nothing and costs
    /// a hundred times as much to compute with.
    /// </summary>
    [MethodImpl(Inline)]
    public static V ExpOrZero<V>(V x) where V : struct, IVec<V>
    {
        V limit = V.Create(-87f);
        return V.Select(V.Less(x, limit), default, ExpWithin(V.Max(limit, x)));
    }

    /// <summary>The natural logarithm: NaN below zero, -infinity of zero.</summary>
    [MethodImpl(Inline)]
    public static V Log<V>(V x) where V : struct, IVec<V>
    {
        // Subnormal numbers are made normal: 2^24 of them.
        V isSmall = V.Less(x, V.Create(1.17549435e-38f)), scaled = V.Select(isSmall, x * V.Create(16777216f), x);
        // x = 2^n (1 + r), 1 + r between the square roots of a half and of two.
        V root = V.Create(0.70710678f), n = V.ShiftRightBits(V.SubtractBits(scaled, root), 23);
        V r = V.SubtractBits(scaled, V.ShiftLeftBits(n, 23)) - V.Create(1f);
        V magic = V.Create(Magic), exponent = V.AddBits(n, magic) - magic - V.And(isSmall, V.Create(24f));
        // ln 2 in two parts, of which multiples of the first are exact.
        V log = V.MultiplyAdd(exponent, V.Create(-2.12194440e-4f), LogOnePlusRest(r));
        log = V.MultiplyAdd(exponent, V.Create(0.693359375f), r + log);
        // What is not between zero and infinity stays infinite or NaN, or becomes it.
        V isPositive = V.Less(default, x), rest = V.Select(isPositive, x, V.Select(V.Less(x, default), V.Create(float.NaN), x + V.Create(float.NegativeInfinity)));
        return V.Select(V.And(isPositive, V.Less(x, V.Create(float.PositiveInfinity))), log, rest);
    }

    /// <summary>log(1 + r) - r of r in [-0.3, 0.42], by the polynomial of Cephes' logf.</summary>
    [MethodImpl(Inline)]
    internal static V LogOnePlusRest<V>(V r) where V : struct, IVec<V>
    {
        V square = r * r, p = V.Create(7.0376836292e-2f);
        p = V.MultiplyAdd(p, r, V.Create(-1.1514610310e-1f));
        p = V.MultiplyAdd(p, r, V.Create(1.1676998740e-1f));
        p = V.MultiplyAdd(p, r, V.Create(-1.2420140846e-1f));
        p = V.MultiplyAdd(p, r, V.Create(1.4249322787e-1f));
        p = V.MultiplyAdd(p, r, V.Create(-1.6668057665e-1f));
        p = V.MultiplyAdd(p, r, V.Create(2.0000714765e-1f));
        p = V.MultiplyAdd(p, r, V.Create(-2.4999993993e-1f));
        p = V.MultiplyAdd(p, r, V.Create(3.3333331174e-1f));
        return V.MultiplyAdd(p, r * square, square * V.Create(-0.5f));
    }

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
        // From 10 on the result rounds to 1.
        V far = one - V.Create(2f) / (ExpWithin(V.Min(V.Create(20f), magnitude + magnitude)) + one);
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
        t = V.Min(V.Create(4f), t);
        V st = t * t;
        V r = V.MultiplyAdd(V.Create(-1.72853470e-5f), t, V.Create(3.83197126e-4f));
        V u = V.MultiplyAdd(V.Create(-3.88396438e-3f), t, V.Create(2.42546219e-2f));
        r = V.MultiplyAdd(r, st, u);
        r = V.MultiplyAdd(r, t, V.Create(-1.06777877e-1f));
        r = V.MultiplyAdd(r, t, V.Create(-6.34846687e-1f));
        r = V.MultiplyAdd(r, t, V.Create(-1.28717512e-1f));
        V far = V.Create(1f) - ExpWithin(V.MultiplyAdd(r, t, Vec.Negate(t)));
        V p = V.Create(-5.96761703e-4f);
        p = V.MultiplyAdd(p, s, V.Create(4.99119423e-3f));
        p = V.MultiplyAdd(p, s, V.Create(-2.67681349e-2f));
        p = V.MultiplyAdd(p, s, V.Create(1.12819925e-1f));
        p = V.MultiplyAdd(p, s, V.Create(-3.76125336e-1f));
        p = V.MultiplyAdd(p, s, V.Create(1.28379166e-1f));
        V near = V.MultiplyAdd(p, x, x);
        return Vec.WithSign(V.Select(V.Less(V.Create(0.927734375f), t), far, near), x);
    }

    /// <summary>x (1 + erf(x / √2)) / 2, to 1e-7 of x.</summary>
    [MethodImpl(Inline)]
    public static V Gelu<V>(V x) where V : struct, IVec<V>
    {
        // max(x, 0) - |x| erfc(|x| / √2) / 2. What erfc is e to the power of is s p(s), with the p of degree 7 that makes the largest error of s erfc(s / √2) least.
        // From 10 on nothing is left of it; the limit keeps the exponent in range.
        V s = V.Min(V.Create(10f), Vec.Abs(x));
        V p = V.Create(-1.55376642e-6f);
        p = V.MultiplyAdd(p, s, V.Create(2.30409096e-5f));
        p = V.MultiplyAdd(p, s, V.Create(-1.11842339e-4f));
        p = V.MultiplyAdd(p, s, V.Create(-1.29674561e-4f));
        p = V.MultiplyAdd(p, s, V.Create(4.93305968e-3f));
        p = V.MultiplyAdd(p, s, V.Create(-3.64078321e-2f));
        p = V.MultiplyAdd(p, s, V.Create(-3.18293869e-1f));
        p = V.MultiplyAdd(p, s, V.Create(-7.97885716e-1f));
        return V.MultiplyAdd(s * V.Create(-0.5f), ExpWithin(p * s), V.Max(default, x));
    }

    /// <summary>x / (1 + e^-x).</summary>
    [MethodImpl(Inline)]
    public static V Silu<V>(V x) where V : struct, IVec<V> => SiluOf(x, x);

    /// <summary>x / (1 + e^-y). Where e^-y overflows the result is 1e-36 or less.</summary>
    [MethodImpl(Inline)]
    public static V SiluOf<V>(V x, V y) where V : struct, IVec<V> =>
        x / (V.Create(1f) + ExpWithin(Vec.Negate(Vec.Clamp(y, V.Create(-88f), V.Create(87f)))));

    /// <summary>r = x - n ln2, |r| &lt;= ln2 / 2.</summary>
    [MethodImpl(Inline)]
    private static V Reduce<V>(V x, V n) where V : struct, IVec<V> =>
        V.MultiplyAdd(n, V.Create(2.12194440e-4f), V.MultiplyAdd(n, V.Create(-0.693359375f), x));

    /// <summary>(e^r - 1) / r for |r| &lt;= ln2 / 2: the polynomial of degree 5 that makes the largest relative error of e^r least (2e-9 before rounding).</summary>
    [MethodImpl(Inline)]
    private static V ExpFactor<V>(V r) where V : struct, IVec<V>
    {
        V p = V.Create(1.3843644e-3f);
        p = V.MultiplyAdd(p, r, V.Create(8.3741630e-3f));
        p = V.MultiplyAdd(p, r, V.Create(4.1668002e-2f));
        p = V.MultiplyAdd(p, r, V.Create(1.6666432e-1f));
        p = V.MultiplyAdd(p, r, V.Create(0.49999994f));
        return V.MultiplyAdd(p, r, V.Create(1f));
    }

    [MethodImpl(Inline)]
    private static V PowerOfTwo<V>(V integer) where V : struct, IVec<V> =>
        V.ShiftLeftBits(V.AddBits(integer, V.CreateBits(127)), 23);
}
