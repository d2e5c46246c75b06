using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// The discrete Fourier transform along an axis. Inputs: signal [.., 1] (real) or [.., 2] (complex), length of the transform (absent: of
/// the axis), axis (absent: the last before the complex one). Shorter signals are padded with zeros, longer ones cut.
/// </summary>
/// <param name="Inverse">The inverse transform, scaled by one over the length.</param>
/// <param name="OneSided">Forward: only the first half of the bins, length / 2 + 1. Inverse: those are what is given, and the result is real.</param>
public sealed record Dft(bool Inverse, bool OneSided) : Op
{
    public override string Name => "DFT";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact signal = context.Tensor(0);
        if (context.Shape(0, 2) is not { } shape) return [new TensorFact(signal.Type)];
        if (shape[shape.Rank - 1].TryGetValue(out long parts) && parts is not (1 or 2)) throw new InvalidModelException($"the signal's last dim must be 1 or 2, got {shape}");
        Dim resultParts = OneSided && Inverse ? 1 : 2;
        if (AxisOf(context, shape.Rank) is not { } axis)
            return [new TensorFact(signal.Type, new Shape([.. shape.Dims.Take(shape.Rank - 1).Select(_ => FreshDim.Of("dft")), resultParts]))];
        Dim length = context.Has(1) ? FourierRules.Scalar(context, 1) ?? FreshDim.Of("dft")
            : OneSided && Inverse ? 2 * (shape[axis] - 1)
            : shape[axis];
        return [new TensorFact(signal.Type, shape.With(axis, OneSided && !Inverse ? Dim.FloorDiv(length, 2) + 1 : length).With(shape.Rank - 1, resultParts))];
    }

    /// <summary>A count of 2.5 n log2 n for n points, half the operations of a radix-2 transform.</summary>
    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        Dim points = outputs.Length > 0 ? CostOf.Elements(outputs[0]) : 0;
        Dim work = points.TryGetValue(out long known) && known > 1 ? (long)(2.5 * known * Math.Log2(known)) : points;
        return new Cost(work, CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
    }

    private static int? AxisOf(InferContext context, int rank)
    {
        if (!context.Has(2)) return ShapeRules.Axis(-2, rank);
        if (!context.TryGetInts(2, out long[] axis) || axis.Length != 1) return null;
        int known = ShapeRules.Axis(axis[0], rank);
        return known < rank - 1 ? known : throw new InvalidModelException($"axis {axis[0]} is that of the complex parts");
    }
}

/// <summary>
/// Fourier transforms of overlapping frames. Inputs: signal [batch x length x 1 or 2], step between frames, window [frame length]
/// (absent: ones), frame length (absent: the window's). Output: [batch x frames x bins x 2].
/// </summary>
/// <param name="OneSided">Only the first half of the bins, frame length / 2 + 1.</param>
public sealed record Stft(bool OneSided) : Op
{
    public override string Name => "STFT";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact signal = context.Tensor(0);
        if (context.Shape(0, 3, 3) is not { } shape) return [new TensorFact(signal.Type)];
        Dim? window = context.Has(2) && context.Shape(2, 1, 1) is { } weights ? weights[0] : null;
        Dim? frame = context.Has(3) ? FourierRules.Scalar(context, 3) : context.Has(2) ? window : shape[1];
        if (frame is { IsKnown: true } f && window is { IsKnown: true } w && f != w) throw new InvalidModelException($"a window of {w} does not fit frames of {f}");
        Dim? step = FourierRules.Scalar(context, 1);
        if (step is { IsKnown: true } s && s.Value <= 0) throw new InvalidModelException($"the frame step must be positive, got {s}");
        if (frame is { IsKnown: true } n && shape[1].TryGetValue(out long length) && (n.Value <= 0 || n.Value > length))
            throw new InvalidModelException($"frames of {n} do not fit a signal of {length}");
        Dim frames = frame is { } size && step is { } hop ? Dim.FloorDiv(shape[1] - size, hop) + 1 : FreshDim.Of("frames");
        Dim bins = frame is not { } points ? FreshDim.Of("bins") : OneSided ? Dim.FloorDiv(points, 2) + 1 : points;
        return [new TensorFact(signal.Type, [shape[0], frames, bins, 2])];
    }

    /// <summary>As <see cref="Dft"/>'s.</summary>
    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => new Dft(false, OneSided).Cost(inputs, outputs);
}

internal static class FourierRules
{
    /// <summary>The content of a scalar integer input, where known; it may be symbolic.</summary>
    internal static Dim? Scalar(InferContext context, int input) =>
        context.Tensor(input).TryGetDims(out ImmutableArray<Dim> dims) && dims.Length == 1 ? dims[0] : null;
}
