using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>What dynamic quantization leaves of a product, and what must not become one operator.</summary>
public sealed class ScaledProductTests
{
    private static readonly FuseScaledProducts Products = new();
    private static readonly FuseScaledProductBias Biases = new();

    private static ValueId Weights(Net net, params long[] dims) => net.Const(Tensor.From(new sbyte[Shape.Count(dims)], dims));

    private static ValueId Zero(Net net) => net.Const(Tensor.Scalar((sbyte)3));

    private static ValueId Sums(Net net, ValueId? data = null, ValueId? weights = null, ValueId? zero = null) =>
        net.Add(new IntegerMatMul(Requantizes: false), data ?? net.In(DType.UInt8, 2, 5, 3), weights ?? Weights(net, 3, 4), net.In(DType.UInt8), zero ?? Zero(net));

    private static ValueId Real(Net net, ValueId sums) => net.Add(new Cast(DType.Float32), sums);

    [Fact]
    public void Sums_that_are_scaled_are_one_operator_whatever_the_order()
    {
        var net = new Net();
        Assert.Equal(5, net.Out(net.Mul(Real(net, Sums(net)), net.In())).Makes<ScaledIntegerMatMul>(Products).Inputs.Length);
        net = new Net();
        net.Out(net.Mul(net.In(4), Real(net, Sums(net)))).Makes<ScaledIntegerMatMul>(Products);
        net = new Net();
        net.Out(net.Mul(net.In(4), Real(net, Sums(net, zero: Weights(net, 4))))).Makes<ScaledIntegerMatMul>(Products); // the same for each column
    }

    [Fact]
    public void A_bias_for_each_column_is_added_as_well()
    {
        var net = new Net();
        RewriteResult result = net.Out(net.Sum(net.Const(1, 4), net.Mul(Real(net, Sums(net)), net.In(1)))).Apply(Products, Biases);
        Node product = Assert.Single(result.Graph.Nodes);
        Assert.IsType<ScaledIntegerMatMul>(product.Op);
        Assert.Equal(6, product.Inputs.Length);
        Assert.Equal("Float32[2x5x4]", result.Graph.Fact(product.Outputs[0]).ToString());
    }

    [Fact]
    public void Other_scales_weights_and_readers_are_left_alone()
    {
        Leaves(Products, (net, _) => net.Mul(Real(net, Sums(net)), net.In(5, 1)));
        Leaves(Products, (net, _) => net.Mul(Real(net, Sums(net)), net.In(2, 1, 1)));
        Leaves(Products, (net, _) => net.Mul(Real(net, Sums(net, weights: net.In(DType.Int8, 3, 4))), net.In()));
        Leaves(Products, (net, _) => net.Mul(Real(net, Sums(net, weights: Weights(net, 2, 3, 4))), net.In()));
        Leaves(Products, (net, _) => net.Mul(Real(net, Sums(net, zero: net.In(DType.Int8))), net.In()));
        Leaves(Products, (net, _) => net.Mul(Real(net, Sums(net, zero: net.Const(Tensor.From((sbyte[])[0, 1, 0, 0], [4])))), net.In()));
        Leaves(Products, (net, _) => net.Mul(net.Add(new Cast(DType.Float64), Sums(net)), net.In(DType.Float64)));
        Leaves(Products, (net, also) =>
        {
            ValueId sums = Sums(net);
            also.Add(sums);
            return net.Mul(Real(net, sums), net.In());
        });
        Leaves(Biases, (net, _) => net.Sum(net.Add(new ScaledIntegerMatMul(), net.In(DType.UInt8, 5, 3), Weights(net, 3, 4), ValueId.None, ValueId.None, net.In()), net.Const(1)));
        Leaves(Biases, (net, _) => net.Sum(net.Add(new ScaledIntegerMatMul(), net.In(DType.UInt8, 5, 3), Weights(net, 3, 4), ValueId.None, ValueId.None, net.In()), net.In(4)));

        static void Leaves(IPass pass, Func<Net, List<ValueId>, ValueId> make)
        {
            var net = new Net();
            List<ValueId> outputs = [];
            outputs.Add(make(net, outputs));
            net.Out([.. outputs]).Leaves(pass);
        }
    }
}
