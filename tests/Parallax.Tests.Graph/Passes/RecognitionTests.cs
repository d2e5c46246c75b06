using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Functions that a model spells out and the graph says in one word.</summary>
public sealed class RecognitionTests
{
    private static ValueId Sigmoid(Net net, ValueId x) => net.Unary(UnaryFunction.Sigmoid, x);

    [Fact]
    public void Swish_with_and_without_a_factor_on_either_side()
    {
        var net = new Net();
        ValueId x = net.In(4);
        Assert.Equal(new Unary(UnaryFunction.Swish, 1f), net.Out(net.Mul(Sigmoid(net, x), x)).Makes(new RecognizeSwish()).Op);
        net = new Net();
        x = net.In(4);
        Assert.Equal(new Unary(UnaryFunction.Swish, 1.702f), net.Out(net.Mul(x, Sigmoid(net, net.Mul(x, net.Const(1.702f))))).Makes(new RecognizeSwish()).Op);
    }

    [Fact]
    public void What_is_no_swish()
    {
        AssertNone(new RecognizeSwish(), net => net.Mul(net.In(4), Sigmoid(net, net.In(4))));                         // two values
        AssertNone(new RecognizeSwish(), net => OfX(net, x => net.Sum(x, Sigmoid(net, x))));
        AssertNone(new RecognizeSwish(), net => OfX(net, x => net.Mul(x, net.Unary(UnaryFunction.Tanh, x))));
        AssertNone(new RecognizeSwish(), net => OfX(net, x => net.Mul(x, Sigmoid(net, net.Mul(x, net.Const(2, 4))))));   // a factor for each element
        AssertNone(new RecognizeSwish(), net => OfX(net, x => net.Mul(x, Shown(net, Sigmoid(net, x)))));
        AssertNone(new RecognizeSwish(), net => OfX(net, x => net.Mul(x, Sigmoid(net, Shown(net, net.Mul(x, net.Const(2)))))));
    }

    [Fact]
    public void HardSwish()
    {
        var net = new Net();
        ValueId x = net.In(4);
        Assert.Equal(new Unary(UnaryFunction.HardSwish), net.Out(net.Mul(net.Add(new Unary(UnaryFunction.HardSigmoid, 1 / 6f, 0.5f), x), x)).Makes(new RecognizeHardSwish()).Op);
    }

    [Fact]
    public void What_is_no_hardswish()
    {
        AssertNone(new RecognizeHardSwish(), net => OfX(net, x => net.Mul(x, net.Add(new Unary(UnaryFunction.HardSigmoid, 0.2f, 0.5f), x))));
        AssertNone(new RecognizeHardSwish(), net => OfX(net, x => net.Mul(x, net.Add(new Unary(UnaryFunction.HardSigmoid, 1 / 6f, 0.4f), x))));
        AssertNone(new RecognizeHardSwish(), net => net.Mul(net.In(4), net.Add(new Unary(UnaryFunction.HardSigmoid, 1 / 6f, 0.5f), net.In(4))));
        AssertNone(new RecognizeHardSwish(), net => OfX(net, x => net.Mul(x, Shown(net, net.Add(new Unary(UnaryFunction.HardSigmoid, 1 / 6f, 0.5f), x)))));
    }

    private static ValueId ErfGate(Net net, ValueId x, float root = 1.41421356f, float one = 1) =>
        net.Sum(net.Unary(UnaryFunction.Erf, net.Div(x, net.Const(root))), net.Const(one));

    [Fact]
    public void Gelu_however_its_factors_are_grouped()
    {
        foreach (int grouping in (int[])[0, 1, 2, 3])
        {
            var net = new Net();
            ValueId x = net.In(4), half = net.Const(0.5f);
            ValueId gate = grouping == 3 ? net.Sum(net.Const(1), net.Unary(UnaryFunction.Erf, net.Mul(net.Const(0.70710678f), x))) : ErfGate(net, x);
            ValueId y = grouping switch
            {
                0 => net.Mul(net.Mul(x, gate), half),
                1 => net.Mul(net.Mul(x, half), gate),
                _ => net.Mul(x, net.Mul(gate, half)),
            };
            Assert.Equal(new Unary(UnaryFunction.Gelu), net.Out(y).Makes(new RecognizeGelu()).Op);
        }
    }

    [Fact]
    public void What_is_no_gelu()
    {
        AssertNone(new RecognizeGelu(), net => OfX(net, x => net.Mul(net.Mul(x, ErfGate(net, x)), net.Const(0.6f))));
        AssertNone(new RecognizeGelu(), net => OfX(net, x => net.Mul(net.Mul(x, ErfGate(net, x, root: 1.5f)), net.Const(0.5f))));
        AssertNone(new RecognizeGelu(), net => OfX(net, x => net.Mul(net.Mul(x, ErfGate(net, x, one: 2)), net.Const(0.5f))));
        AssertNone(new RecognizeGelu(), net => OfX(net, x => net.Mul(net.Mul(net.In(4), ErfGate(net, x)), net.Const(0.5f))));
        AssertNone(new RecognizeGelu(), net => OfX(net, x => net.Mul(Shown(net, net.Mul(x, ErfGate(net, x))), net.Const(0.5f))));
        AssertNone(new RecognizeGelu(), net => OfX(net, x => net.Mul(net.Mul(x, Shown(net, ErfGate(net, x))), net.Const(0.5f))));
    }

    private static ValueId TanhGelu(Net net, ValueId x, Func<ValueId, ValueId> argument, float half = 0.5f) =>
        net.Mul(net.Mul(net.Const(half), x), net.Sum(net.Const(1), net.Unary(UnaryFunction.Tanh, argument(x))));

    private static ValueId Cubic(Net net, ValueId x, float linear = 0.7978845608f, float cubic = 0.044715f, float power = 3) =>
        net.Mul(net.Const(linear), net.Sum(x, net.Mul(net.Const(cubic), net.Add(new Binary(BinaryFunction.Pow), x, net.Const(power)))));

    [Fact]
    public void Gelu_by_tanh_however_its_polynomial_is_written()
    {
        var net = new Net();
        ValueId x = net.In(4);
        Assert.Equal(new Unary(UnaryFunction.GeluTanh), net.Out(TanhGelu(net, x, v => Cubic(net, v))).Makes(new RecognizeGeluTanh()).Op);
        net = new Net();
        x = net.In(4);
        Assert.Equal(new Unary(UnaryFunction.GeluTanh), net.Out(TanhGelu(net, x, v =>
            net.Mul(net.Mul(v, net.Const(0.7978845608f)), net.Sum(net.Const(1), net.Mul(net.Mul(net.Const(0.044715f), v), v))))).Makes(new RecognizeGeluTanh()).Op);
        net = new Net();
        x = net.In(4);
        Assert.Equal(new Unary(UnaryFunction.GeluTanh), net.Out(TanhGelu(net, x, v =>
            net.Mul(net.Sum(v, net.Mul(net.Mul(net.Mul(v, v), v), net.Const(0.044715f))), net.Const(0.7978845608f)))).Makes(new RecognizeGeluTanh()).Op);
    }

    [Fact]
    public void What_is_no_gelu_by_tanh()
    {
        var pass = new RecognizeGeluTanh();
        AssertNone(pass, net => OfX(net, x => TanhGelu(net, x, v => Cubic(net, v, linear: 0.79f))));
        AssertNone(pass, net => OfX(net, x => TanhGelu(net, x, v => Cubic(net, v, cubic: 0.05f))));
        AssertNone(pass, net => OfX(net, x => TanhGelu(net, x, v => Cubic(net, v, power: 2))));
        AssertNone(pass, net => OfX(net, x => TanhGelu(net, x, v => Cubic(net, v), half: 0.4f)));
        AssertNone(pass, net => OfX(net, x => TanhGelu(net, x, _ => Cubic(net, net.In(4)))));
    }

    [Fact]
    public void A_polynomial_of_very_high_degree_is_given_up_early()
    {
        var net = new Net();
        ValueId x = net.In(4), power = x;
        for (int i = 0; i < 200; i++) power = net.Mul(power, power);
        net.Out(TanhGelu(net, x, _ => power)).Leaves(new RecognizeGeluTanh());
    }

    private static ValueId Mean(Net net, ValueId x, params long[] axes) => net.Add(new Reduce(ReduceKind.Mean), x, net.Ints(axes));

    private static ValueId Root(Net net, ValueId x, ValueId square, params long[] axes) =>
        net.Unary(UnaryFunction.Sqrt, net.Sum(Mean(net, square, axes), net.Const(1e-6f)));

    private static ValueId Layer(Net net, ValueId x, params long[] axes)
    {
        ValueId centered = net.Sub(x, Mean(net, x, axes));
        return net.Div(centered, Root(net, centered, net.Add(new Binary(BinaryFunction.Pow), centered, net.Const(2)), axes));
    }

    [Fact]
    public void Layer_normalization_with_scale_and_bias()
    {
        var net = new Net();
        ValueId x = net.In(2, 5, 8), scale = net.Const(2, 8), bias = net.Const(3, 8);
        RewriteResult result = net.Out(net.Sum(net.Mul(Layer(net, x, -1), scale), bias)).Apply(new RecognizeNormalization(), new FuseNormalizationBias());
        Node node = Assert.Single(result.Graph.Nodes);
        Assert.Equal(new LayerNormalization(2, 1e-6f), node.Op);
        Assert.Equal([x, scale, bias], node.Inputs.ToArray());
    }

    [Fact]
    public void Layer_normalization_over_two_axes()
    {
        var net = new Net();
        ValueId x = net.In(2, 5, 8);
        Assert.Equal(1, net.Out(net.Mul(Layer(net, x, 2, 1), net.Const(2, 5, 8))).Makes<LayerNormalization>(new RecognizeNormalization()).Op.Axis);
    }

    [Fact]
    public void Rms_normalization_by_division_and_by_reciprocals()
    {
        foreach (int form in (int[])[0, 1, 2])
        {
            var net = new Net();
            ValueId x = net.In(Dim.Symbol("n"), 8), root = Root(net, x, net.Mul(x, x), 1);
            ValueId quotient = form switch
            {
                0 => net.Div(x, root),
                1 => net.Mul(x, net.Unary(UnaryFunction.Reciprocal, root)),
                _ => net.Mul(net.Div(net.Const(1), root), x),
            };
            (RMSNormalization op, var inputs) = net.Out(net.Mul(net.Const(2, 8), quotient)).Makes<RMSNormalization>(new RecognizeNormalization());
            Assert.Equal((1, 1e-6f, x), (op.Axis, op.Epsilon, inputs[0]));
        }
    }

    [Fact]
    public void What_is_no_normalization()
    {
        var pass = new RecognizeNormalization();
        AssertNone(pass, net => net.Mul(Layer(net, net.In(2, 5, 8), 1), net.Const(2, 8)));                       // not the trailing axes
        AssertNone(pass, net => net.Mul(Layer(net, net.In(2, 5, 8), -1), net.In(8)));                            // a scale that is computed
        AssertNone(pass, net => net.Mul(Layer(net, net.In(2, 5, 8), -1), net.Const(2, 5, 1)));                   // a scale of another axis
        AssertNone(pass, net => net.Mul(Layer(net, net.In(2, 5, 8), -1), net.Const(2)));                         // one number
        AssertNone(pass, net => net.Mul(Shown(net, Layer(net, net.In(2, 5, 8), -1)), net.Const(2, 8)));
        AssertNone(pass, net => OfX(net, x => net.Mul(net.Div(x, Root(net, x, net.Mul(x, net.In(4)), -1)), net.Const(2, 4))));   // no square
        AssertNone(pass, net => OfX(net, x => net.Mul(net.Div(net.In(4), Root(net, x, net.Mul(x, x), -1)), net.Const(2, 4))));   // of something else
        AssertNone(pass, net => OfX(net, x => net.Mul(net.Div(x, Shown(net, Root(net, x, net.Mul(x, x), -1))), net.Const(2, 4))));
        AssertNone(pass, net =>
        {
            ValueId x = net.In(DType.Float64, 4), two = net.Const(Tensor.Scalar(1e-6));
            return net.Mul(net.Div(x, net.Unary(UnaryFunction.Sqrt, net.Sum(Mean(net, net.Mul(x, x), -1), two))), net.Const(Tensor.From(new double[4], [4])));
        });
    }

    [Fact]
    public void A_centered_value_that_is_shown_is_normalized_from_there()
    {
        var net = new Net();
        ValueId x = net.In(5, 8), centered = net.Sub(x, Mean(net, x, -1));
        ValueId y = net.Mul(net.Div(centered, Root(net, centered, net.Mul(centered, centered), -1)), net.Const(2, 8));
        RewriteResult result = net.Out(y, centered).Apply(new RecognizeNormalization());
        Assert.IsType<RMSNormalization>(result.Graph.Producer(result.Graph.Outputs[0].Value)!.Op);
    }

    [Fact]
    public void What_is_no_bias_of_a_normalization()
    {
        var pass = new FuseNormalizationBias();
        AssertNone(pass, net => net.Sum(net.Add(new LayerNormalization(), net.In(5, 8), net.Const(1, 8)), net.Const(2, 5, 1)));
        AssertNone(pass, net => net.Sum(net.Add(new LayerNormalization(), net.In(5, 8), net.Const(1, 8)), net.In(8)));
        AssertNone(pass, net => net.Sum(net.Add(new LayerNormalization(), net.In(5, 8), net.Const(1, 8), net.Const(1, 8)), net.Const(2, 8)));
        AssertNone(pass, net => net.Sum(net.Add(new RMSNormalization(), net.In(5, 8), net.Const(1, 8)), net.Const(2, 8)));
        AssertNone(pass, net => net.Sum(Shown(net, net.Add(new LayerNormalization(), net.In(5, 8), net.Const(1, 8))), net.Const(2, 8)));
    }

    [Fact]
    public void What_is_added_to_a_normalization_is_its_residual()
    {
        foreach (bool biased in (bool[])[true, false])
            foreach (bool first in (bool[])[true, false])
            {
                var net = new Net();
                ValueId x = net.In(Dim.Symbol("batch"), 8), residual = net.In(Dim.Symbol("batch"), 8), scale = net.Const(1, 8), bias = net.Const(2, 8);
                ValueId normalized = biased ? net.Add(new LayerNormalization(), x, scale, bias) : net.Add(new LayerNormalization(), x, scale);
                (LayerNormalization op, ValueId[] inputs) = net.Out(first ? net.Sum(residual, normalized) : net.Sum(normalized, residual)).Makes<LayerNormalization>(new FuseNormalizationResidual());
                Assert.Equal(new LayerNormalization(), op);
                Assert.Equal([x, scale, biased ? bias : ValueId.None, residual], inputs);
            }
    }

    [Fact]
    public void What_is_no_residual_of_a_normalization()
    {
        var pass = new FuseNormalizationResidual();
        AssertNone(pass, net => net.Sum(net.Add(new LayerNormalization(), net.In(5, 8), net.Const(1, 8)), net.In(8)));
        AssertNone(pass, net => net.Sum(net.Add(new LayerNormalization(), net.In(5, 8), net.Const(1, 8)), net.In(2, 5, 8)));
        AssertNone(pass, net => net.Sum(net.Add(new LayerNormalization(), net.In(5, 8), net.Const(1, 8), net.Const(1, 8), net.In(5, 8)), net.In(5, 8)));
        AssertNone(pass, net => net.Sum(net.AddMany(new LayerNormalization(), 2, net.In(5, 8), net.Const(1, 8))[0], net.In(5, 8)));
        AssertNone(pass, net => net.Sum(Shown(net, net.Add(new LayerNormalization(), net.In(5, 8), net.Const(1, 8))), net.In(5, 8)));
        AssertNone(pass, net =>
        {
            ValueId normalized = net.Add(new LayerNormalization(), net.In(5, 8), net.Const(1, 8));
            return net.Sum(normalized, normalized);
        });
    }

    private static ValueId OfX(Net net, Func<ValueId, ValueId> build) => build(net.In(4));

    private static ValueId Shown(Net net, ValueId value)
    {
        net.Out(value);
        return value;
    }

    private static void AssertNone(IPass pass, Func<Net, ValueId> build)
    {
        var net = new Net();
        net.Out(build(net)).Leaves(pass);
    }
}
