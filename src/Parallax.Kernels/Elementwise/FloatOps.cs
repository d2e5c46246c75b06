using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>e^x</summary>
public readonly struct ExpOp : IFloatOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => FloatMath.Exp(x);
}

/// <summary>The natural logarithm.</summary>
public readonly struct LogOp : IFloatOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => FloatMath.Log(x);
}

public readonly struct SqrtOp : IFloatOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => V.Sqrt(x);
}

/// <summary>1 / x</summary>
public readonly struct ReciprocalOp : IFloatOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => V.Create(1f) / x;
}

public readonly struct AbsOp : IFloatOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => Vec.Abs(x);
}

public readonly struct NegateOp : IFloatOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => Vec.Negate(x);
}

public readonly struct ErfOp : IFloatOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => FloatMath.Erf(x);
}

/// <summary><c>positive x</c>, or <c>negative (e^(x inner) - 1)</c> below zero: Elu, Selu and Celu.</summary>
public readonly struct ExponentialLinearOp(float positive, float negative, float inner) : IFloatOp
{
    private readonly float positive = positive, negative = negative, inner = inner;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V>
    {
        // e^t - 1 = 2 tanh(t/2) / (1 - tanh(t/2)) keeps its digits near zero.
        V tanh = FloatMath.Tanh(x * V.Create(inner * 0.5f));
        V below = V.Create(negative) * (tanh + tanh) / (V.Create(1f) - tanh);
        return V.Select(V.Less(x, default), below, V.Create(positive) * x);
    }
}

/// <summary>log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)</summary>
public readonly struct SoftplusOp : IFloatOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> =>
        V.Select(V.Less(x, default), default, x) + LogOnePlus(FloatMath.Exp(Vec.Negate(Vec.Abs(x))));

    /// <summary>log(1 + u) of u in [0, 1], whose argument is kept exact near zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V LogOnePlus<V>(V u) where V : struct, IVec<V>
    {
        V one = V.Create(1f), upper = V.Less(V.Create(0.41421356f), u);
        V x = V.Select(upper, (u - one) * V.Create(0.5f), u);
        V log = x + FloatMath.LogOnePlusRest(x);
        return log + V.And(upper, V.Create(0.69314718f));
    }
}

/// <summary>x / (1 + |x|)</summary>
public readonly struct SoftsignOp : IFloatOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => x / (V.Create(1f) + Vec.Abs(x));
}

/// <summary>x where x is above alpha, else 0. NaN gives 0, as the comparison has it.</summary>
public readonly struct ThresholdedReluOp(float alpha) : IFloatOp
{
    private readonly float alpha = alpha;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => V.And(V.Less(V.Create(alpha), x), x);
}

/// <summary>x + bias below -lambda, x - bias above lambda, else 0.</summary>
public readonly struct ShrinkOp(float lambda, float bias) : IFloatOp
{
    private readonly float lambda = lambda, bias = bias;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> =>
        V.Select(V.Less(x, V.Create(-lambda)), x + V.Create(bias), V.And(V.Less(V.Create(lambda), x), x - V.Create(bias)));
}

/// <summary>x tanh(log(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2)</summary>
public readonly struct MishOp : IFloatOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V>
    {
        // Above 20 the factor rounds to 1; the limit keeps the square finite.
        V e = FloatMath.Exp(V.Select(V.Less(V.Create(20f), x), V.Create(20f), x));
        V n = e * (e + V.Create(2f));
        return x * (n / (n + V.Create(2f)));
    }
}

/// <summary>Row functions of float32 from operators over <see cref="IVec{V}"/>, for the widest vectors of this machine.</summary>
public static unsafe class FloatRow
{
    public static UnaryRow<float, float> Of<TOp>(TOp op) where TOp : struct, IFloatOp => Of(op, Vec.Widest);

    public static UnaryRow<float, float> Of<TOp>(TOp op, VecWidth width) where TOp : struct, IFloatOp => width switch
    {
        VecWidth.V512 => (x, y) => Run<TOp, Vec512>(op, x, y),
        VecWidth.V256 => (x, y) => Run<TOp, Vec256>(op, x, y),
        VecWidth.V128 => (x, y) => Run<TOp, Vec128>(op, x, y),
        _ => (x, y) => Run<TOp, Vec1>(op, x, y),
    };

    /// <summary>max(x, min), then the smaller of that and max; NaN stays NaN.</summary>
    public static void Clip(ReadOnlySpan<float> x, float min, float max, Span<float> y)
    {
        var op = new ClipOp(min, max);
        if (Vec512.IsSupported) Run<ClipOp, Vec512>(op, x, y);
        else if (Vec256.IsSupported) Run<ClipOp, Vec256>(op, x, y);
        else if (Vec128.IsSupported) Run<ClipOp, Vec128>(op, x, y);
        else Run<ClipOp, Vec1>(op, x, y);
    }

    /// <summary>x, or x times the slope where x is negative; <see cref="BinaryRow{TX, TY, TZ}"/> says how long the spans are.</summary>
    public static BinaryRow<float, float, float> PRelu => Vec.Widest switch
    {
        VecWidth.V512 => PReluRow<Vec512>,
        VecWidth.V256 => PReluRow<Vec256>,
        VecWidth.V128 => PReluRow<Vec128>,
        _ => PReluRow<Vec1>,
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PReluRow<V>(ReadOnlySpan<float> x, ReadOnlySpan<float> slope, Span<float> y) where V : struct, IVec<V>
    {
        if (x.Length != y.Length)
            for (int i = 0; i < y.Length; i++) y[i] = x[0] < 0 ? x[0] * slope[i] : x[0];
        else if (slope.Length != y.Length) Run<LeakyReluOp, V>(new LeakyReluOp(slope[0]), x, y);
        else
            fixed (float* from = x, factors = slope, to = y)
            {
                int i = 0;
                for (; i <= x.Length - V.Count; i += V.Count)
                {
                    V value = V.Load(from + i);
                    V.Store(to + i, V.Select(V.Less(value, default), value * V.Load(factors + i), value));
                }
                for (; i < x.Length; i++) to[i] = from[i] < 0 ? from[i] * factors[i] : from[i];
            }
    }

    // Tiering would judge the loop by its first rounds, take its body to be rarely run, and not inline the operations: tens of times slower.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TOp, V>(TOp op, ReadOnlySpan<float> x, Span<float> y) where TOp : struct, IFloatOp where V : struct, IVec<V>
    {
        fixed (float* from = x, to = y)
        {
            int i = 0;
            for (; i <= x.Length - V.Count; i += V.Count) V.Store(to + i, op.Apply(V.Load(from + i)));
            if (i < x.Length) Vec.StorePartial(to + i, op.Apply(Vec.LoadPartial<V>(from + i, x.Length - i)), x.Length - i);
        }
    }
}
