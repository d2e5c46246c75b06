using Parallax.Graphs.Passes;
using Parallax.Onnx;
using Parallax.Suite;
using Xunit;
using Xunit.Abstractions;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Random networks give the same outputs after any number of rewrites, but for rounding.</summary>
public sealed class EquivalenceTests(ITestOutputHelper log)
{
    private const int Channels = 4, Side = 6, Heads = 2, HeadSize = 5, TokenCount = 7;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Convolutional(int seed) => Check(seed, [1, Channels, Side, Side], (net, random, x) => random.Next(9) switch
    {
        0 => net.Op("Conv", x, net.Random(Channels, Channels, 1, 1)),
        1 => net.Norm(net.Op("Conv", x, net.Random(Channels, Channels, 1, 1), net.Random(Channels))),
        2 => net.Op("Add", net.Op("Conv", x, net.Random(Channels, Channels, 1, 1)), net.Random(1, Channels, 1, 1)),
        3 => net.Op("Relu", x),
        4 => net.Op("Mul", x, net.Op("Sigmoid", x)),
        5 => net.Op("Mul", x, net.Op("Sigmoid", net.Op("Mul", x, net.Scalar(1.5f)))),
        6 => net.Op("Clip", x, net.Scalar(-1), net.Scalar(2)),
        7 => net.Op("Transpose", net.Op("Transpose", x, new AttributeProto("perm", (long[])[0, 2, 3, 1])), new AttributeProto("perm", (long[])[0, 3, 1, 2])),
        _ => net.Op("Mul", net.Op("Tanh", x), net.Scalar(0.5f)),
    });

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public void Transforming(int seed) => Check(seed, [2, TokenCount, Heads * HeadSize], (net, random, x) => random.Next(8) switch
    {
        0 => net.Op("Add", net.Op("MatMul", x, net.Random(Heads * HeadSize, Heads * HeadSize)), net.Random(Heads * HeadSize)),
        1 => net.Op("Div", net.Op("MatMul", x, net.Random(Heads * HeadSize, Heads * HeadSize)), net.Scalar(3)),
        2 => net.Gelu(x),
        3 => net.GeluTanh(x),
        4 => net.LayerNorm(x),
        5 => net.RmsNorm(x),
        _ => net.Attention(x, masked: random.Next(2) == 0, folded: random.Next(2) == 0),
    });

    private void Check(int seed, long[] dims, Func<Recipe, Random, string, string> block)
    {
        var random = new Random(seed);
        var net = new Recipe(random);
        net.Builder.Input("x", DType.Float32, [.. dims.Select(d => (DimensionProto)d)]);
        List<string> values = ["x"];
        for (int i = 0; i < 7; i++)
        {
            string value = block(net, random, values[^1]);
            if (random.Next(3) == 0) value = net.Op("Add", value, values[random.Next(values.Count)]);
            values.Add(value);
        }
        net.Builder.Output(values[^1]);
        if (random.Next(2) == 0) net.Builder.Output(values[random.Next(1, values.Count - 1)]);
        byte[] model = net.Builder.Build();
        var input = new Dictionary<string, Datum> { ["x"] = Tensor.From(RandomData.Floats((int)Shape.Count(dims), seed), dims) };
        Dictionary<string, float[]> expected = Run(model, 0, input, out _);
        for (int rewrites = 1; ; rewrites++)
        {
            Dictionary<string, float[]> actual = Run(model, rewrites, input, out IReadOnlyDictionary<string, int> fired);
            foreach ((string name, float[] values1) in expected) AssertClose(values1, actual[name], $"seed {seed}, {rewrites} rewrites ({string.Join(", ", fired)}), {name}");
            if (fired.Values.Sum() >= rewrites) continue;
            log.WriteLine($"seed {seed}: {string.Join(", ", fired)}");
            return;
        }
    }

    private static void AssertClose(float[] expected, float[] actual, string what)
    {
        double size = expected.Max(Math.Abs);
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= 1e-5 * size, $"{what}[{i}]: {actual[i]}, without rewrites {expected[i]}");
    }

    private static Dictionary<string, float[]> Run(byte[] model, int rewrites, Dictionary<string, Datum> input, out IReadOnlyDictionary<string, int> fired)
    {
        using var session = new InferenceSession(model, new SessionOptions { MaxRewrites = rewrites, Threads = 1 });
        fired = session.Fusions;
        using RunResult result = session.Run(input);
        return result.ToDictionary(o => o.Key, o => ((Tensor)o.Value).Span<float>().ToArray());
    }

    /// <summary>Spells networks out as exporters do.</summary>
    private sealed class Recipe(Random random)
    {
        private int names;

        internal ModelBuilder Builder { get; } = new();

        internal string Op(string op, string a, params AttributeProto[] attributes) => Add(op, [a], attributes);

        internal string Op(string op, string a, string b) => Add(op, [a, b]);

        internal string Op(string op, string a, string b, string c) => Add(op, [a, b, c]);

        internal string Norm(string x) => Add("BatchNormalization", [x, Random(Channels), Random(Channels), Random(Channels), Positive(Channels)]);

        internal string Random(params long[] dims) => Constant(Tensor.From(RandomData.Floats((int)Shape.Count(dims), random.Next()), dims));

        internal string Scalar(float value) => Constant(Tensor.Scalar(value));

        internal string Gelu(string x) => Op("Mul", Op("Mul", x, Op("Add", Op("Erf", Op("Div", x, Scalar(MathF.Sqrt(2)))), Scalar(1))), Scalar(0.5f));

        internal string GeluTanh(string x) => Op("Mul", Op("Mul", Scalar(0.5f), x),
            Op("Add", Scalar(1), Op("Tanh", Op("Mul", Scalar(0.7978845608f), Op("Add", x, Op("Mul", Scalar(0.044715f), Op("Pow", x, Scalar(3))))))));

        internal string LayerNorm(string x)
        {
            string centered = Op("Sub", x, Mean(x));
            return Op("Add", Op("Mul", Op("Div", centered, Root(Op("Pow", centered, Scalar(2)))), Random(Heads * HeadSize)), Random(Heads * HeadSize));
        }

        internal string RmsNorm(string x) => Op("Mul", Op("Mul", x, Op("Reciprocal", Root(Op("Mul", x, x)))), Random(Heads * HeadSize));

        internal string Attention(string x, bool masked, bool folded)
        {
            string scores = Op("Mul", Op("MatMul", Split(x, folded), Op("Transpose", Split(x, folded), new AttributeProto("perm", folded ? (long[])[0, 2, 1] : [0, 1, 3, 2]))), Scalar(0.4f));
            if (masked) scores = Op("Add", scores, folded || random.Next(2) == 0 ? Random(TokenCount, TokenCount) : Random(2, 1, 1, TokenCount));
            string mixed = Op("MatMul", Add("Softmax", [scores], new AttributeProto("axis", -1)), Split(x, folded));
            if (folded) mixed = Op("Reshape", mixed, Dims(2, Heads, TokenCount, HeadSize));
            return Op("Reshape", Op("Transpose", mixed, new AttributeProto("perm", (long[])[0, 2, 1, 3])), Dims(2, TokenCount, -1));
        }

        private string Split(string x, bool folded)
        {
            string heads = Op("Transpose", Op("Reshape", x, Dims(2, TokenCount, Heads, HeadSize)), new AttributeProto("perm", (long[])[0, 2, 1, 3]));
            return folded ? Op("Reshape", heads, Dims(2 * Heads, TokenCount, HeadSize)) : heads;
        }

        private string Mean(string x) => Op("ReduceMean", x, new AttributeProto("axes", (long[])[-1]));

        private string Root(string square) => Op("Sqrt", Op("Add", Mean(square), Scalar(1e-3f)));

        private string Positive(params long[] dims) => Constant(Tensor.From(Array.ConvertAll(RandomData.Floats((int)Shape.Count(dims), random.Next()), v => 0.5f + v * v), dims));

        private string Dims(params long[] dims) => Constant(Tensor.From(dims, [dims.Length]));

        private string Constant(Tensor tensor)
        {
            string name = $"c{names++}";
            Builder.Constant(name, tensor);
            return name;
        }

        private string Add(string op, string[] inputs, params AttributeProto[] attributes)
        {
            string name = $"v{names++}";
            Builder.Node(op, inputs, [name], attributes);
            return name;
        }
    }
}
