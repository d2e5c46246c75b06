using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Onnx;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>Elementwise, quantized and random operators as whole models: old opsets, strings, narrow floats, expansions.</summary>
public sealed class ElementwiseModelTests
{
    [Fact]
    public void Before_opset_7_the_second_operand_is_aligned_at_an_axis()
    {
        Tensor x = Tensor.From(new float[12], [2, 3, 2]);
        ModelBuilder model = new ModelBuilder(6).Input("x", DType.Float32, 2, 3, 2).Constant("b", Floats(1, 2, 3)).Constant("s", Tensor.Scalar(10f))
            .Node("Add", ["x", "b"], ["y"], new AttributeProto("broadcast", 1L), new AttributeProto("axis", 1L))
            .Node("Mul", ["b", "s"], ["z"], new AttributeProto("broadcast", 1L)).Output("y").Output("z");
        Tensor[] results = Run(model, ("x", x));
        Assert.Equal([1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3], results[0].Span<float>().ToArray());
        Assert.Equal([10, 20, 30], results[1].Span<float>().ToArray());
    }

    [Fact]
    public void Old_forms_of_Clip_PRelu_and_Cast_are_read()
    {
        Tensor x = Tensor.From([-4f, 5f, -2f, 1f], [1, 2, 2]);
        Tensor[] six = Run(new ModelBuilder(6).Input("x", DType.Float32, 1, 2, 2).Constant("slope", Floats(0.5f, 2f))
            .Node("Clip", ["x"], ["y"], new AttributeProto("min", -3f)).Node("PRelu", ["x", "slope"], ["z"]).Output("y").Output("z"), ("x", x));
        Assert.Equal([-3f, 5f, -2f, 1f], six[0].Span<float>().ToArray());
        Assert.Equal([-2f, 5f, -4f, 1f], six[1].Span<float>().ToArray());
        Tensor[] one = Run(new ModelBuilder(5).Input("x", DType.Float32, 1, 2, 2).Node("Cast", ["x"], ["y"], new AttributeProto("to", "INT32")).Output("y"), ("x", x));
        Assert.Equal([-4, 5, -2, 1], one[0].Span<int>().ToArray());
    }

    [Fact]
    public void Strings_are_compared_chosen_and_cast()
    {
        Tensor words = Tensor.FromStrings(["a", "b", "c", "a"], [2, 2]), numbers = Tensor.FromStrings(["1.5", "-INF", "nan", " 2 "], [4]);
        ModelBuilder model = new ModelBuilder().Input("x", DType.String, 2, 2).Input("n", DType.String, 4).Constant("a", Tensor.FromStrings(["a"], [1])).Constant("d", Tensor.FromStrings(["?"], []))
            .Node("Equal", ["x", "a"], ["e"]).Node("Where", ["e", "x", "d"], ["w"])
            .Node("Cast", ["n"], ["f"], new AttributeProto("to", (long)DType.Float32)).Node("Cast", ["f"], ["t"], new AttributeProto("to", (long)DType.String))
            .Output("e").Output("w").Output("f").Output("t");
        Tensor[] results = Run(model, ("x", words), ("n", numbers));
        Assert.Equal([true, false, false, true], results[0].Span<bool>().ToArray());
        Assert.Equal(["a", "?", "?", "a"], results[1].Strings.ToArray());
        Assert.Equal([1.5f, float.NegativeInfinity, float.NaN, 2f], results[2].Span<float>().ToArray());
        Assert.Equal(["1.5", "-INF", "NaN", "2"], results[3].Strings.ToArray());
    }

    [Fact]
    public void Narrow_floats_are_computed_in_float32_and_rounded_once()
    {
        Half[] x = [(Half)1, (Half)0.333, (Half)60000];
        ModelBuilder model = new ModelBuilder().Input("x", DType.Float16, 3).Node("Exp", ["x"], ["y"]).Node("Sum", ["x", "x", "x"], ["s"]).Node("Mean", ["x", "x"], ["m"]).Output("y").Output("s").Output("m");
        Tensor[] results = Run(model, ("x", Tensor.From(x, [3])));
        Assert.Equal([(Half)MathF.Exp(1), (Half)MathF.Exp((float)x[1]), Half.PositiveInfinity], results[0].Span<Half>().ToArray());
        Assert.Equal((Half)3, results[1].Span<Half>()[0]);
        Assert.Equal(DType.Float16, results[2].DType);
    }

    [Fact]
    public void Results_nobody_reads_do_not_disturb_the_others()
    {
        Tensor x = Tensor.From(RandomData.Floats(1000, 5), [1000]);
        ModelBuilder model = new ModelBuilder(13).Input("x", DType.Float32, 1000).Constant("r", Tensor.Scalar(0f)).Constant("t", Tensor.Scalar(true))
            .Node("Neg", ["x"], ["n"]).Node("Dropout", ["n", "r", "t"], ["d", "mask"], new AttributeProto("seed", 3L)).Node("Neg", ["d"], ["y"]).Output("y");
        Assert.Equal(x.Span<float>().ToArray(), Run(model, ("x", x))[0].Span<float>().ToArray());
    }

    [Fact]
    public void Dropout_for_inference_is_no_node_and_its_mask_is_all_true()
    {
        Tensor x = Floats(1, 2, 3);
        ModelBuilder model = new ModelBuilder(13).Input("x", DType.Float32, 3).Node("Dropout", ["x"], ["y", "mask"]).Output("y").Output("mask");
        using var session = new InferenceSession(model.Build());
        Assert.DoesNotContain(session.Graph.Nodes, n => n.Op is Dropout);
        Tensor[] results = Run(model, ("x", x));
        Assert.Equal([1f, 2f, 3f], results[0].Span<float>().ToArray());
        Assert.Equal([true, true, true], results[1].Span<bool>().ToArray());
    }

    [Fact]
    public void Quantized_operators_of_com_microsoft_work_on_what_their_operands_stand_for()
    {
        Tensor a = Tensor.From(new byte[] { 0, 100, 200, 255 }, [1, 2, 1, 2]), b = Tensor.From(new byte[] { 10, 20, 30, 40 }, [1, 2, 1, 2]);
        ModelBuilder model = new ModelBuilder().Input("a", DType.UInt8, 1, 2, 1, 2).Input("b", DType.UInt8, 1, 2, 1, 2)
            .Constant("as", Tensor.Scalar(0.1f)).Constant("az", Tensor.Scalar((byte)100)).Constant("bs", Tensor.Scalar(0.5f)).Constant("bz", Tensor.Scalar((byte)20))
            .Constant("ys", Tensor.Scalar(0.25f)).Constant("yz", Tensor.Scalar((byte)128))
            .MicrosoftNode("QLinearAdd", ["a", "as", "az", "b", "bs", "bz", "ys", "yz"], ["add"])
            .MicrosoftNode("QLinearMul", ["a", "as", "az", "b", "bs", "bz", "ys", "yz"], ["mul"])
            .MicrosoftNode("QLinearLeakyRelu", ["a", "as", "az", "ys", "yz"], ["leaky"], new AttributeProto("alpha", 0.1f))
            .MicrosoftNode("QLinearGlobalAveragePool", ["a", "as", "az", "ys", "yz"], ["pool"])
            .MicrosoftNode("QLinearConcat", ["ys", "yz", "a", "as", "az", "b", "bs", "bz"], ["concat"], new AttributeProto("axis", 3L))
            .Output("add").Output("mul").Output("leaky").Output("pool").Output("concat");
        Tensor[] results = Run(model, ("a", a), ("b", b));
        double[] left = [-10, 0, 10, 15.5], right = [-5, 0, 5, 10];
        Assert.Equal(left.Zip(right, (l, r) => Quantize(l + r)), results[0].Span<byte>().ToArray());
        Assert.Equal(left.Zip(right, (l, r) => Quantize(l * r)), results[1].Span<byte>().ToArray());
        Assert.Equal(left.Select(l => Quantize(l < 0 ? l * 0.1 : l)), results[2].Span<byte>().ToArray());
        Assert.Equal([Quantize(-5), Quantize(12.75)], results[3].Span<byte>().ToArray());
        Assert.Equal([.. new[] { left[0], left[1], right[0], right[1], left[2], left[3], right[2], right[3] }.Select(Quantize)], results[4].Span<byte>().ToArray());
    }

    [Fact]
    public void Gelus_of_com_microsoft_take_a_bias()
    {
        float[] x = [-2f, -0.5f, 0.25f, 3f], bias = [0.5f, -1f];
        ModelBuilder model = new ModelBuilder().Input("x", DType.Float32, 2, 2).Constant("b", Floats(bias))
            .MicrosoftNode("BiasGelu", ["x", "b"], ["bias"]).MicrosoftNode("FastGelu", ["x", "b"], ["fast"]).MicrosoftNode("FastGelu", ["x"], ["plain"]).MicrosoftNode("QuickGelu", ["x"], ["quick"])
            .Output("bias").Output("fast").Output("plain").Output("quick");
        Tensor[] results = Run(model, ("x", Tensor.From(x, [2, 2])));
        for (int i = 0; i < 4; i++)
        {
            double biased = x[i] + bias[i % 2];
            Assert.Equal(ActivationReference.Apply(Activation.GeluErf, biased), results[0].Span<float>()[i], 1e-6);
            Assert.Equal(ActivationReference.Apply(Activation.GeluTanh, biased), results[1].Span<float>()[i], 1e-6);
            Assert.Equal(ActivationReference.Apply(Activation.GeluTanh, x[i]), results[2].Span<float>()[i], 1e-6);
            Assert.Equal(ActivationReference.Apply(Activation.QuickGelu(), x[i]), results[3].Span<float>()[i], 1e-6);
        }
    }

    [Fact]
    public void A_missing_input_is_named()
    {
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 2).MicrosoftNode("QLinearAdd", ["x"], ["y"]).Output("y").Build();
        Assert.Contains("input 1 is missing", Assert.Throws<InvalidModelException>(() => new InferenceSession(model)).Message);
    }

    [Fact]
    public void Integer_products_come_back_as_floats()
    {
        Tensor x = Tensor.From([-1f, 0f, 2f, 4f], [2, 2]);
        ModelBuilder model = new ModelBuilder().Input("x", DType.Float32, 2, 2).Constant("w", Tensor.From(new sbyte[] { 1, -2, 3, 4 }, [2, 2])).Constant("ws", Floats(0.5f, 2f)).Constant("bias", Floats(1, -1))
            .MicrosoftNode("DynamicQuantizeMatMul", ["x", "w", "ws", "", "bias"], ["y"]).Output("y");
        float[] expected = [0.5f, 3f, 8f, 23f]; // x w ws + bias
        float[] actual = Run(model, ("x", x))[0].Span<float>().ToArray();
        for (int i = 0; i < 4; i++) Assert.InRange(actual[i], expected[i] - 0.2f, expected[i] + 0.2f);
    }

    [Fact]
    public void Shapes_are_followed_through_arithmetic()
    {
        ModelBuilder model = new ModelBuilder().Input("x", DType.Float32, "batch", 6, "width")
            .Constant("at", Tensor.From([0L, 2L], [2])).Constant("six", Tensor.From([1L, 6L], [2])).Constant("minus", Tensor.From([-1L], [1])).Constant("one", Tensor.From([1L], [1]))
            .Node("Shape", ["x"], ["shape"]).Node("Gather", ["shape", "at"], ["two"]).Node("Mul", ["two", "six"], ["dims"])
            .Node("Equal", ["dims", "minus"], ["unknown"]).Node("Where", ["unknown", "one", "dims"], ["safe"])
            .Node("Reshape", ["x", "safe"], ["y"]).Output("y");
        using var session = new InferenceSession(model.Build());
        Assert.Equal("[batchx6*width]", ((TensorFact)session.Graph[session.Graph.Outputs[0].Value].Fact).Shape.ToString());
        Assert.Equal([2L, 30L], Run(model, ("x", Tensor.Zeros(DType.Float32, [2, 6, 5])))[0].Dims.ToArray());
    }

    private static byte Quantize(double real) => (byte)Math.Clamp(Math.Round(real / 0.25) + 128, 0, 255);

    private static Tensor Floats(params float[] values) => Tensor.From(values, [values.Length]);

    private static Tensor[] Run(ModelBuilder model, params (string Name, Tensor Value)[] inputs)
    {
        using var session = new InferenceSession(model.Build());
        using RunResult result = session.Run(inputs.ToDictionary(i => i.Name, i => (Datum)i.Value));
        return [.. session.Outputs.Select(o => result[o.Name].Clone())];
    }
}
