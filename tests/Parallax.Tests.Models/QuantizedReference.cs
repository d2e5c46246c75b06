using System.Numerics.Tensors;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Tests.Models;

/// <summary>
/// Evaluates a quantized network of images node by node in float64: what the operators mean, without rounding but for QuantizeLinear's. Only what MobileNets and the tests' own networks need.
/// </summary>
/// <param name="SaturatesPairs">
/// Whether products of quantized data are summed as x86 does without VNNI: two products of 8-bit integers at a time, saturated at 16 bits. Taps come outside of
/// channels; depthwise convolutions are exact.
/// </param>
internal sealed record QuantizedReference(Graph Graph, bool SaturatesPairs)
{
    private readonly Dictionary<ValueId, Data> values = [];

    private sealed record Data(double[] Elements, long[] Dims);

    /// <summary>The quantized operands of a product, with the scales and zero point that turn them into real numbers.</summary>
    private sealed record Quantized(double[] X, double[] W, double XZero, double XScale, double[] WScales);

    internal float[] Run(Tensor image)
    {
        values[Graph.Inputs[0]] = ToData(image);
        foreach (Node node in Graph.TopologicalOrder()) values[node.Outputs[0]] = Evaluate(node);
        return Array.ConvertAll(values[Graph.Outputs[0].Value].Elements, v => (float)v);
    }

    private Data Evaluate(Node node)
    {
        Data x = Get(node, 0)!;
        return node.Op switch
        {
            QuantizeLinear => Quantize(x, Get(node, 1)!.Elements[0], Get(node, 2)!.Elements[0], Graph.TensorFact(node.Outputs[0])!.Type),
            DequantizeLinear op => Dequantize(x, Get(node, 1)!.Elements, Get(node, 2)?.Elements ?? [0], (int)op.Axis),
            Conv op => Convolve(node, op, x, Get(node, 1)!, Get(node, 2)?.Elements),
            Gemm { TransposeB: true } => Multiply(node, x, Get(node, 1)!, Get(node, 2)?.Elements),
            Unary { Function: UnaryFunction.Relu } => x with { Elements = Array.ConvertAll(x.Elements, v => Math.Max(v, 0)) },
            Clip => x with { Elements = Array.ConvertAll(x.Elements, v => Math.Clamp(v, Get(node, 1)!.Elements[0], Get(node, 2)!.Elements[0])) },
            Binary { Function: BinaryFunction.Add } => x with { Elements = [.. x.Elements.Zip(Get(node, 1)!.Elements, (a, b) => a + b)] },
            Binary { Function: BinaryFunction.Sub } => x with { Elements = [.. x.Elements.Zip(Get(node, 1)!.Elements, (a, b) => a - b)] },
            Binary { Function: BinaryFunction.Mul } => x with { Elements = [.. x.Elements.Zip(Get(node, 1)!.Elements, (a, b) => a * b)] },
            Flatten => x with { Dims = [1, x.Elements.Length] },
            Identity or Cast => x,
            { Name: "GlobalAveragePool" } => new Data([.. x.Elements.Chunk((int)(x.Dims[2] * x.Dims[3])).Select(c => c.Average())], [1, x.Dims[1], 1, 1]),
            _ => throw new NotSupportedException($"{node} has no reference"),
        };
    }

    private Data? Get(Node node, int input)
    {
        if (input >= node.Inputs.Length || node.Inputs[input].IsNone) return null;
        ValueId id = node.Inputs[input];
        if (!values.TryGetValue(id, out Data? data)) values[id] = data = ToData(Graph.Constant(id)!);
        return data;
    }

    private static Data ToData(Tensor tensor) => new(tensor.DType switch
    {
        DType.Float32 => Widen<float>(tensor),
        DType.Int32 => Widen<int>(tensor),
        DType.Int8 => Widen<sbyte>(tensor),
        DType.UInt8 => Widen<byte>(tensor),
        _ => throw new NotSupportedException($"{tensor} has no reference"),
    }, tensor.Dims.ToArray());

    private static double[] Widen<T>(Tensor tensor) where T : unmanaged, System.Numerics.INumber<T>
    {
        var elements = new double[tensor.ElementCount];
        TensorPrimitives.ConvertTruncating<T, double>(tensor.Span<T>(), elements);
        return elements;
    }

    private static Data Quantize(Data x, double scale, double zero, DType type)
    {
        (double low, double high) = type == DType.Int8 ? (-128, 127) : (0, 255);
        return x with { Elements = Array.ConvertAll(x.Elements, v => Math.Clamp(Math.Round(v / scale, MidpointRounding.ToEven) + zero, low, high)) };
    }

    private static Data Dequantize(Data x, double[] scales, double[] zeros, int axis)
    {
        if (scales.Length == 1) return x with { Elements = Array.ConvertAll(x.Elements, v => (v - zeros[0]) * scales[0]) };
        long inner = Shape.Count(x.Dims.AsSpan((axis < 0 ? axis + x.Dims.Length : axis) + 1));
        return x with { Elements = [.. x.Elements.Select((v, i) => (v - zeros[i / inner % zeros.Length]) * scales[i / inner % scales.Length])] };
    }

    private Quantized? Operands(Node product)
    {
        if (!SaturatesPairs || Graph.Producer<DequantizeLinear>(product.Inputs[0]) is not { } x || Graph.Producer<DequantizeLinear>(product.Inputs[1]) is not { } w) return null;
        return new Quantized(Get(x, 0)!.Elements, Get(w, 0)!.Elements, Get(x, 2)?.Elements[0] ?? 0, Get(x, 1)!.Elements[0], Get(w, 1)!.Elements);
    }

    private Data Multiply(Node node, Data x, Data w, double[]? bias)
    {
        Quantized? operands = Operands(node);
        int depth = (int)w.Dims[1];
        var y = new double[w.Dims[0]];
        for (int i = 0; i < y.Length; i++) y[i] = Dot(operands, operands?.X ?? x.Elements, (operands?.W ?? w.Elements).AsSpan(i * depth, depth), i) + (bias?[i] ?? 0);
        return new Data(y, [1, y.Length]);
    }

    private Data Convolve(Node node, Conv op, Data x, Data w, double[]? bias)
    {
        SpatialWindow window = op.WindowOver(Shape.Of(w.Dims));
        int height = (int)x.Dims[2], width = (int)x.Dims[3], channels = (int)w.Dims[1], taps = (int)(w.Dims[2] * w.Dims[3]), depth = channels * taps;
        int rows = (int)window.Output(0, height).Value, columns = (int)window.Output(1, width).Value, perGroup = (int)(w.Dims[0] / op.Groups);
        Quantized? operands = op.Groups == 1 ? Operands(node) : null;
        double[] data = operands?.X ?? x.Elements, weights = operands?.W ?? w.Elements, y = new double[w.Dims[0] * rows * columns];
        double outside = operands?.XZero ?? 0;
        (long top, long left) = (window.PadsOf(0, height).Begin, window.PadsOf(1, width).Begin);
        Parallel.For(0, (int)op.Groups * rows, index =>
        {
            (int group, int row) = Math.DivRem(index, rows);
            double[] patch = new double[depth], filter = new double[depth];
            for (int column = 0; column < columns; column++)
            {
                for (int k = 0; k < depth; k++)
                {
                    (int tap, int channel) = Math.DivRem(k, channels);
                    long h = row * window.Stride(0) - top + tap / w.Dims[3], v = column * window.Stride(1) - left + tap % w.Dims[3];
                    patch[k] = h < 0 || v < 0 || h >= height || v >= width ? outside : data[((group * channels + channel) * height + h) * width + v];
                }
                for (int m = group * perGroup; m < (group + 1) * perGroup; m++)
                {
                    for (int k = 0; k < depth; k++) filter[k] = weights[m * depth + k % channels * taps + k / channels];
                    y[(m * rows + row) * columns + column] = Dot(operands, patch, filter, m) + (bias?[m] ?? 0);
                }
            }
        });
        return new Data(y, [1, w.Dims[0], rows, columns]);
    }

    /// <summary>A sum of products of real numbers, or of quantized ones, which is then made a real number.</summary>
    private static double Dot(Quantized? operands, ReadOnlySpan<double> x, ReadOnlySpan<double> w, int channel)
    {
        if (operands is null) return TensorPrimitives.Dot(x, w);
        double sum = 0;
        for (int k = 0; k < x.Length; k += 2) sum += Math.Clamp(x[k] * w[k] + (k + 1 < x.Length ? x[k + 1] * w[k + 1] : 0), short.MinValue, short.MaxValue);
        return (sum - operands.XZero * TensorPrimitives.Sum(w)) * operands.XScale * operands.WScales[operands.WScales.Length == 1 ? 0 : channel];
    }
}
