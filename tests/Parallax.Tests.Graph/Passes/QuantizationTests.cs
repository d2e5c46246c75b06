using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Operators between DequantizeLinear and QuantizeLinear that become operators on integers, and those that must not.</summary>
public sealed class QuantizationTests
{
    private static readonly Conv Convolution = new(new SpatialWindow([], [], [], []));
    private static readonly FuseQuantizedProducts Products = new();
    private static readonly FuseQuantizedBinary Binaries = new();
    private static readonly FuseQuantizedMean Means = new();

    private static ValueId Dequantized(Net net, ValueId data, float scale = 0.5f, byte zero = 3) =>
        net.Add(new DequantizeLinear(), data, net.Const(scale), net.Const(Tensor.Scalar(zero)));

    private static ValueId Real(Net net, params Dim[] dims) => Dequantized(net, net.In(DType.UInt8, dims));

    private static ValueId Quantized(Net net, ValueId real, float scale = 0.25f, byte zero = 7) =>
        net.Add(new QuantizeLinear(), real, net.Const(scale), net.Const(Tensor.Scalar(zero)));

    /// <summary>Signed weights without a zero point; scales, if there are several, along <paramref name="axis"/>.</summary>
    private static ValueId Weights(Net net, long[] dims, int scales = 1, int axis = 0, float scale = 0.1f) =>
        net.Add(new DequantizeLinear(axis), net.Const(Tensor.From(new sbyte[Shape.Count(dims)], dims)), scales == 1 ? net.Const(scale) : net.Const(scale, scales));

    private static ValueId Bias(Net net, int channels, int scales = 1, int zero = 0) => net.Add(new DequantizeLinear(0), net.Const(Tensor.From(new int[channels], [channels])),
        scales == 1 ? net.Const(0.05f) : net.Const(0.05f, scales), net.Const(Tensor.From(Enumerable.Repeat(zero, scales).ToArray(), scales == 1 ? [] : [scales])));

    private static ValueId Conv(Net net, ValueId? x = null, ValueId? w = null, ValueId? bias = null) => bias is { } b
        ? net.Add(Convolution, x ?? Real(net, 1, 3, 8, 8), w ?? Weights(net, [4, 3, 1, 1], 4), b)
        : net.Add(Convolution, x ?? Real(net, 1, 3, 8, 8), w ?? Weights(net, [4, 3, 1, 1], 4));

    private static ValueId Clip(Net net, ValueId x, float low, float high) => net.Add(new Clip(), x, net.Const(low), net.Const(high));

    [Fact]
    public void A_convolution_between_dequantized_data_and_its_quantizer_is_one_of_integers()
    {
        var net = new Net();
        (IntegerConv op, ValueId[] inputs) = net.Out(Quantized(net, Conv(net, bias: Bias(net, 4, 4)))).Makes<IntegerConv>(Products);
        Assert.True(op.Requantizes);
        Assert.Equal(CodeRange.OfType, op.Range);
        Assert.Equal(10, inputs.Length);
    }

    [Fact]
    public void A_float_bias_needs_no_scale()
    {
        var net = new Net();
        Assert.Equal(9, net.Out(Quantized(net, Conv(net, bias: net.Const(1, 4)))).Makes<IntegerConv>(Products).Inputs.Length);
    }

    [Fact]
    public void Limits_before_the_rounding_limit_the_codes()
    {
        Assert.Equal(new CodeRange(7, 255), Range((net, x) => net.Unary(UnaryFunction.Relu, x)));
        Assert.Equal(new CodeRange(7, 31), Range((net, x) => Clip(net, x, 0, 6)));
        Assert.Equal(new CodeRange(7, 31), Range((net, x) => Clip(net, net.Unary(UnaryFunction.Relu, x), -1, 6)));
        Assert.Equal(new CodeRange(11, 11), Range((net, x) => Clip(net, x, 5, 1)));         // the maximum wins
        Assert.Equal(new CodeRange(0, 255), Range((net, x) => Clip(net, x, -100, 100)));
        Assert.Equal(new CodeRange(0, 17), Range((net, x) => net.Add(new Clip(), x, ValueId.None, net.Const(2.6f))));

        static CodeRange Range(Func<Net, ValueId, ValueId> limit)
        {
            var net = new Net();
            return net.Out(Quantized(net, limit(net, Conv(net)))).Makes<IntegerConv>(Products).Op.Range;
        }
    }

    [Fact]
    public void Products_of_matrices_take_biases_and_transposes()
    {
        var plain = new Net();
        Assert.Equal(8, plain.Out(Quantized(plain, plain.Add(new MatMul(), Real(plain, 5, 3), Weights(plain, [3, 4], 4, 1)))).Makes<IntegerMatMul>(Products).Inputs.Length);
        var both = new Net();
        both.Out(Quantized(both, both.Add(new MatMul(), Real(both, 2, 5, 3), Real(both, 2, 3, 4)))).Makes<IntegerMatMul>(Products);
        var biased = new Net();
        Assert.Equal(9, biased.Out(Quantized(biased, biased.Sum(biased.Const(1, 4), biased.Add(new MatMul(), Real(biased, 5, 3), Weights(biased, [3, 4]))))).Makes<IntegerMatMul>(Products).Inputs.Length);
        var gemm = new Net();
        RewriteResult result = gemm.Out(Quantized(gemm, gemm.Add(new Gemm(TransposeB: true), Real(gemm, 5, 3), Weights(gemm, [4, 3], 4), Bias(gemm, 4)))).Apply(Products);
        Node product = result.Graph.Producer<IntegerMatMul>(result.Graph.Outputs[0].Value)!;
        Assert.Equal(10, product.Inputs.Length);
        Assert.Equal([3, 4], result.Graph.TensorFact(product.Inputs[3])!.Shape!.Value.ToArray());
    }

    [Fact]
    public void Other_products_stay_real()
    {
        AssertReal(net => Conv(net, x: net.In(1, 3, 8, 8)));                                                     // data that is not quantized
        AssertReal(net => Conv(net, w: net.Const(1, 4, 3, 1, 1)));                                               // weights that are not
        AssertReal(net => Conv(net, w: Weights(net, [4, 3, 1, 1], 3, 1)));                                       // scales per input channel
        AssertReal(net => Conv(net, w: Weights(net, [4, 3, 1, 1], scale: -1)));                                  // a negative scale
        AssertReal(net => Conv(net, w: Weights(net, [4, 3, 1, 1], scale: 1e-40f)));                              // one that is not normal
        AssertReal(net => Conv(net, x: Real(net, 1, 3, 8, 8), bias: net.In(4)));                                 // a bias that is not constant
        AssertReal(net => Conv(net, bias: Bias(net, 4, 4, zero: 1)));                                            // one with a zero point
        AssertReal(net => Conv(net, x: Real(net, 1, 40_000, 1, 1), w: Weights(net, [1, 40_000, 1, 1])));         // sums that int32 may not hold
        AssertReal(net => net.Unary(UnaryFunction.Tanh, Conv(net)));
        AssertReal(net => Clip(net, Conv(net), float.NaN, 6));
        AssertReal(net => net.Add(new MatMul(), Real(net, 5, 3), Weights(net, [3, 4], 3, 0)));                   // scales per row
        AssertReal(net => net.Add(new MatMul(), Real(net, 5, 3), Real(net, 3)));                                 // a vector
        AssertReal(net => net.Add(new Gemm(Alpha: 2), Real(net, 5, 3), Weights(net, [3, 4])));
        AssertReal(net => net.Add(new Gemm(Beta: 2), Real(net, 5, 3), Weights(net, [3, 4]), net.Const(1, 4)));
        AssertReal(net => net.Add(new Gemm(), Real(net, 5, 3), Weights(net, [3, 4]), net.Const(1, 5, 1)));       // a bias per row
        AssertReal(net => net.Sum(net.Add(new MatMul(), Real(net, 5, 3), Weights(net, [3, 4])), net.Const(1, 2, 5, 4)));
    }

    [Fact]
    public void A_product_that_others_read_stays_real()
    {
        var net = new Net();
        ValueId conv = Conv(net);
        net.Out(conv, Quantized(net, conv)).Leaves(Products);
    }

    [Fact]
    public void Only_the_number_types_of_eight_bits_are_taken()
    {
        var net = new Net();
        net.Out(net.Add(new QuantizeLinear(), Conv(net), net.Const(0.25f), net.Const(Tensor.Scalar((ushort)7)))).Leaves(Products);
        var wide = new Net();
        ValueId x = wide.Add(new DequantizeLinear(), wide.In(DType.UInt16, 1, 3, 8, 8), wide.Const(1f));
        wide.Out(Quantized(wide, Conv(wide, x))).Leaves(Products);
    }

    [Fact]
    public void A_sum_of_dequantized_data_is_one_of_integers()
    {
        var net = new Net();
        (QuantizedBinary op, _) = net.Out(Quantized(net, net.Unary(UnaryFunction.Relu, net.Sum(Real(net, 2, 3), Real(net, 3))))).Makes<QuantizedBinary>(Binaries);
        Assert.Equal(new CodeRange(7, 255), op.Range);
        AssertReal(n => n.Sum(Real(n, 2, 3), n.In(2, 3)), Binaries);
        AssertReal(n => n.Div(Real(n, 2, 3), Real(n, 2, 3)), Binaries);
    }

    [Fact]
    public void A_mean_over_the_last_axes_is_one_of_integers()
    {
        var pool = new Net();
        Assert.Equal(new QuantizedMean(2, true), pool.Out(Quantized(pool, pool.Add(new GlobalPool(PoolKind.Average), Real(pool, 1, 3, 8, 8)))).Makes<QuantizedMean>(Means).Op);
        var reduce = new Net();
        Assert.Equal(new QuantizedMean(1, false),
            reduce.Out(Quantized(reduce, reduce.Add(new Reduce(ReduceKind.Mean, KeepDims: false), Real(reduce, 1, 3, 8), reduce.Ints(-1, 1)))).Makes<QuantizedMean>(Means).Op);
        AssertReal(net => net.Add(new Reduce(ReduceKind.Mean), Real(net, 1, 3, 8), net.Ints(1)), Means);
        AssertReal(net => net.Add(new Reduce(ReduceKind.Sum), Real(net, 1, 3, 8), net.Ints(2)), Means);
        AssertReal(net => net.Add(new GlobalPool(PoolKind.Average), Real(net, 1, 3, Dim.Symbol("h"), 8)), Means);
    }

    [Fact]
    public void Quantizing_what_was_dequantized_alike_does_nothing()
    {
        var pass = new CancelQuantization();
        var same = new Net();
        Assert.Equal(0, same.Out(Quantized(same, Dequantized(same, same.In(DType.UInt8, 4), 0.25f, 7))).Apply(pass).Graph.NodeCount);
        AssertReal(net => Dequantized(net, net.In(DType.UInt8, 4), 0.25f, 8), pass);
        AssertReal(net => Dequantized(net, net.In(DType.UInt8, 4), 0.5f, 7), pass);
        AssertReal(net => net.Add(new DequantizeLinear(), net.In(DType.Int8, 4), net.Const(0.25f), net.Const(Tensor.Scalar((sbyte)7))), pass);
        AssertReal(net => net.Add(new DequantizeLinear(0), net.In(DType.UInt8, 4), net.Const(0.25f, 4), net.Const(Tensor.From(new byte[] { 7, 7, 7, 7 }, [4]))), pass);
    }

    [Fact]
    public void Bytes_are_moved_instead_of_floats()
    {
        var net = new Net();
        ValueId x = net.Add(new Transpose([1, 0]), net.Add(new Flatten(2), Dequantized(net, net.In(DType.UInt8, 2, 3, 4, 5), 0.25f, 7)));
        RewriteResult result = net.Out(Quantized(net, net.Add(new Concat(0), x, Dequantized(net, net.In(DType.UInt8, 2, 6), 0.25f, 7)))).Apply(new QuantizeBeforeMoving(), new CancelQuantization());
        Assert.Equal(3, result.Fired["quantize-before-moving"]);
        Assert.DoesNotContain(result.Graph.Nodes, n => n.Op is QuantizeLinear or DequantizeLinear);
        AssertReal(n => n.Add(new Concat(0), Real(n, 2), n.In(2)), new QuantizeBeforeMoving());
        AssertReal(n => n.Add(new Pad(), Real(n, 2), n.Ints(1, 1)), new QuantizeBeforeMoving());        // 0 is not the code 0
        AssertReal(n => n.Add(new GlobalPool(PoolKind.Average), Real(n, 1, 2, 3)), new QuantizeBeforeMoving());
    }

    [Fact]
    public void The_largest_element_is_chosen_among_bytes()
    {
        var net = new Net();
        ValueId pooled = net.Add(new Pool(PoolKind.Max, new SpatialWindow([2], [], [], [])), Dequantized(net, net.In(DType.UInt8, 1, 2, 9), 0.25f, 7));
        Assert.IsType<Pool>(Assert.Single(net.Out(Quantized(net, pooled)).Apply(new QuantizeBeforeMoving(), new CancelQuantization()).Graph.Nodes).Op);
    }

    [Fact]
    public void Dequantizing_comes_after_a_transpose_of_constants_and_after_a_split()
    {
        var pass = new DequantizeAfterMoving();
        var net = new Net();
        RewriteResult result = net.Out(net.Add(new Transpose([1, 0]), Weights(net, [4, 3], 4, 0))).Apply(pass);
        Assert.Equal(1, Assert.IsType<DequantizeLinear>(result.Graph.Producer(result.Graph.Outputs[0].Value)!.Op).Axis);
        var split = new Net();
        RewriteResult parts = split.Out([.. split.AddMany(new Split(0, 2), 2, Real(split, 4))]).Apply(pass);
        Assert.All(parts.Graph.Outputs, o => Assert.IsType<DequantizeLinear>(parts.Graph.Producer(o.Value)!.Op));
        var data = new Net();
        data.Out(data.Add(new Transpose([1, 0]), Real(data, 4, 3))).Leaves(pass);
    }

    [Fact]
    public void Nothing_is_tabulated_that_depends_on_more_than_one_element()
    {
        var pass = new TabulateQuantizedFunctions(new Ones());
        AssertReal(net => net.Sum(Real(net, 4), Real(net, 4)), pass);
        AssertReal(net => net.Sum(Real(net, 4), net.Const(1, 4)), pass);
        AssertReal(net => net.Sum(Real(net, 4), net.Const(1, 1, 1)), pass);      // another shape
        AssertReal(net => net.Add(new Softmax(SoftmaxKind.Softmax), Real(net, 4)), pass);
        var fires = new Net();
        ValueId x = Real(fires, 4);
        fires.Out(Quantized(fires, fires.Mul(fires.Unary(UnaryFunction.Sigmoid, x), fires.Sum(x, fires.Const(1f))))).Makes<TableLookup>(pass);
    }

    /// <summary>Takes everything for a table of ones.</summary>
    private sealed class Ones : IConstantEvaluator
    {
        public Tensor?[]? Evaluate(Node node, System.Collections.Immutable.ImmutableArray<Tensor?> inputs) => node.Op is QuantizeLinear
            ? [Tensor.From(Enumerable.Repeat((byte)1, TableLookup.Entries).ToArray(), [TableLookup.Entries])]
            : [Tensor.From(Enumerable.Repeat(1f, TableLookup.Entries).ToArray(), [TableLookup.Entries])];
    }

    private static void AssertReal(Func<Net, ValueId> real, IPass? pass = null)
    {
        var net = new Net();
        net.Out(Quantized(net, real(net))).Leaves(pass ?? Products);
    }
}
