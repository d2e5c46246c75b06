using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Biases, residuals, activations and scales that products and convolutions take over, and transposes that products absorb.</summary>
public sealed class EpilogueTests
{
    private static readonly Conv Convolution = new(new SpatialWindow([], [], [], []));

    private static ValueId Conv(Net net, ValueId? x = null, bool bias = false) => bias
        ? net.Add(Convolution, x ?? net.In(1, 3, 8, 8), net.Const(1, 4, 3, 1, 1), net.Const(1, 4))
        : net.Add(Convolution, x ?? net.In(1, 3, 8, 8), net.Const(1, 4, 3, 1, 1));

    private static ValueId Product(Net net) => net.Add(new MatMul(), net.In(5, 3), net.Const(1, 3, 4));

    [Fact]
    public void A_constant_per_channel_is_a_bias_of_the_convolution()
    {
        var net = new Net();
        ValueId bias = net.Const(2, 1, 4, 1, 1);
        RewriteResult result = net.Out(net.Sum(bias, Conv(net))).Apply(new FuseBias());
        Node conv = Assert.Single(result.Graph.Nodes);
        Assert.Equal([4], result.Graph.Constant(conv.Inputs[2])!.Dims.ToArray());
    }

    [Fact]
    public void A_constant_per_column_is_a_bias_of_the_product()
    {
        var net = new Net();
        Assert.Equal(3, net.Out(net.Sum(Product(net), net.Const(2, 4))).Makes<MatMul>(new FuseBias()).Inputs.Length);
    }

    /// <summary>A signal that is an image one element wide: what follows it gets in front of the squeeze, and into the convolution.</summary>
    [Fact]
    public void What_follows_a_view_of_a_convolution_is_its_bias_and_its_activation()
    {
        var net = new Net();
        ValueId signal = net.Add(new Squeeze(), Conv(net, net.In(Dim.Symbol("batch"), 3, 8, 1)), net.Ints(3));
        RewriteResult result = net.Out(net.Unary(UnaryFunction.Relu, net.Sum(net.Const(2, 1, 4, 1), signal))).Apply(new ViewsLast(), new FuseBias(), new FuseActivation());
        Node[] nodes = [.. result.Graph.TopologicalOrder()];
        Assert.Equal(2, nodes.Length);
        Assert.Equal(ActivationKind.Relu, Assert.IsType<Conv>(nodes[0].Op).Activation.Kind);
        Assert.Equal([4], result.Graph.Constant(nodes[0].Inputs[2])!.Dims.ToArray());
        Assert.IsType<Squeeze>(nodes[1].Op);
    }

    [Fact]
    public void What_follows_a_view_of_a_product_is_its_bias()
    {
        var net = new Net();
        RewriteResult result = net.Out(net.Sum(net.Reshape(Product(net), 5, 1, 4), net.Const(2, 4))).Apply(new ViewsLast(), new FuseBias());
        Assert.Equal(3, result.Graph.Nodes.Single(node => node.Op is MatMul).Inputs.Length);
        Assert.Equal(2, result.Graph.NodeCount);
    }

    [Fact]
    public void What_a_view_is_not_moved_behind()
    {
        AssertStays(net => net.Sum(net.Reshape(Conv(net), 4, 64), net.Const(1, 4, 1)));                         // channels are rows
        AssertStays(net => net.Sum(net.Reshape(Conv(net), 1, 4, 64), net.Const(1, 64)));                        // one per place
        AssertStays(net => net.Sum(net.Reshape(Product(net), 4, 5), net.Const(1, 5)));                          // other columns
        AssertStays(net => net.Mul(net.Reshape(Conv(net), 1, 4, 64), net.Const(1, 4, 1)));                      // no sum
        AssertStays(net => net.Unary(UnaryFunction.Relu, net.Reshape(net.In(1, 4, 8), 4, 8)));                  // nothing to take it
        AssertStays(net =>
        {
            ValueId view = net.Reshape(Conv(net), 1, 4, 64);
            return net.Sum(net.Unary(UnaryFunction.Relu, view), view);                                           // read twice
        });

        static void AssertStays(Func<Net, ValueId> build)
        {
            var net = new Net();
            net.Out(build(net)).Leaves(new ViewsLast());
        }
    }

    [Fact]
    public void What_is_no_constant_per_channel_is_no_bias()
    {
        AssertNoBias(net => net.Sum(Conv(net, net.In(1, 3, 8, 4)), net.Const(1, 4)));  // along the columns
        AssertNoBias(net => net.Sum(Conv(net), net.Const(1)));                           // one number
        AssertNoBias(net => net.Sum(Conv(net), net.Const(1, 1, 4, 8, 1)));               // more than one axis
        AssertNoBias(net => net.Sum(Conv(net), net.In(4, 1, 1)));                        // not constant
        AssertNoBias(net => net.Sum(Conv(net), net.Const(1, 2, 4, 1, 1)));               // makes the result larger
        AssertNoBias(net => net.Sum(Conv(net, bias: true), net.Const(1, 4, 1, 1)));      // has a bias
        AssertNoBias(net => net.Sum(Product(net), net.Const(1, 5, 1)));                  // one per row
        AssertNoBias(net => net.Mul(Conv(net), net.Const(1, 4, 1, 1)));                  // no sum
        AssertNoBias(net => net.Sum(net.Unary(UnaryFunction.Relu, Conv(net)), net.Const(1, 4, 1, 1)));
        AssertNoBias(net => net.Sum(net.Add(new MatMul(), net.In(DType.Float64, 5, 3), net.In(DType.Float64, 3, 4)), net.Const(Tensor.From(new double[4], [4]))));
    }

    [Fact]
    public void A_product_that_is_read_twice_or_shown_takes_no_bias()
    {
        var net = new Net();
        ValueId conv = Conv(net);
        net.Out(net.Sum(conv, net.Const(1, 4, 1, 1)), net.Unary(UnaryFunction.Exp, conv)).Leaves(new FuseBias());
        net = new Net();
        conv = Conv(net);
        net.Out(net.Sum(conv, net.Const(1, 4, 1, 1)), conv).Leaves(new FuseBias());
    }

    private static void AssertNoBias(Func<Net, ValueId> build)
    {
        var net = new Net();
        net.Out(build(net)).Leaves(new FuseBias());
    }

    [Fact]
    public void A_sum_with_a_value_of_the_same_shape_is_a_residual()
    {
        var net = new Net();
        ValueId residual = net.In(1, 4, 8, 8);
        (Conv op, var inputs) = net.Out(net.Sum(residual, Conv(net))).Makes<Conv>(new FuseResidual());
        Assert.Equal(residual, inputs[IFusible.ResidualInput]);
        Assert.True(inputs[2].IsNone);
        Assert.False(op.ResidualAfterActivation);
    }

    [Fact]
    public void A_residual_behind_an_activation_stays_behind_it()
    {
        var net = new Net();
        ValueId active = net.Unary(UnaryFunction.Relu, Conv(net, bias: true));
        RewriteResult result = net.Out(net.Sum(active, net.In(1, 4, 8, 8))).Apply(new FuseActivation(), new FuseResidual());
        var op = (Conv)Assert.Single(result.Graph.Nodes).Op;
        Assert.Equal((true, Activation.Relu), (op.ResidualAfterActivation, op.Activation));
    }

    [Fact]
    public void An_activation_behind_a_residual_is_fused_once_and_another_residual_is_not()
    {
        var net = new Net();
        ValueId first = net.Unary(UnaryFunction.Relu, net.Sum(Conv(net), net.In(1, 4, 8, 8)));
        RewriteResult result = net.Out(net.Sum(first, net.In(1, 4, 8, 8))).Apply(new FuseResidual(), new FuseActivation());
        Assert.Equal(2, result.Graph.NodeCount);
        Assert.Equal((1, 1), (result.Fired["fuse-residual"], result.Fired["fuse-activation"]));
    }

    [Fact]
    public void What_is_no_residual_is_left_alone()
    {
        AssertNoResidual(net => net.Sum(Conv(net), net.In(1, 4, 1, 1)));                 // another shape
        AssertNoResidual(net => net.Sum(Conv(net), net.In(1, 4, 8, Dim.Symbol("w"))));   // perhaps another shape
        AssertNoResidual(net => net.Sub(Conv(net), net.In(1, 4, 8, 8)));
        AssertNoResidual(net =>
        {
            ValueId conv = Conv(net);
            return net.Sum(conv, conv);                                                  // itself
        });
        AssertNoResidual(net =>
        {
            ValueId conv = Conv(net);
            net.Out(conv);                                                               // shown
            return net.Sum(conv, net.In(1, 4, 8, 8));
        });
        AssertNoResidual(net => net.Sum(net.Add(new MatMul(), net.In(DType.Int32, 5, 3), net.In(DType.Int32, 3, 4)), net.In(DType.Int32, 5, 4)));
    }

    private static void AssertNoResidual(Func<Net, ValueId> build)
    {
        var net = new Net();
        net.Out(build(net)).Leaves(new FuseResidual());
    }

    public static TheoryData<Unary, Activation> Activations => new()
    {
        { new Unary(UnaryFunction.Relu), Activation.Relu },
        { new Unary(UnaryFunction.LeakyRelu, 0.2f), Activation.LeakyRelu(0.2f) },
        { new Unary(UnaryFunction.Sigmoid), Activation.Sigmoid },
        { new Unary(UnaryFunction.Tanh), Activation.Tanh },
        { new Unary(UnaryFunction.HardSwish), Activation.HardSwish },
        { new Unary(UnaryFunction.HardSigmoid, 0.2f, 0.5f), Activation.HardSigmoid(0.2f, 0.5f) },
        { new Unary(UnaryFunction.Gelu), Activation.GeluErf },
        { new Unary(UnaryFunction.GeluTanh), Activation.GeluTanh },
        { new Unary(UnaryFunction.Swish, 1f), Activation.Silu },
        { new Unary(UnaryFunction.Swish, 1.702f), Activation.QuickGelu(1.702f) },
    };

    [Theory]
    [MemberData(nameof(Activations))]
    public void An_activation_goes_into_convolution_product_and_gemm(Unary function, Activation expected)
    {
        foreach (Func<Net, ValueId> build in (Func<Net, ValueId>[])[n => Conv(n), Product, n => n.Add(new Gemm(), n.In(5, 3), n.Const(1, 3, 4))])
        {
            var net = new Net();
            Assert.Equal(expected, ((IFusible)net.Out(net.Add(function, build(net))).Makes(new FuseActivation()).Op).Activation);
        }
    }

    [Fact]
    public void A_clip_with_constant_bounds_is_an_activation()
    {
        var net = new Net();
        Assert.Equal(Activation.Clip(0, 6), net.Out(net.Add(new Clip(), Conv(net), net.Const(0), net.Const(6))).Makes<Conv>(new FuseActivation()).Op.Activation);
        net = new Net();
        Assert.Equal(Activation.Clip(float.NegativeInfinity, 6), net.Out(net.Add(new Clip(), Conv(net), ValueId.None, net.Const(6))).Makes<Conv>(new FuseActivation()).Op.Activation);
    }

    [Fact]
    public void What_is_no_activation_of_a_product_is_left_alone()
    {
        AssertNotActive(net => net.Add(new Clip(), Conv(net), net.Const(1), net.Const(0)));           // the maximum wins, an activation has none such
        AssertNotActive(net => net.Add(new Clip(), Conv(net), net.In(), net.Const(0)));               // a bound that is computed
        AssertNotActive(net => net.Unary(UnaryFunction.Exp, Conv(net)));
        AssertNotActive(net => net.Unary(UnaryFunction.Relu, net.In(3)));                             // of no product
        AssertNotActive(net => net.Unary(UnaryFunction.Relu, net.Add(new MatMul(), net.In(DType.Float64, 5, 3), net.In(DType.Float64, 3, 4))));
        AssertNotActive(net =>
        {
            ValueId conv = Conv(net);
            net.Out(conv);
            return net.Unary(UnaryFunction.Relu, conv);
        });
        AssertNotActive(net =>
        {
            ValueId conv = Conv(net);
            return net.Sub(net.Unary(UnaryFunction.Relu, conv), conv);
        });
    }

    [Fact]
    public void A_second_activation_is_not_fused()
    {
        var net = new Net();
        RewriteResult result = net.Out(net.Unary(UnaryFunction.Tanh, net.Unary(UnaryFunction.Relu, Conv(net)))).Apply(new FuseActivation());
        Assert.Equal((1, 2), (result.Fired["fuse-activation"], result.Graph.NodeCount));
    }

    private static void AssertNotActive(Func<Net, ValueId> build)
    {
        var net = new Net();
        net.Out(build(net)).Leaves(new FuseActivation());
    }

    [Fact]
    public void A_transpose_of_the_last_two_axes_is_absorbed_on_either_side()
    {
        var net = new Net();
        ValueId a = net.In(2, 3, 5), b = net.In(2, 4, 3);
        RewriteResult result = net.Out(net.Add(new MatMul(), net.Add(new Transpose([0, 2, 1]), a), net.Add(new Transpose([0, 2, 1]), b))).Apply(new AbsorbTranspose());
        Node product = Assert.Single(result.Graph.Nodes);
        Assert.Equal(new MatMul(TransposeA: true, TransposeB: true), product.Op);
        Assert.Equal([a, b], product.Inputs.ToArray());
    }

    [Fact]
    public void A_transpose_that_was_absorbed_already_is_undone()
    {
        var net = new Net();
        (MatMul op, _) = net.Out(net.Add(new MatMul(TransposeB: true), net.In(5, 3), net.Add(new Transpose(), net.In(3, 4)))).Makes<MatMul>(new AbsorbTranspose());
        Assert.False(op.TransposeB);
    }

    [Fact]
    public void Other_transposes_are_not_absorbed()
    {
        var net = new Net();
        ValueId moved = net.Add(new Transpose([1, 0, 2]), net.In(3, 2, 5)), reversed = net.Add(new Transpose(), net.In(4, 5, 2));
        ValueId integers = net.Add(new Transpose(), net.In(DType.Int32, 3, 4));
        net.Out(net.Add(new MatMul(), moved, reversed), net.Add(new MatMul(), net.In(DType.Int32, 5, 4), integers)).Leaves(new AbsorbTranspose());
    }

    [Fact]
    public void Statistics_of_a_batch_normalization_go_into_weights_and_bias()
    {
        var net = new Net();
        ValueId x = net.In(1, 3, 8, 8);
        RewriteResult result = net.Out(Normalized(net, Conv(net, x, bias: true))).Apply(new FoldBatchNormalization());
        Node conv = Assert.Single(result.Graph.Nodes);
        // scale 2, shift 3, mean 4, variance 0.25 (with epsilon 0): factor 4
        Assert.Equal(Enumerable.Repeat(4f, 12), result.Graph.Constant(conv.Inputs[1])!.Span<float>().ToArray());
        Assert.Equal(Enumerable.Repeat((1 - 4) * 4 + 3f, 4), result.Graph.Constant(conv.Inputs[2])!.Span<float>().ToArray());
        Assert.Equal(x, conv.Inputs[0]);
    }

    private static ValueId Normalized(Net net, ValueId x, ValueId? scale = null) =>
        net.Add(new BatchNormalization(Epsilon: 0), x, scale ?? net.Const(2, 4), net.Const(3, 4), net.Const(4, 4), net.Const(0.25f, 4));

    [Fact]
    public void A_batch_normalization_that_cannot_be_folded_stays()
    {
        AssertNotFolded(net => Normalized(net, net.In(1, 4, 8, 8)));                                                 // of no convolution
        AssertNotFolded(net => Normalized(net, Conv(net), net.In(4)));                                               // statistics that are computed
        AssertNotFolded(net => Normalized(net, net.Unary(UnaryFunction.Relu, Conv(net))));
        AssertNotFolded(net => Normalized(net, net.Add(Convolution with { Activation = Activation.Relu }, net.In(1, 3, 8, 8), net.Const(1, 4, 3, 1, 1))));
        AssertNotFolded(net => Normalized(net, net.Add(Convolution, net.In(1, 3, 8, 8), net.In(4, 3, 1, 1))));       // weights that are computed
        AssertNotFolded(net => Normalized(net, net.Add(Convolution, net.In(1, 3, 8, 8), net.Const(1, 4, 3, 1, 1), net.In(4))));
        AssertNotFolded(net => Normalized(net, net.Add(Convolution, net.In(1, 3, 8, 8), net.Const(1, 4, 3, 1, 1), ValueId.None, net.In(1, 4, 8, 8))));
        AssertNotFolded(net =>
        {
            ValueId conv = Conv(net);
            net.Out(conv);
            return Normalized(net, conv);
        });
        AssertNotFolded(net => net.AddMany(new BatchNormalization(Training: true), 3, Conv(net), net.Const(1, 4), net.Const(1, 4), net.Const(1, 4), net.Const(1, 4))[0]);
    }

    private static void AssertNotFolded(Func<Net, ValueId> build)
    {
        var net = new Net();
        net.Out(build(net)).Leaves(new FoldBatchNormalization());
    }

    [Fact]
    public void A_number_that_multiplies_or_divides_a_product_goes_into_its_factor()
    {
        var net = new Net();
        Assert.Equal(0.25f, net.Out(net.Div(Product(net), net.Const(4))).Makes<MatMul>(new FoldScale()).Op.Alpha);
        net = new Net();
        Assert.Equal(3f, net.Out(net.Mul(net.Const(3), net.Add(new MatMul(), net.In(5, 3), net.In(3, 4)))).Makes<MatMul>(new FoldScale()).Op.Alpha);
        net = new Net();
        Gemm gemm = net.Out(net.Mul(net.Add(new Gemm(2, 3), net.In(5, 3), net.In(3, 4), net.In(4)), net.Const(2))).Makes<Gemm>(new FoldScale()).Op;
        Assert.Equal((4f, 6f), (gemm.Alpha, gemm.Beta));
    }

    [Fact]
    public void A_constant_bias_is_scaled_with_the_product()
    {
        var net = new Net();
        RewriteResult result = net.Out(net.Mul(net.Add(new MatMul(), net.In(5, 3), net.In(3, 4), net.Const(3, 4)), net.Const(2))).Apply(new FoldScale());
        Node product = Assert.Single(result.Graph.Nodes);
        Assert.Equal(2f, ((MatMul)product.Op).Alpha);
        Assert.Equal([6f, 6f, 6f, 6f], result.Graph.Constant(product.Inputs[2])!.Span<float>().ToArray());
    }

    [Fact]
    public void A_scale_that_cannot_be_folded_stays()
    {
        AssertNotScaled(net => net.Mul(Product(net), net.Const(2, 4)));                                  // not one number
        AssertNotScaled(net => net.Mul(Product(net), net.Const(2, 1, 1, 1)));                            // widens the result
        AssertNotScaled(net => net.Mul(Product(net), net.In()));                                         // computed
        AssertNotScaled(net => net.Div(net.Const(2), Product(net)));                                     // divides by the product
        AssertNotScaled(net => net.Div(Product(net), net.Const(0)));
        AssertNotScaled(net => net.Mul(net.Add(new MatMul() { Activation = Activation.Relu }, net.In(5, 3), net.In(3, 4)), net.Const(2)));
        AssertNotScaled(net => net.Mul(net.Add(new MatMul(), net.In(5, 3), net.In(3, 4), ValueId.None, net.In(5, 4)), net.Const(2)));
        AssertNotScaled(net => net.Mul(net.Add(new MatMul(), net.In(5, 3), net.In(3, 4), net.In(4)), net.Const(2)));
        AssertNotScaled(net => net.Mul(net.Add(new MatMul(), net.In(DType.Float64, 5, 3), net.In(DType.Float64, 3, 4)), net.Const(Tensor.Scalar(2.0))));
        AssertNotScaled(net =>
        {
            ValueId product = Product(net);
            net.Out(product);
            return net.Mul(product, net.Const(2));
        });
    }

    private static void AssertNotScaled(Func<Net, ValueId> build)
    {
        var net = new Net();
        net.Out(build(net)).Leaves(new FoldScale());
    }
}
