namespace Parallax.Kernels;

/// <summary>Where the parts of a quantized product lie among a node's inputs; -1 where one is absent. Absent zero points are 0.</summary>
/// <param name="A">The left operand: rows of the result. In a convolution, the weights.</param>
/// <param name="AZero">Zero point of A, of A's type: one, or one per row.</param>
/// <param name="BZero">Zero point of B, of B's type: one, or one per column (one only in a convolution).</param>
/// <param name="AScale">float32: one, or one per row.</param>
/// <param name="BScale">float32: one, or one per column (one only in a convolution).</param>
/// <param name="YScale">float32; -1 where the result is the int32 sum itself.</param>
/// <param name="YZero">Zero point of the result, of its type.</param>
/// <param name="Bias">int32, one per row, in units of AScale * BScale; only where YScale is present.</param>
public sealed record QuantizedInputs(
    int A, int B, int AZero = -1, int BZero = -1, int AScale = -1, int BScale = -1, int YScale = -1, int YZero = -1, int Bias = -1)
{
    /// <summary>ONNX MatMulInteger.</summary>
    public static QuantizedInputs MatMulInteger(bool hasAZero, bool hasBZero) => new(0, 1, hasAZero ? 2 : -1, hasBZero ? 3 : -1);

    /// <summary>ONNX QLinearMatMul.</summary>
    public static QuantizedInputs QLinearMatMul => new(0, 3, 2, 5, 1, 4, 6, 7);

    /// <summary>ONNX ConvInteger; A is w.</summary>
    public static QuantizedInputs ConvInteger(bool hasXZero, bool hasWZero) => new(1, 0, hasWZero ? 3 : -1, hasXZero ? 2 : -1);

    /// <summary>ONNX QLinearConv; A is w.</summary>
    public static QuantizedInputs QLinearConv(bool hasBias) => new(3, 0, 5, 2, 4, 1, 6, 7, hasBias ? 8 : -1);
}

/// <summary>
/// Products of 8-bit integers, exact in int32: <c>sum = (A - AZero) (B - BZero) [+ bias]</c>. The result is the sum as int32, or, where
/// <see cref="QuantizedInputs.YScale"/> is present, <c>saturate(round(sum * AScale * BScale / YScale) + YZero)</c> with ties to even, in 8 bits.
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

    internal bool Requantizes => Inputs.YScale >= 0;
}
