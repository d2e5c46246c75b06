using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

/// <summary>
/// The quantized operators of the domain <c>com.microsoft</c> that are defined by what they do to dequantized data. In their inputs, a quantized tensor is followed
/// by its scale and its zero point, which may be absent.
/// </summary>
internal static class QuantizedMicrosoftImports
{
    private const string Domain = "com.microsoft";

    internal static readonly OpImport[] All =
    [
        new("QLinearAdd", 1.., n => Pair(n, BinaryFunction.Add), Domain),
        new("QLinearMul", 1.., n => Pair(n, BinaryFunction.Mul), Domain),
        new("QLinearSigmoid", 1.., n => Each(n, new Unary(UnaryFunction.Sigmoid)), Domain),
        new("QLinearLeakyRelu", 1.., n => Each(n, new Unary(UnaryFunction.LeakyRelu, n.Float("alpha", 0.01f))), Domain),
        new("QLinearConcat", 1.., Concatenate, Domain),
        new("QLinearGlobalAveragePool", 1.., GlobalAverage, Domain),
        new("MatMulIntegerToFloat", 1.., MatMulToFloat, Domain),
        new("DynamicQuantizeMatMul", 1.., DynamicMatMul, Domain),
    ];

    /// <summary>Inputs: a, its scale and zero, b, its scale and zero, scale and zero of the result.</summary>
    private static ImmutableArray<ValueId> Pair(ImportNode n, BinaryFunction function) =>
        [Quantized(n, n.Add("", new Binary(function), Real(n, 0), Real(n, 3)), 6, like: 0)];

    private static ImmutableArray<ValueId> Each(ImportNode n, Op function) => [Quantized(n, n.Add("", function, Real(n, 0)), 3, like: 0)];

    /// <summary>Inputs: scale and zero of the result, then every part with its scale and zero.</summary>
    private static ImmutableArray<ValueId> Concatenate(ImportNode n)
    {
        var parts = new List<ValueId>();
        for (int part = 2; part < n.InputCount; part += 3) parts.Add(Real(n, part));
        return [Quantized(n, n.Add("", new Concat(n.Int("axis")), [.. parts]), 0, like: 2)];
    }

    private static ImmutableArray<ValueId> GlobalAverage(ImportNode n)
    {
        if (n.InputTensor(0).Rank is not { } rank) throw n.Unsupported("pooling data of unknown rank");
        int first = n.Bool("channels_last", false) ? 1 : 2;
        long[] axes = [.. Enumerable.Range(first, rank - 2).Select(i => (long)i)];
        return [Quantized(n, n.Add("", new Reduce(ReduceKind.Mean), Real(n, 0), n.Constant(Tensor.From(axes, [axes.Length]))), 3, like: 0)];
    }

    /// <summary>Inputs: A, B, scale of A, scale of B, zero of A, zero of B, bias.</summary>
    private static ImmutableArray<ValueId> MatMulToFloat(ImportNode n) =>
        [Rescaled(n, n.Required(0), n.Required(2), Optional(n, 4), Optional(n, 5), bias: 6, bScale: 3)];

    /// <summary>Inputs: A (float), B, scale of B, zero of B, bias.</summary>
    private static ImmutableArray<ValueId> DynamicMatMul(ImportNode n)
    {
        ImmutableArray<ValueId> a = n.AddMany("quantize", new DynamicQuantizeLinear(), 3, n.Required(0));
        return [Rescaled(n, a[0], a[1], a[2], Optional(n, 3), bias: 4, bScale: 2)];
    }

    private static ValueId Rescaled(ImportNode n, ValueId a, ValueId aScale, ValueId aZero, ValueId bZero, int bias, int bScale)
    {
        ValueId sums = n.Add("product", new IntegerMatMul(Requantizes: false), a, n.Required(1), aZero, bZero);
        ValueId scale = n.Add("scale", new Binary(BinaryFunction.Mul), aScale, n.Required(bScale));
        ValueId result = n.Add("rescale", new Binary(BinaryFunction.Mul), n.Add("sums", new Cast(DType.Float32), sums), scale);
        return n.HasInput(bias) ? n.Add("bias", new Binary(BinaryFunction.Add), result, n.Required(bias)) : result;
    }

    private static ValueId Optional(ImportNode n, int input) => n.HasInput(input) ? n.Required(input) : ValueId.None;

    /// <summary>The quantized tensor at <paramref name="input"/> as float.</summary>
    private static ValueId Real(ImportNode n, int input) => n.HasInput(input + 2)
        ? n.Add("dequantize", new DequantizeLinear(), n.Required(input), n.Required(input + 1), n.Required(input + 2))
        : n.Add("dequantize", new DequantizeLinear(), n.Required(input), n.Required(input + 1));

    /// <summary>A float tensor quantized by the scale at <paramref name="scale"/> and the zero point behind it, which gives the type; else input <paramref name="like"/> does.</summary>
    private static ValueId Quantized(ImportNode n, ValueId value, int scale, int like) => n.HasInput(scale + 1)
        ? n.Add("quantize", new QuantizeLinear(), value, n.Required(scale), n.Required(scale + 1))
        : n.Add("quantize", new QuantizeLinear(Type: n.InputTensor(like).Type), value, n.Required(scale));
}
