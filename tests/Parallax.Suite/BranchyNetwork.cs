using Parallax.Onnx;

namespace Parallax.Suite;

/// <summary>A seeded network of stages that split into branches of convolutions, pools and elementwise chains and join again, as Inception does.</summary>
public static class BranchyNetwork
{
    public static byte[] Build(int seed, int stages = 3, int branches = 4, int channels = 8)
    {
        var random = new Random(seed);
        ModelBuilder model = new ModelBuilder().Input("x", DType.Float32, 1, channels, "h", "w");
        string at = "x";
        for (int stage = 0; stage < stages; stage++)
        {
            var ends = new List<string>();
            for (int branch = 0; branch < branches; branch++)
            {
                string value = at;
                for (int step = 0; step <= random.Next(1, 4); step++) value = AddStep(model, random, value, $"s{stage}b{branch}n{step}", channels);
                ends.Add(value);
            }
            // A value that an early step of one branch makes and a late join reads crosses branches.
            string joined = $"s{stage}sum";
            model.Node("Sum", [.. ends], [joined]);
            model.Node("Concat", [joined, ends[0]], [$"s{stage}cat"], new AttributeProto("axis", 1L));
            Convolution(model, random, $"s{stage}cat", $"s{stage}out", 2 * channels, channels, 1);
            at = $"s{stage}out";
        }
        return model.Node("GlobalAveragePool", [at], ["pooled"]).Output(at).Output("pooled").Build();
    }

    private static string AddStep(ModelBuilder model, Random random, string from, string name, int channels)
    {
        switch (random.Next(4))
        {
            case 0: Convolution(model, random, from, name, channels, channels, 3); break;
            case 1: Convolution(model, random, from, name, channels, channels, 1); break;
            case 2: model.Node("MaxPool", [from], [name], new AttributeProto("kernel_shape", [3L, 3]), new AttributeProto("pads", [1L, 1, 1, 1])); break;
            default: model.Node("Tanh", [from], [name]); break;
        }
        return name;
    }

    private static void Convolution(ModelBuilder model, Random random, string from, string to, int inputs, int outputs, int kernel)
    {
        float[] weights = [.. Enumerable.Range(0, outputs * inputs * kernel * kernel).Select(_ => (random.NextSingle() - 0.5f) / (kernel * 2))];
        model.Constant($"{to}.weight", Tensor.From(weights, [outputs, inputs, kernel, kernel]));
        model.Node("Conv", [from, $"{to}.weight"], [$"{to}.sum"], new AttributeProto("pads", [.. Enumerable.Repeat((long)(kernel / 2), 4)]));
        model.Node("Relu", [$"{to}.sum"], [to]);
    }

    public static Tensor Image(int channels, int height, int width, int seed = 1)
    {
        var random = new Random(seed);
        return Tensor.From(Enumerable.Range(0, channels * height * width).Select(_ => random.NextSingle()).ToArray(), [1, channels, height, width]);
    }
}
