using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>The functions that a kernel can apply to its result while it is in cache.</summary>
public enum ActivationKind
{
    None,
    /// <summary>max(x, 0)</summary>
    Relu,
    /// <summary>x limited to [Alpha, Beta]; infinities mean no limit.</summary>
    Clip,
    /// <summary>x, or Alpha x where x is negative.</summary>
    LeakyRelu,
    Sigmoid,
    Tanh,
    /// <summary>x sigmoid(x)</summary>
    Silu,
    /// <summary>x clip(x / 6 + 1/2, 0, 1)</summary>
    HardSwish,
    /// <summary>clip(Alpha x + Beta, 0, 1)</summary>
    HardSigmoid,
    /// <summary>x / 2 (1 + erf(x / sqrt 2))</summary>
    GeluErf,
    /// <summary>x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))</summary>
    GeluTanh,
    /// <summary>x sigmoid(Alpha x)</summary>
    QuickGelu,
}

/// <summary>An activation with its parameters. The default value is the identity. NaN stays NaN in all of them.</summary>
public readonly record struct Activation(ActivationKind Kind, float Alpha = 0f, float Beta = 0f)
{
    public static Activation None => default;
    public static Activation Relu => new(ActivationKind.Relu);
    public static Activation Sigmoid => new(ActivationKind.Sigmoid);
    public static Activation Tanh => new(ActivationKind.Tanh);
    public static Activation Silu => new(ActivationKind.Silu);
    public static Activation HardSwish => new(ActivationKind.HardSwish);
    public static Activation GeluErf => new(ActivationKind.GeluErf);
    public static Activation GeluTanh => new(ActivationKind.GeluTanh);
    public static Activation Clip(float min, float max) => new(ActivationKind.Clip, min, max);
    public static Activation LeakyRelu(float alpha = 0.01f) => new(ActivationKind.LeakyRelu, alpha);
    public static Activation HardSigmoid(float alpha = 0.2f, float beta = 0.5f) => new(ActivationKind.HardSigmoid, alpha, beta);
    public static Activation QuickGelu(float alpha = 1.702f) => new(ActivationKind.QuickGelu, alpha);
}

/// <summary>A function of one float32 vector, written once for all widths; <see cref="Create"/> takes the parameters.</summary>
public interface IActivationOp<TSelf> where TSelf : struct, IActivationOp<TSelf>
{
    static abstract TSelf Create(Activation activation);

    V Apply<V>(V x) where V : struct, IVec<V>;
}

public readonly struct IdentityOp : IActivationOp<IdentityOp>
{
    public static IdentityOp Create(Activation activation) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => x;
}

public readonly struct ReluOp : IActivationOp<ReluOp>
{
    public static ReluOp Create(Activation activation) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => V.Select(V.Less(x, default), default, x);
}

public readonly struct ClipOp(float min, float max) : IActivationOp<ClipOp>
{
    private readonly float min = min, max = max;

    public static ClipOp Create(Activation activation) => new(activation.Alpha, activation.Beta);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => Vec.Clamp(x, V.Create(min), V.Create(max));
}

public readonly struct LeakyReluOp(float alpha) : IActivationOp<LeakyReluOp>
{
    private readonly float alpha = alpha;

    public static LeakyReluOp Create(Activation activation) => new(activation.Alpha);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => V.Select(V.Less(x, default), x * V.Create(alpha), x);
}

public readonly struct SigmoidOp : IActivationOp<SigmoidOp>
{
    public static SigmoidOp Create(Activation activation) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => FloatMath.Sigmoid(x);
}

public readonly struct TanhOp : IActivationOp<TanhOp>
{
    public static TanhOp Create(Activation activation) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => FloatMath.Tanh(x);
}

public readonly struct SiluOp : IActivationOp<SiluOp>
{
    public static SiluOp Create(Activation activation) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => x * FloatMath.Sigmoid(x);
}

public readonly struct HardSwishOp : IActivationOp<HardSwishOp>
{
    public static HardSwishOp Create(Activation activation) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> =>
        x * Vec.Clamp(V.MultiplyAdd(x, V.Create(1f / 6f), V.Create(0.5f)), default, V.Create(1f));
}

public readonly struct HardSigmoidOp(float alpha, float beta) : IActivationOp<HardSigmoidOp>
{
    private readonly float alpha = alpha, beta = beta;

    public static HardSigmoidOp Create(Activation activation) => new(activation.Alpha, activation.Beta);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> =>
        Vec.Clamp(V.MultiplyAdd(x, V.Create(alpha), V.Create(beta)), default, V.Create(1f));
}

public readonly struct GeluErfOp : IActivationOp<GeluErfOp>
{
    public static GeluErfOp Create(Activation activation) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> =>
        x * V.Create(0.5f) * (V.Create(1f) + FloatMath.Erf(x * V.Create(0.70710678118654752f)));
}

public readonly struct GeluTanhOp : IActivationOp<GeluTanhOp>
{
    public static GeluTanhOp Create(Activation activation) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V>
    {
        V inner = V.MultiplyAdd(x * x * x, V.Create(0.044715f), x) * V.Create(0.79788456080286536f);
        return x * V.Create(0.5f) * (V.Create(1f) + FloatMath.Tanh(inner));
    }
}

public readonly struct QuickGeluOp(float alpha) : IActivationOp<QuickGeluOp>
{
    private readonly float alpha = alpha;

    public static QuickGeluOp Create(Activation activation) => new(activation.Alpha);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Apply<V>(V x) where V : struct, IVec<V> => x * FloatMath.Sigmoid(x * V.Create(alpha));
}
