using Parallax.Onnx;

namespace Parallax.Suite;

/// <summary>
/// A small seeded network of all layers that can be split over their output channels: convolutions of 3x3 taps, of one tap, with strides, by channel and by
/// group, for two images; products of constants and of computed matrices, whole and in batches; with bias, activation and residual. Reads x [2, 12, size, size].
/// </summary>
public static class SplitNetwork
{
    public static byte[] Build(int size = 12)
    {
        int half = (size + 1) / 2, cells = half * half;
        var model = new ModelBuilder().Input("x", DType.Float32, 2, 12, size, size);
        Conv(model, "x", "stem", 12, 64, 3, 1);
        model.Node("Relu", ["stem"], ["stem.out"]);
        Conv(model, "stem.out", "point", 64, 64, 1, 1);
        model.Node("Add", ["point", "stem.out"], ["point.out"]);
        Conv(model, "point.out", "stride", 64, 70, 3, 2);
        Conv(model, "point.out", "depth", 64, 64, 3, 2, groups: 64);
        Conv(model, "depth", "group", 64, 80, 3, 1, groups: 4);
        model.Node("Sigmoid", ["group"], ["group.out"]);
        model.Constant("rows", Tensor.From([2L, 80, cells], [3])).Node("Reshape", ["group.out", "rows"], ["matrix"]);
        model.Constant("wide", Values(7, [cells, 100])).Constant("wide.bias", Values(8, [100]));
        model.Node("MatMul", ["matrix", "wide"], ["wide.sum"]).Node("Add", ["wide.sum", "wide.bias"], ["wide.out"]);
        model.Constant("turn", Tensor.From([2L, 70, cells], [3])).Node("Reshape", ["stride", "turn"], ["turned"]);
        model.Node("Transpose", ["turned"], ["left"], new AttributeProto("perm", [0L, 2, 1]));
        model.Node("MatMul", ["left", "turned"], ["gram"]); // both computed, a batch of two
        model.Node("Flatten", ["wide.out"], ["flat"]);
        model.Constant("head", Values(9, [90, 8000])).Constant("head.bias", Values(10, [90]));
        model.Node("Gemm", ["flat", "head", "head.bias"], ["head.out"], new AttributeProto("transB", 1L), new AttributeProto("alpha", 0.5f));
        return model.Output("head.out").Output("gram").Output("wide.out").Output("stride").Build();
    }

    /// <summary>The layers.</summary>
    public static IReadOnlyList<string> Layers { get; } = ["stem", "point", "stride", "depth", "group", "wide.sum", "gram", "head.out"];

    /// <summary>
    /// Products that can be split over their rows: of constants and of computed matrices, in batches that share a right operand or have their own, with a transposed left operand, with one column,
    /// with biases of columns and of rows, activation and residual. Reads x [3, rows, 45]; no extent is a multiple of a tile's.
    /// </summary>
    public static byte[] BuildProducts(int rows = 37)
    {
        var model = new ModelBuilder().Input("x", DType.Float32, 3, rows, 45);
        model.Constant("up", Values(1, [45, 70])).Constant("up.bias", Values(2, [70])).Constant("down", Values(3, [70, 45])).Constant("down.bias", Values(4, [45]));
        model.Node("MatMul", ["x", "up"], ["up.sum"]).Node("Add", ["up.sum", "up.bias"], ["up.biased"]).Node("Relu", ["up.biased"], ["up.out"]);
        model.Node("MatMul", ["up.out", "down"], ["down.sum"]).Node("Add", ["down.sum", "down.bias"], ["down.biased"]).Node("Add", ["down.biased", "x"], ["down.out"]);
        model.Node("Transpose", ["x"], ["turned"], new AttributeProto("perm", [0L, 2, 1])).Node("MatMul", ["down.out", "turned"], ["gram.rows"]);
        model.Constant("flat", Tensor.From([-1L, 45], [2])).Node("Reshape", ["down.out", "flat"], ["matrix"]);
        model.Constant("head", Values(5, [20, 45])).Constant("head.bias", Values(6, [3 * rows, 1]));
        model.Node("Gemm", ["matrix", "head", "head.bias"], ["head.rows"], new AttributeProto("transB", 1L), new AttributeProto("beta", 2f));
        model.Node("Gemm", ["matrix", "head.rows"], ["cross"], new AttributeProto("transA", 1L));
        model.Constant("score", Values(7, [45, 1])).Node("MatMul", ["down.out", "score"], ["score.out"]);
        return model.Output("gram.rows").Output("head.rows").Output("cross").Output("score.out").Build();
    }

    /// <summary>The layers of <see cref="BuildProducts"/>; the last has no channels to cut.</summary>
    public static IReadOnlyList<string> Products { get; } = ["up.out", "down.out", "gram.rows", "head.rows", "cross", "score.out"];

    public static Tensor Left(int rows = 37, int seed = 1) => Values(seed, [3, rows, 45]);

    public static Tensor Image(int size = 12, int seed = 1) => Values(seed, [2, 12, size, size]);

    private static void Conv(ModelBuilder model, string from, string to, int inputs, int outputs, int kernel, int stride, int groups = 1)
    {
        model.Constant($"{to}.w", Values(to.Length + outputs, [outputs, inputs / groups, kernel, kernel])).Constant($"{to}.b", Values(to.Length, [outputs]));
        model.Node("Conv", [from, $"{to}.w", $"{to}.b"], [to], new AttributeProto("pads", [.. Enumerable.Repeat((long)(kernel / 2), 4)]),
            new AttributeProto("strides", [stride, stride]), new AttributeProto("group", (long)groups));
    }

    private static Tensor Values(int seed, long[] dims)
    {
        var random = new Random(seed);
        float scale = 2f / MathF.Sqrt(Shape.Count(dims.AsSpan(1)));
        return Tensor.From([.. Enumerable.Range(0, (int)Shape.Count(dims)).Select(_ => (random.NextSingle() - 0.5f) * scale)], dims);
    }
}
