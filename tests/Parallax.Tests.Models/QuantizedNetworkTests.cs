using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Onnx;
using Parallax.Suite;
using Xunit;
using Xunit.Abstractions;

namespace Parallax.Tests.Models;

/// <summary>
/// Random networks in QDQ form, of all mixes of types, zero points and scales, on integers and in float32, against their meaning in float64. On integers all results
/// are those of the reference; in float32 a sum close to a tie may fall to the other side.
/// </summary>
public sealed class QuantizedNetworkTests(ITestOutputHelper log)
{
    private const int Channels = 12, Side = 11, Layers = 6;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(10)]
    [InlineData(12)]
    public void Integers_give_what_the_operators_mean(int seed)
    {
        var network = new Network(seed);
        using Tensor x = Tensor.From(network.Floats(Channels * Side * Side, 3), [1, Channels, Side, Side]);
        float[] exact = new QuantizedReference(network.Graph, SaturatesPairs: false).Run(x), integers = Run(network.Graph, x, int.MaxValue, out IReadOnlyDictionary<string, int> fusions);
        Assert.Equal(network.Products, fusions["fuse-quantized-products"]);
        if (network.IsSymmetric) Assert.Equal(Layers, fusions["convolve-channels-last"]);
        Assert.Equal(exact, integers);
        float[] floats = Run(network.Graph, x, 0, out _);
        log.WriteLine($"{floats.Zip(exact).Count(p => p.First != p.Second)} of {exact.Length} differ in float32; {string.Join(", ", fusions)}");
        Assert.All(floats.Zip(exact), p => Assert.InRange(MathF.Abs(p.First - p.Second) / network.Step, 0, 2.01f));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dynamic_quantization_gives_the_same_bits_in_one_operator(bool signed)
    {
        const int rows = 7, depth = 50, columns = 30;
        var random = new Random(1);
        var builder = new GraphBuilder("dynamic");
        ValueId x = builder.Input("x", new TensorFact(DType.Float32, [1, rows, depth])), y = x;
        foreach ((int from, int to) in ((int, int)[])[(depth, columns), (columns, columns)])
        {
            byte[] bytes = new byte[from * to];
            random.NextBytes(bytes);
            Tensor weights = signed ? Tensor.From(Array.ConvertAll(bytes, b => (sbyte)b), [from, to]) : Tensor.From(bytes, [from, to]);
            IReadOnlyList<ValueId> data = builder.Add("quantize", new DynamicQuantizeLinear(), [y], ["data", "scale", "zero"]);
            ValueId zero = builder.Constant($"{to}zero", signed ? Tensor.Scalar((sbyte)0) : Tensor.Scalar((byte)119)), scale = builder.Constant($"{to}scale", Tensor.Scalar(0.004f));
            ValueId sums = builder.Add("product", new IntegerMatMul(Requantizes: false), data[0], builder.Constant($"{from}weights", weights), data[2], zero);
            ValueId real = builder.Add("rescale", new Binary(BinaryFunction.Mul), builder.Add("real", new Cast(DType.Float32), sums), builder.Add("scales", new Binary(BinaryFunction.Mul), data[1], scale));
            y = builder.Add("bias", new Binary(BinaryFunction.Add), builder.Constant($"{from}bias", Tensor.From(RandomData.Floats(to, from), [to])), real);
        }
        builder.Output("y", y);
        Graph graph = builder.Build();
        using Tensor input = Tensor.From(RandomData.Floats(rows * depth, 3), [1, rows, depth]);
        float[] fused = Run(graph, input, int.MaxValue, out IReadOnlyDictionary<string, int> fusions);
        Assert.Equal(2, fusions["fuse-scaled-product-bias"]);
        Assert.Equal(Run(graph, input, 0, out _), fused);
    }

    private static float[] Run(Graph graph, Tensor x, int rewrites, out IReadOnlyDictionary<string, int> fusions)
    {
        using var session = new InferenceSession(new ImportedModel(graph, new Dictionary<string, string>(), null), new SessionOptions { MaxRewrites = rewrites });
        fusions = session.Fusions;
        using RunResult result = session.Run(new() { ["x"] = x });
        return result["y"].Span<float>().ToArray();
    }

    /// <summary>Convolutions of all kinds, sums and products of what came before, then a mean and a product.</summary>
    private sealed class Network
    {
        private readonly GraphBuilder builder = new("quantized");
        private readonly Random random;
        private int names;

        internal Network(int seed)
        {
            random = new Random(seed);
            IsSymmetric = seed % 2 == 0;
            ValueId x = Requantized(builder.Input("x", new TensorFact(DType.Float32, [1, Channels, Side, Side])), 0.02f), before = x;
            for (int layer = 0; layer < Layers; layer++)
            {
                ValueId y = Convolution(x, random.Next(3));
                before = random.Next(4) switch
                {
                    0 => Requantized(Add(new Binary(BinaryFunction.Add), y, before), 0.03f),
                    1 => Requantized(Add(new Unary(UnaryFunction.Relu), Add(new Binary(BinaryFunction.Sub), before, y)), 0.03f),
                    2 => Requantized(Add(new Binary(BinaryFunction.Mul), y, before), 0.05f),
                    _ => y,
                };
                (x, before) = (before, x);
            }
            ValueId mean = Requantized(Add(new GlobalPool(PoolKind.Average), x), 0.004f);
            ValueId flat = Requantized(Add(new Flatten(), mean), 0.004f);
            const int classes = 500;
            bool perChannel = random.Next(2) == 0;
            ValueId product = Add(new Gemm(TransposeB: true), flat, Weights([classes, Channels], perChannel), Bias(classes));
            Products++;
            Step = 0.0037f;
            builder.Output("y", Requantized(product, Step));
            Graph = builder.Build();
        }

        internal Graph Graph { get; }

        internal int Products { get; private set; }

        /// <summary>Whether zero points of weights lie in the middle of their type, as they do where neighbours are computed with channels last.</summary>
        internal bool IsSymmetric { get; }

        /// <summary>The scale of the result.</summary>
        internal float Step { get; }

        internal float[] Floats(int count, float largest) => [.. Enumerable.Range(0, count).Select(_ => largest * (2 * random.NextSingle() - 1))];

        private ValueId Convolution(ValueId x, int kind)
        {
            (long groups, long perGroup, int taps) = kind switch { 0 => (1L, (long)Channels, 1), 1 => (1L, Channels, 3), _ => (Channels, 1L, 3) };
            var window = new SpatialWindow([], [], [], [taps / 2, taps / 2, taps / 2, taps / 2]);
            ValueId y = Add(new Conv(window, groups), x, Weights([Channels, perGroup, taps, taps], random.Next(2) == 0), Bias(Channels));
            Products++;
            y = random.Next(3) switch
            {
                0 => Add(new Unary(UnaryFunction.Relu), y),
                1 => Add(new Clip(), y, Constant(Tensor.Scalar(-0.7f)), Constant(Tensor.Scalar(1.3f))),
                _ => y,
            };
            return Requantized(y, 0.017f);
        }

        private ValueId Weights(long[] dims, bool perChannel)
        {
            bool signed = random.Next(2) == 0, hasZero = !signed || random.Next(2) == 0;
            byte[] bytes = new byte[Shape.Count(dims)], zeros = new byte[perChannel ? dims[0] : 1];
            random.NextBytes(bytes);
            random.NextBytes(zeros);
            if (!hasZero) Array.Clear(zeros);
            else if (IsSymmetric) Array.Fill(zeros, (byte)(signed ? 0 : 0x80));
            long[] parameters = perChannel ? [dims[0]] : [];
            float scale = 2f / (128 * MathF.Sqrt(Shape.Count(dims.AsSpan(1))));
            ValueId w = Constant(Bytes(bytes, signed, dims));
            ValueId scales = Constant(Tensor.From(zeros.Select(_ => scale * (0.5f + random.NextSingle())).ToArray(), parameters));
            return hasZero ? Add(new DequantizeLinear(0), w, scales, Constant(Bytes(zeros, signed, parameters))) : Add(new DequantizeLinear(0), w, scales);
        }

        private ValueId Bias(int channels) => random.Next(2) == 0
            ? Constant(Tensor.From(Floats(channels, 0.4f), [channels]))
            : Add(new DequantizeLinear(0), Constant(Tensor.From(Enumerable.Range(0, channels).Select(_ => random.Next(-4000, 4000)).ToArray(), [channels])), Constant(Tensor.Scalar(0.0001f)));

        private ValueId Requantized(ValueId x, float scale)
        {
            bool signed = random.Next(2) == 0;
            ValueId step = Constant(Tensor.Scalar(scale)), zero = Constant(Bytes([(byte)random.Next(signed ? -20 : 110, signed ? 20 : 150)], signed, []));
            return Add(new DequantizeLinear(), Add(new QuantizeLinear(), x, step, zero), step, zero);
        }

        private static Tensor Bytes(byte[] bytes, bool signed, long[] dims) => signed ? Tensor.From(Array.ConvertAll(bytes, b => (sbyte)b), dims) : Tensor.From(bytes, dims);

        private ValueId Constant(Tensor tensor) => builder.Constant($"c{names++}", tensor);

        private ValueId Add(Op op, params ReadOnlySpan<ValueId> inputs) => builder.Add($"n{names++}", op, inputs);
    }
}
