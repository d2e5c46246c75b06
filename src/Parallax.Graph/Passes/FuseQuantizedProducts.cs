using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>Quantize(activation(Conv(Dequantize(x), Dequantize(w), b))) = IntegerConv(x, w, b)</c>, and likewise for MatMul and Gemm: products of the integers, summed
/// exactly, made real numbers and rounded once. The weights may have scales per output channel; b is constant, in float32 or dequantized from int32; activations are
/// those that only limit the result.
/// </summary>
public sealed class FuseQuantizedProducts : IPass
{
    // Sums of so many products of differences of 8-bit integers fit int32.
    private const long MaxDepth = int.MaxValue / (255 * 255);

    public string Name => "fuse-quantized-products";

    private sealed record Bias(ValueId Value, ValueId Scale);

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (Quantization.OfQuantizer(graph, node) is not { } result) return null;
        ValueId real = node.Inputs[0];
        CodeRange range = result.Limits(graph, ref real);
        ValueId addend = ValueId.None;
        if (Match.Binary(graph, real, BinaryFunction.Add) is { } sum)
        {
            if (!Match.TrySplit(sum, id => graph.Producer<MatMul>(id) is not null, out ValueId product, out addend) || !Match.SameShape(graph, product, real)) return null;
            real = product;
        }
        if (graph.Producer(real) is not { } producer || !graph.HasSingleUse(real)) return null;
        if (!IsPlain(graph, producer, ref addend, out bool transposesB)) return null;
        if (Quantization.OfUniform(graph, producer.Inputs[0], out ValueId a) is not { } left) return null;
        if (Quantization.OfDequantized(graph, producer.Inputs[1], out ValueId b) is not { } right) return null;
        if (graph.TensorFact(b)!.Shape is not { } weights || !ScalesFit(producer.Op, weights, right.Axis, transposesB)) return null;
        if (!Depth(producer.Op, weights, transposesB).TryGetValue(out long depth) || depth > MaxDepth) return null;
        var patch = new Patch(graph);
        Bias? bias = null;
        if (!addend.IsNone && (bias = FindBias(graph, patch, addend, producer.Op is Conv || transposesB ? weights[0] : weights[^1])) is null) return null;
        if (transposesB) b = patch.Add($"{producer.Name}/transpose", new Transpose(), b);
        Op integer = producer.Op is Conv conv
            ? new IntegerConv(conv.Window, conv.Groups, Requantizes: true) { Range = range }
            : new IntegerMatMul(Requantizes: true) { Range = range };
        List<ValueId> inputs = [a, left.Scale, left.ZeroIn(patch), b, right.Scale, right.ZeroIn(patch), result.Scale, result.ZeroIn(patch)];
        if (bias is not null) inputs.Add(bias.Value);
        if (bias is { Scale.IsNone: false }) inputs.Add(bias.Scale);
        return patch.Replace(node.Outputs[0], patch.Add(producer.Name, integer, [.. inputs]));
    }

    /// <summary>Whether a node is a product that does nothing else but add <paramref name="addend"/>, which it is asked for where it is none.</summary>
    private static bool IsPlain(Graph graph, Node node, ref ValueId addend, out bool transposesB)
    {
        transposesB = false;
        if (node.Op is not IFusible { Activation.Kind: ActivationKind.None } || node.Inputs.Length > IFusible.ResidualInput) return false;
        bool hasBias = node.Inputs.Length > 2 && !node.Inputs[2].IsNone;
        if (hasBias && !addend.IsNone) return false;
        if (hasBias) addend = node.Inputs[2];
        switch (node.Op)
        {
            case Conv:
                return graph.TensorFact(node.Inputs[1])?.Rank is >= 3 and <= 5;
            case MatMul { TransposeA: false, TransposeB: false, Alpha: 1 }:
                return graph.TensorFact(node.Inputs[1])?.Rank >= 2;
            case Gemm { TransposeA: false, Alpha: 1 } gemm when gemm.Beta == 1 || !hasBias:
                transposesB = gemm.TransposeB;
                return true;
            default:
                return false;
        }
    }

    /// <summary>Whether the scales of the right operand belong to output channels or columns.</summary>
    private static bool ScalesFit(Op product, Shape weights, int? axis, bool transposesB) =>
        axis is null || (product is Conv || transposesB ? axis == 0 : weights.Rank == 2 && axis == 1);

    /// <summary>How many products make a sum.</summary>
    private static Dim Depth(Op product, Shape weights, bool transposesB) => product is Conv ? new Shape(weights.Dims[1..]).Elements : transposesB ? weights[1] : weights[^2];

    /// <summary>A bias of one number per channel that is known in float32, or dequantized from int32.</summary>
    private static Bias? FindBias(Graph graph, Patch patch, ValueId addend, Dim outputs)
    {
        if (!outputs.TryGetValue(out long channels)) return null;
        (ValueId value, ValueId scale) = (addend, ValueId.None);
        if (graph.Producer<DequantizeLinear>(addend) is { } node && Match.IsFloat32(graph, addend))
        {
            (value, scale) = (node.Inputs[0], node.Inputs[1]);
            if (((DequantizeLinear)node.Op).BlockSize != 0 || graph.Constant(value) is not { DType: DType.Int32 }) return null;
            if (graph.Constant(scale) is not { DType: DType.Float32 } scales || (scales.ElementCount != 1 && scales.ElementCount != channels)) return null;
            if (node.Inputs.Length > 2 && !node.Inputs[2].IsNone && !(graph.Constant(node.Inputs[2]) is { } zero && zero.Span<int>().IndexOfAnyExcept(0) < 0)) return null;
        }
        else if (graph.Constant(addend) is not { DType: DType.Float32 }) return null;
        Tensor bias = graph.Constant(value)!;
        if (bias.ElementCount != channels || bias.Rank == 0 || bias.Dims[^1] != channels) return null;
        if (bias.Rank > 1) value = patch.Constant(graph[value].Name, bias.Reshape([channels]));
        return new Bias(value, scale);
    }
}
