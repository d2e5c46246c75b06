using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// How 8-bit data stands for real numbers, <c>(data - zero) * scale</c>, by constant parameters: positive float32 scales, one or one per index along an axis.
/// </summary>
/// <param name="Scale">The scale's value.</param>
/// <param name="Zero">The zero point's value; none: 0.</param>
/// <param name="Type">int8 or uint8.</param>
/// <param name="Axis">Where the scales lie; null: there is one for all.</param>
internal sealed record Quantization(ValueId Scale, ValueId Zero, DType Type, int? Axis)
{
    internal int Low => Type == DType.Int8 ? sbyte.MinValue : byte.MinValue;

    internal int High => Type == DType.Int8 ? sbyte.MaxValue : byte.MaxValue;

    /// <summary>What a DequantizeLinear that computes float32 knows of its data; <paramref name="data"/> is that.</summary>
    internal static Quantization? OfDequantized(Graph graph, ValueId real, out ValueId data)
    {
        data = ValueId.None;
        if (graph.Producer<DequantizeLinear>(real) is not { } node || !Match.IsFloat32(graph, real)) return null;
        data = node.Inputs[0];
        var op = (DequantizeLinear)node.Op;
        return op.BlockSize == 0 ? Of(graph, node, graph.TensorFact(data)!.Type, op.Axis) : null;
    }

    /// <summary>As <see cref="OfDequantized"/>, where there is one scale for all.</summary>
    internal static Quantization? OfUniform(Graph graph, ValueId real, out ValueId data) => OfDequantized(graph, real, out data) is { Axis: null } found ? found : null;

    /// <summary>What a QuantizeLinear of float32 data makes of it; null where the node is none, or has more than one scale.</summary>
    internal static Quantization? OfQuantizer(Graph graph, Node node) =>
        node.Op is QuantizeLinear { BlockSize: 0 } op && Match.IsFloat32(graph, node.Inputs[0]) && Of(graph, node, graph.TensorFact(node.Outputs[0])!.Type, op.Axis) is { Axis: null } found
            ? found : null;

    private static Quantization? Of(Graph graph, Node node, DType type, long axis)
    {
        if (type is not (DType.Int8 or DType.UInt8) || graph.Constant(node.Inputs[1]) is not { DType: DType.Float32 } scale) return null;
        foreach (float value in scale.Span<float>())
            if (!(float.IsNormal(value) && value > 0)) return null;
        ValueId zero = node.Inputs.Length > 2 ? node.Inputs[2] : ValueId.None;
        if (!zero.IsNone && graph.Constant(zero) is null) return null;
        if (scale.ElementCount == 1) return new Quantization(node.Inputs[1], zero, type, null);
        return graph.TensorFact(node.Inputs[0])?.Rank is { } rank ? new Quantization(node.Inputs[1], zero, type, ShapeRules.Axis(axis, rank)) : null;
    }

    internal float ScaleOf(Graph graph) => graph.Constant(Scale)!.Span<float>()[0];

    internal int ZeroOf(Graph graph) => Zero.IsNone ? 0 : Type == DType.Int8 ? graph.Constant(Zero)!.Span<sbyte>()[0] : graph.Constant(Zero)!.Span<byte>()[0];

    /// <summary>Whether both, of one scale each, give the same number to the same data.</summary>
    internal bool Equals(Graph graph, Quantization other) => Type == other.Type && ScaleOf(graph) == other.ScaleOf(graph) && ZeroOf(graph) == other.ZeroOf(graph);

    /// <summary>The data that a real number becomes.</summary>
    internal int Code(Graph graph, double real) => (int)Math.Clamp(Math.Round(real / ScaleOf(graph), MidpointRounding.ToEven) + ZeroOf(graph), Low, High);

    /// <summary>The zero point for operators in which it must be present.</summary>
    internal ValueId ZeroIn(Patch patch) => !Zero.IsNone ? Zero : patch.Constant("zero_point", Type == DType.Int8 ? Tensor.Scalar((sbyte)0) : Tensor.Scalar((byte)0));

    /// <summary>
    /// The codes that Relu and Clip before the rounding leave: rounding and saturating never turn two numbers around, so
    /// <c>Quantize(Clip(x, a, b)) = Clip(Quantize(x), Quantize(a), Quantize(b))</c>. Follows <paramref name="real"/> up to what these limit.
    /// </summary>
    internal CodeRange Limits(Graph graph, ref ValueId real)
    {
        if (!graph.HasSingleUse(real) || graph.Producer(real) is not { } node || !TryBounds(graph, node, out double low, out double high)) return CodeRange.OfType;
        real = node.Inputs[0];
        return Limits(graph, ref real).Clip(Code(graph, low), Code(graph, high));
    }

    private static bool TryBounds(Graph graph, Node node, out double low, out double high)
    {
        (low, high) = (double.NegativeInfinity, double.PositiveInfinity);
        if (Match.IsUnary(node, UnaryFunction.Relu)) low = 0;
        else if (node.Op is not Clip || !Bound(1, ref low) || !Bound(2, ref high)) return false;
        return true;

        bool Bound(int input, ref double bound) => input >= node.Inputs.Length || node.Inputs[input].IsNone || Match.TryScalar(graph, node.Inputs[input], out bound) && !double.IsNaN(bound);
    }
}
