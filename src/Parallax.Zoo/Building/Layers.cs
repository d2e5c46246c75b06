using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>Layers as PyTorch's exporter writes them at opset 17. Weights are scaled so that variances neither grow nor vanish with depth.</summary>
internal static class Layers
{
    private const float BiasDeviation = 0.02f;

    /// <summary>The second moment of GELU(x) for standard normal x is about 0.43: weights behind it are larger by the root of the inverse.</summary>
    public const float GeluGain = 1.53f;

    /// <summary><c>x W + b</c> over the last axis of an input of rank 3 or more: MatMul and Add.</summary>
    public static NetValue Linear(this NetValue x, string module, int inputs, int outputs, bool bias = true, float gain = 1)
    {
        using IDisposable _ = x.Net.Module(module);
        NetValue product = x.MatMul(x.Net.Weight("weight", [inputs, outputs], gain / MathF.Sqrt(inputs)));
        return bias ? x.Net.Weight("bias", [outputs], BiasDeviation) + product : product;
    }

    /// <summary><c>x W' + b</c> of a matrix: one Gemm.</summary>
    public static NetValue Gemm(this NetValue x, string module, int inputs, int outputs)
    {
        using IDisposable _ = x.Net.Module(module);
        NetValue weight = x.Net.Weight("weight", [outputs, inputs], 1 / MathF.Sqrt(inputs));
        return x.Net.Node("Gemm", [x, weight, x.Net.Weight("bias", [outputs], BiasDeviation)],
            new AttributeProto("alpha", 1f), new AttributeProto("beta", 1f), new AttributeProto("transB", 1));
    }

    /// <summary>A convolution of one or two spatial axes with equal kernel, stride and padding on each; by default the padding keeps the size at stride 1.</summary>
    public static NetValue Conv(this NetValue x, string module, int inputs, int outputs, int kernel, int stride = 1, int spatialAxes = 2, int? pad = null, float gain = 1,
        float biasMean = 0, float biasDeviation = BiasDeviation)
    {
        using IDisposable _ = x.Net.Module(module);
        long[] window = [.. Enumerable.Repeat((long)kernel, spatialAxes)];
        float deviation = gain / MathF.Sqrt(inputs * MathF.Pow(kernel, spatialAxes));
        NetValue weight = x.Net.Weight("weight", [outputs, inputs, .. window], deviation);
        return x.Net.Node("Conv", [x, weight, x.Net.Weight("bias", [outputs], biasDeviation, biasMean)], Window(kernel, stride, pad ?? kernel / 2, spatialAxes));
    }

    public static AttributeProto[] Window(int kernel, int stride, int pad, int spatialAxes) =>
    [
        new("dilations", Repeat(1, spatialAxes)), new("group", 1), new("kernel_shape", Repeat(kernel, spatialAxes)),
        new("pads", Repeat(pad, spatialAxes * 2)), new("strides", Repeat(stride, spatialAxes)),
    ];

    public static NetValue LayerNorm(this NetValue x, string module, int size, float epsilon = 1e-5f)
    {
        using IDisposable _ = x.Net.Module(module);
        return x.Net.Node("LayerNormalization", [x, x.Net.Weight("weight", [size], 0.05f, mean: 1), x.Net.Weight("bias", [size], BiasDeviation)],
            new AttributeProto("axis", -1), new AttributeProto("epsilon", epsilon));
    }

    /// <summary>Rows of a table by index; the rows' elements have standard deviation <paramref name="deviation"/>.</summary>
    public static NetValue Embedding(this NetValue indices, string module, int rows, int size, float deviation = 1)
    {
        using IDisposable _ = indices.Net.Module(module);
        return indices.Net.Weight("weight", [rows, size], deviation).Gather(indices);
    }

    /// <summary><c>0.5 x (1 + erf(x / sqrt 2))</c>, decomposed.</summary>
    public static NetValue Gelu(this NetValue x, string module)
    {
        using IDisposable _ = x.Net.Module(module);
        return x * ((x / MathF.Sqrt(2)).Apply("Erf") + 1f) * 0.5f;
    }

    /// <summary><c>x sigmoid(1.702 x)</c>, decomposed.</summary>
    public static NetValue QuickGelu(this NetValue x, string module)
    {
        using IDisposable _ = x.Net.Module(module);
        return x * (x * 1.702f).Sigmoid();
    }

    /// <summary><c>x sigmoid(x)</c>, decomposed.</summary>
    public static NetValue Silu(this NetValue x, string module)
    {
        using IDisposable _ = x.Net.Module(module);
        return x * x.Sigmoid();
    }

    /// <summary>
    /// A float mask [size x size] that is 0 on and below the diagonal and the lowest finite float above it, computed from a run-time size (rank 0):
    /// Range, Less, Where.
    /// </summary>
    public static NetValue CausalMask(this NetValue size)
    {
        NetBuilder net = size.Net;
        NetValue positions = net.Range(size);
        NetValue isAllowed = net.Node("Less", [positions, (positions + net.Scalar(1L)).Reshape(size, 1L)]);
        NetValue lowest = net.Scalar(float.MinValue).Expand(size, size);
        return net.Node("Where", [isAllowed, net.Scalar(0f), lowest]);
    }

    private static long[] Repeat(long value, int count) => [.. Enumerable.Repeat(value, count)];
}
