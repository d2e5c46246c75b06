using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>Where the parts of a quantized product lie among a node's inputs; -1 where one is absent. Absent zero points are 0.</summary>
/// <param name="A">The left operand: rows of the result. In a convolution, the weights.</param>
/// <param name="AZero">Zero point of A, of A's type: one, or one per row.</param>
/// <param name="BZero">Zero point of B, of B's type: one, or one per column (one only in a convolution).</param>
/// <param name="AScale">float32: one, or one per row.</param>
/// <param name="BScale">float32: one, or one per column (one only in a convolution).</param>
/// <param name="YScale">float32; -1 where the result is the int32 sum itself.</param>
/// <param name="YZero">Zero point of the result, of its type.</param>
/// <param name="Bias">int32 or float32, one per row of a convolution, per column of a product; only where YScale is present.</param>
/// <param name="BiasScale">float32, the unit of an int32 bias: one, or one per element of it; where it is absent the unit is AScale * BScale.</param>
public sealed record QuantizedInputs(
    int A, int B, int AZero = -1, int BZero = -1, int AScale = -1, int BScale = -1, int YScale = -1, int YZero = -1, int Bias = -1, int BiasScale = -1)
{
    /// <summary>ONNX MatMulInteger.</summary>
    public static QuantizedInputs MatMulInteger(bool hasAZero, bool hasBZero) => new(0, 1, hasAZero ? 2 : -1, hasBZero ? 3 : -1);

    /// <summary>ONNX QLinearMatMul.</summary>
    public static QuantizedInputs QLinearMatMul => new(0, 3, 2, 5, 1, 4, 6, 7);

    /// <summary>QLinearMatMul, and the bias behind its inputs.</summary>
    public static QuantizedInputs BiasedMatMul(bool hasBiasScale) => QLinearMatMul with { Bias = 8, BiasScale = hasBiasScale ? 9 : -1 };

    /// <summary>ONNX ConvInteger; A is w.</summary>
    public static QuantizedInputs ConvInteger(bool hasXZero, bool hasWZero) => new(1, 0, hasWZero ? 3 : -1, hasXZero ? 2 : -1);

    /// <summary>ONNX QLinearConv, and the scale of the bias behind its inputs; A is w.</summary>
    public static QuantizedInputs QLinearConv(bool hasBias, bool hasBiasScale = false) => new(3, 0, 5, 2, 4, 1, 6, 7, hasBias ? 8 : -1, hasBiasScale ? 9 : -1);
}

/// <summary>
/// Products of 8-bit integers, exact in int32: <c>sum = (A - AZero) (B - BZero)</c>. The result is the sum as int32, or, where
/// <see cref="QuantizedInputs.YScale"/> is present, <c>limit(round((sum * AScale * BScale + bias) / YScale) + YZero)</c> with ties to even, in 8 bits.
/// </summary>
/// <param name="Inputs">The positions of everything.</param>
public sealed record QuantizedTypes(QuantizedInputs Inputs)
{
    /// <summary>Whether A is int8; otherwise uint8.</summary>
    public bool ASigned { get; init; }

    public bool BSigned { get; init; }

    /// <summary>Whether an 8-bit result is int8.</summary>
    public bool YSigned { get; init; }

    /// <summary>Whether zero point and scale of A are one per row.</summary>
    public bool AZeroPerRow { get; init; }

    public bool AScalePerRow { get; init; }

    public bool BZeroPerColumn { get; init; }

    public bool BScalePerColumn { get; init; }

    /// <summary>Whether the bias is float32; otherwise int32.</summary>
    public bool BiasIsFloat { get; init; }

    /// <summary>Whether the scale of the bias is one per element of it.</summary>
    public bool BiasScalePerLane { get; init; }

    /// <summary>The smallest result, where that is not the type's.</summary>
    public int Low { get; init; } = int.MinValue;

    /// <summary>The largest result, where that is not the type's.</summary>
    public int High { get; init; } = int.MaxValue;

    internal bool Requantizes => Inputs.YScale >= 0;

    internal Requantizer Requantizer(in KernelArgs args) => new QuantizedResult(Inputs.YScale, Inputs.YZero, YSigned, Low, High).Requantizer(args);
}

/// <summary>How sums become results, <c>y = sum * Factor + Addend</c> in units of the result's scale: where the parameters lie, looked up once for a run.</summary>
internal readonly unsafe struct ResultScales
{
    private readonly float* aScale, bScale, biasScale;
    private readonly void* bias;
    private readonly double yScale;
    private readonly int aStep, bStep, biasScaleStep;
    private readonly bool biasIsFloat;

    internal ResultScales(QuantizedTypes types, in KernelArgs args)
    {
        QuantizedInputs inputs = types.Inputs;
        aScale = args.Input<float>(inputs.AScale);
        bScale = args.Input<float>(inputs.BScale);
        biasScale = inputs.BiasScale < 0 ? null : args.Input<float>(inputs.BiasScale);
        bias = inputs.Bias < 0 ? null : args.Input<byte>(inputs.Bias);
        yScale = *args.Input<float>(inputs.YScale);
        (aStep, bStep, biasScaleStep) = (types.AScalePerRow ? 1 : 0, types.BScalePerColumn ? 1 : 0, types.BiasScalePerLane ? 1 : 0);
        biasIsFloat = types.BiasIsFloat;
    }

    /// <param name="lane">The element of the bias.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal (double Factor, double Addend) At(int row, int column, int lane)
    {
        double scale = (double)aScale[row * aStep] * bScale[column * bStep];
        double addend = bias == null ? 0 : biasIsFloat ? ((float*)bias)[lane] : ((int*)bias)[lane] * (biasScale == null ? scale : biasScale[lane * biasScaleStep]);
        return (scale / yScale, addend / yScale);
    }
}
