namespace Parallax;

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
