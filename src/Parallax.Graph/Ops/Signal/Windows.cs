using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>The coefficients of a sum of cosines: <c>A0 - A1 cos(t) + A2 cos(2t)</c>.</summary>
public enum CosineWindow
{
    Hann,
    Hamming,
    Blackman,
}

/// <summary>A window of the size that input 0 gives.</summary>
/// <param name="Periodic">The period is the size; otherwise the size less one, so that both ends are equal.</param>
public sealed record WindowFunction(CosineWindow Kind, DType Type, bool Periodic) : Op
{
    public override string Name => $"{Kind}Window";

    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [new TensorFact(Type, [FourierRules.Scalar(context, 0) ?? FreshDim.Of("window")])];
}

/// <summary>
/// The matrix that takes a spectrum of dft_length / 2 + 1 bins to mel bins. Inputs, all scalars: mel bins, dft_length, sample rate, lowest
/// and highest frequency.
/// </summary>
public sealed record MelWeightMatrix(DType Type) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context) =>
    [
        new TensorFact(Type,
        [
            FourierRules.Scalar(context, 1) is { } length ? Dim.FloorDiv(length, 2) + 1 : FreshDim.Of("bins"),
            FourierRules.Scalar(context, 0) ?? FreshDim.Of("mels"),
        ]),
    ];
}
