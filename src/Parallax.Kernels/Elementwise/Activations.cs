using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>A function of one float32 vector, written once for all widths.</summary>
public interface IFloatOp
{
    V Apply<V>(V x) where V : struct, IVec<V>;
}

/// <summary>One that kernels apply to their results; <see cref="Create"/> takes the parameters.</summary>
public interface IActivationOp<TSelf> : IFloatOp where TSelf : struct, IActivationOp<TSelf>
{
    static abstract TSelf Create(Activation activation);
}

/// <summary>What to take for an activation whose code is known.</summary>
internal interface IActivationChoice<TResult>
{
    TResult For<TOp>() where TOp : struct, IActivationOp<TOp>;
}

internal static class ActivationOps
{
    /// <summary>The choice for the operation of an activation.</summary>
    internal static TResult Select<TResult, TChoice>(ActivationKind kind, TChoice choice) where TChoice : struct, IActivationChoice<TResult> => kind switch
    {
        ActivationKind.None => choice.For<IdentityOp>(),
        ActivationKind.Relu => choice.For<ReluOp>(),
        ActivationKind.Clip => choice.For<ClipOp>(),
        ActivationKind.LeakyRelu => choice.For<LeakyReluOp>(),
        ActivationKind.Sigmoid => choice.For<SigmoidOp>(),
        ActivationKind.Tanh => choice.For<TanhOp>(),
        ActivationKind.Silu => choice.For<SiluOp>(),
        ActivationKind.HardSwish => choice.For<HardSwishOp>(),
        ActivationKind.HardSigmoid => choice.For<HardSigmoidOp>(),
        ActivationKind.GeluErf => choice.For<GeluErfOp>(),
        ActivationKind.GeluTanh => choice.For<GeluTanhOp>(),
        ActivationKind.QuickGelu => choice.For<QuickGeluOp>(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };
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
    public V Apply<V>(V x) where V : struct, IVec<V> => V.Max(default, x);
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
    public V Apply<V>(V x) where V : struct, IVec<V> => FloatMath.Silu(x);
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
    public V Apply<V>(V x) where V : struct, IVec<V> => FloatMath.Gelu(x);
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
    public V Apply<V>(V x) where V : struct, IVec<V> => FloatMath.SiluOf(x, x * V.Create(alpha));
}
