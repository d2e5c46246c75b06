using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Xunit;

namespace Parallax.Tests.Ops;

public sealed class NeuralOperatorTests
{
    private static readonly Dim Batch = Dim.Symbol("batch"), Width = Dim.Symbol("width");

    private static TensorFact Float(params Dim[] dims) => new(DType.Float32, new Shape([.. dims]));

    private static TensorFact Ints(params long[] values) => TensorFact.Of(Tensor.From(values, [values.Length]));

    private static string[] Infer(Op op, int outputs, params Fact?[] inputs) =>
        [.. op.Infer(new InferContext([.. inputs], outputs)).Select(f => ((TensorFact)f).Shape?.ToString() ?? "?")];

    private static SpatialWindow Window(long kernel, long stride = 1, long dilation = 1, long begin = 0, long end = 0, AutoPad auto = AutoPad.NotSet, bool ceil = false) =>
        new([kernel], [stride], [dilation], [begin, end], auto, ceil);

    [Theory]
    [InlineData(10, 3, 1, 1, 0, 0, false, 8)]
    [InlineData(10, 3, 2, 1, 1, 1, false, 5)]
    [InlineData(10, 3, 2, 1, 1, 1, true, 6)]
    [InlineData(10, 3, 1, 3, 0, 0, false, 4)]
    [InlineData(2, 1, 2, 1, 0, 0, true, 1)] // a second window would begin behind the input
    [InlineData(5, 5, 1, 1, 0, 0, false, 1)]
    public void ExplicitPaddingCountsWindows(long input, long kernel, long stride, long dilation, long begin, long end, bool ceil, long expected) =>
        Assert.Equal(expected, Window(kernel, stride, dilation, begin, end, ceil: ceil).Output(0, input).Value);

    [Theory]
    [InlineData(AutoPad.SameUpper, 10, 3, 2, 5, 0, 1)]
    [InlineData(AutoPad.SameLower, 10, 3, 2, 5, 1, 0)]
    [InlineData(AutoPad.SameUpper, 7, 2, 1, 7, 0, 1)]
    [InlineData(AutoPad.Valid, 10, 3, 2, 4, 0, 0)]
    public void AutomaticPaddingKeepsTheSize(AutoPad auto, long input, long kernel, long stride, long expected, long begin, long end)
    {
        SpatialWindow window = Window(kernel, stride, begin: 9, end: 9, auto: auto);
        Assert.Equal(expected, window.Output(0, input).Value);
        Assert.Equal((begin, end), window.PadsOf(0, input));
    }

    [Fact]
    public void WindowsOverSymbolicDims()
    {
        Assert.Equal(Width, Window(3, begin: 1, end: 1).Output(0, Width));
        Assert.Equal(Width, Window(2, 2).Output(0, 2 * Width));
        Assert.Equal("ceil(width/2)", Window(3, 2, auto: AutoPad.SameUpper).Output(0, Width).ToString());
        Assert.Equal(["[batchx8xwidth]"], Infer(new Pool(PoolKind.Average, Window(3, begin: 1, end: 1)), 1, Float(Batch, 8, Width)));
    }

    [Fact]
    public void ImpossibleWindowsAreRefused()
    {
        Assert.Contains("does not fit", Assert.Throws<InvalidModelException>(() => Window(5).Output(0, 3)).Message, StringComparison.Ordinal);
        Assert.Contains("strides must have 2 entries", Assert.Throws<InvalidModelException>(() => new SpatialWindow([2, 2], [1], [], []).Check(2)).Message, StringComparison.Ordinal);
        Assert.Contains("strides must be 1 or more", Assert.Throws<InvalidModelException>(() => Window(2, 0).Check(1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ReductionsDropKeepAndFold()
    {
        Assert.Equal(["[batchx1x7]"], Infer(new Reduce(ReduceKind.Mean), 1, Float(Batch, 5, 7), Ints(-2)));
        Assert.Equal(["[batchx7]"], Infer(new Reduce(ReduceKind.Mean, KeepDims: false), 1, Float(Batch, 5, 7), Ints(1)));
        Assert.Equal(["[]"], Infer(new Reduce(ReduceKind.Sum, KeepDims: false), 1, Float(Batch, 5)));
        Assert.Equal(["[batchx5]"], Infer(new Reduce(ReduceKind.Sum, NoopWithEmptyAxes: true), 1, Float(Batch, 5)));
        Assert.Equal(["?"], Infer(new Reduce(ReduceKind.Sum), 1, Float(Batch, 5), new TensorFact(DType.Int64, [Dim.Symbol("n")])));
        var shape = TensorFact.OfKnown(DType.Int64, [3], [Batch, 3, Width]);
        var product = (TensorFact)new Reduce(ReduceKind.Prod, KeepDims: false).Infer(new InferContext([shape], 1))[0];
        Assert.Equal(3 * Batch * Width, Assert.Single(product.Known));
        Assert.Throws<InvalidModelException>(() => Infer(new Reduce(ReduceKind.Sum), 1, Float(2, 2), Ints(2)));
        Assert.Throws<InvalidModelException>(() => Infer(new ArgReduce(true), 1, Float(0, 2)));
    }

    [Fact]
    public void OldSoftmaxFlattens()
    {
        Assert.Equal((2, 12, 1), new Softmax(SoftmaxKind.Softmax, 1, Flatten: true).View([2, 3, 4]));
        Assert.Equal((6, 4, 1), new Softmax(SoftmaxKind.Softmax, -1, Flatten: true).View([2, 3, 4]));
        Assert.Equal((24, 1, 1), new Softmax(SoftmaxKind.Softmax, 3, Flatten: true).View([2, 3, 4]));
        Assert.Equal((2, 3, 4), new Softmax(SoftmaxKind.Softmax, 1).View([2, 3, 4]));
        Assert.Throws<InvalidModelException>(() => Infer(new Softmax(SoftmaxKind.Softmax, 2), 1, Float(2, 2)));
    }

    [Fact]
    public void NormalizationsCheckTheirParameters()
    {
        Assert.Equal(["[batchx4x8]", "[batchx1x1]", "[batchx1x1]"], Infer(new LayerNormalization(1), 3, Float(Batch, 4, 8), Float(4, 8)));
        Assert.Throws<InvalidModelException>(() => Infer(new BatchNormalization(), 1, Float(Batch, 4, 8), Float(4), Float(4), Float(3), Float(4)));
        Assert.Throws<InvalidModelException>(() => Infer(new GroupNormalization(3), 1, Float(Batch, 4, 8), Float(4), Float(4)));
    }

    [Fact]
    public void AttentionGrowsItsCache()
    {
        Dim past = Dim.Symbol("past"), rows = Dim.Symbol("rows");
        TensorFact q = Float(Batch, rows, 64), k = Float(Batch, rows, 32), v = Float(Batch, rows, 48), cacheK = Float(Batch, 4, past, 8), cacheV = Float(Batch, 4, past, 12);
        Assert.Equal(["[batchxrowsx96]", "[batchx4xpast + rowsx8]", "[batchx4xpast + rowsx12]", "[batchx8xrowsxpast + rows]"],
            Infer(new Attention(8, 4), 4, q, k, v, null, cacheK, cacheV));
        Assert.Throws<InvalidModelException>(() => Infer(new Attention(), 1, q, k, v));
        Assert.Throws<InvalidModelException>(() => Infer(new Attention(8, 3), 1, q, Float(Batch, rows, 24), Float(Batch, rows, 24)));
        Assert.Throws<InvalidModelException>(() => Infer(new Attention(8, 4), 1, q, Float(Batch, rows, 36), v));
    }

    [Fact]
    public void RecurrentLayersByLayout()
    {
        var gru = new Recurrent(RecurrentKind.Gru, 5, RecurrentDirection.Bidirectional, []);
        Assert.Equal(["[7x2xbatchx5]", "[2xbatchx5]"], Infer(gru, 2, Float(7, Batch, 3), Float(2, 15, 3), Float(2, 15, 5))[..2]);
        Assert.Equal(["[batchx7x2x5]", "[batchx2x5]"], Infer(gru with { BatchFirst = true }, 2, Float(Batch, 7, 3), Float(2, 15, 3), Float(2, 15, 5))[..2]);
        Assert.Throws<InvalidModelException>(() => Infer(gru, 2, Float(7, Batch, 3), Float(1, 15, 3), Float(2, 15, 5)));
    }

    [Fact]
    public void LinearAttentionNeedsWhatItsRuleReads()
    {
        TensorFact q = Float(Batch, 6, 32), kv = Float(Batch, 6, 16), decay = Float(Batch, 6, 2);
        Assert.Equal(["[batchx6x32]", "[batchx2x8x8]"], Infer(new LinearAttention(LinearUpdate.Gated, 4, 2), 2, q, kv, kv, null, decay));
        Assert.Throws<InvalidModelException>(() => Infer(new LinearAttention(LinearUpdate.Linear, 4, 2), 2, q, kv, kv, null, decay));
        Assert.Throws<InvalidModelException>(() => Infer(new LinearAttention(LinearUpdate.Delta, 4, 2), 2, q, kv, kv));
    }

    [Fact]
    public void ShapesThatDisagreeAreRefused()
    {
        TensorFact q = Float(1, 2, 4, 8), k = Float(1, 2, 6, 8);
        Assert.Equal(["[1x2x4x8]"], Infer(new Attention(), 4, q, k, k, Float(4, 5))[..1]);
        Assert.Equal(["[1x4x16]"], Infer(new Attention(MergesHeads: true), 1, q, k, k)[..1]);
        Assert.Equal(["[1x4x16]"], Infer(new Attention(2), 1, Float(1, 4, 16), k, k)[..1]);
        Assert.Equal(["[6x2x4x8]"], Infer(new Attention(), 1, Float(6, 2, 4, 8), Float(6, 2, 4, 8), Float(6, 2, 4, 8), Float(3, 1, 4, 4))[..1]);
        Refused(new Attention(), "input 3", Float(6, 2, 4, 8), Float(6, 2, 4, 8), Float(6, 2, 4, 8), Float(4, 1, 4, 4));
        Refused(new Attention(), "input 7", q, k, k, null, null, null, null, Float(3));
        Refused(new Attention(), "input 3", q, k, k, Float(3, 6));
        Refused(new Attention(), "keys or fewer", q, k, k, Float(4, 7));
        Refused(new Attention(), "input 2", q, k, Float(1, 2, 5, 8));
        Refused(new Attention(), "input 5", q, k, k, null, Float(1, 2, 3, 8), Float(1, 2, 2, 8));
        Refused(new RotaryEmbedding(), "input 2", Float(1, 2, 4, 8), Float(50, 4), Float(40, 4), new TensorFact(DType.Int64, [1, 4]));
        Refused(new CausalConvWithState(), "input 1", Float(1, 3, 9), Float(2, 1, 4));
        Refused(new LayerNormalization(), "input 2", Float(2, 8), Float(8), Float(7));
        Refused(new LayerNormalization(), "input 3", Float(2, 8), Float(8), Float(8), Float(8));
        Refused(new RMSNormalization(), "input 1", Float(2, 8), Float(9));
        Refused(new InstanceNormalization(), "input 1", Float(2, 8, 3), Float(7), Float(8));
        Refused(new GroupNormalization(2), "input 2", Float(2, 8, 3), Float(8), Float(2));
        Refused(new MaxUnpool(Window(2)), "input 1", Float(1, 1, 4), new TensorFact(DType.Int64, [1, 1, 3]));
        var rnn = new Recurrent(RecurrentKind.Rnn, 5, RecurrentDirection.Forward, []);
        Refused(rnn, "input 3", Float(7, 2, 3), Float(1, 5, 3), Float(1, 5, 5), Float(1, 5));
        Refused(rnn, "input 5", Float(7, 2, 3), Float(1, 5, 3), Float(1, 5, 5), null, null, Float(1, 3, 5));

        static void Refused(Op op, string because, params Fact?[] inputs) =>
            Assert.Contains(because, Assert.Throws<InvalidModelException>(() => Infer(op, 1, inputs)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DeformConvHasTheShapeOfAConvolutionAndChecksItsOffsets()
    {
        var op = new DeformConv(new SpatialWindow([], [], [], []), OffsetGroups: 2);
        Assert.Equal(["[batchx6x5x7]"], Infer(op, 1, Float(Batch, 4, 7, 9), Float(6, 4, 3, 3), Float(Batch, 36, 5, 7), null, Float(Batch, 18, 5, 7)));
        Assert.Throws<InvalidModelException>(() => Infer(op, 1, Float(Batch, 4, 7, 9), Float(6, 4, 3, 3), Float(Batch, 18, 5, 7)));
        Assert.Throws<InvalidModelException>(() => Infer(op, 1, Float(Batch, 4, 7, 9), Float(6, 4, 3, 3), Float(Batch, 36, 5, 7), null, Float(Batch, 36, 5, 7)));
        Assert.Throws<InvalidModelException>(() => Infer(op with { OffsetGroups = 3 }, 1, Float(Batch, 4, 7, 9), Float(6, 4, 3, 3), Float(Batch, 54, 5, 7)));
        Assert.Throws<UnsupportedModelException>(() => Infer(op, 1, Float(Batch, 4, 7, 9, 9), Float(6, 4, 3, 3, 3), Float(Batch, 36, 5, 7)));
    }
}
