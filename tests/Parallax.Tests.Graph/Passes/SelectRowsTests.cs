using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Rows that are selected are selected before anything is computed of the others, and come out as before.</summary>
public sealed class SelectRowsTests
{
    private const int Batch = 2, Rows = 7, Size = 12, Heads = 3;

    private static readonly SelectRowsFirst Pass = new();

    /// <summary>What is computed of [batch, rows, size] before rows of it are selected along axis 1.</summary>
    private static readonly Dictionary<string, Func<Net, ValueId, ValueId>> Computed = new()
    {
        ["layer normalization"] = (net, x) => net.Add(new LayerNormalization(), x, Weights(net, 1, Size), Weights(net, 2, Size)),
        ["layer normalization and a residual"] = (net, x) => net.Add(new LayerNormalization(2), x, Weights(net, 1, Size), ValueId.None, x),
        ["root mean square"] = (net, x) => net.Add(new RMSNormalization(), x, Weights(net, 1, Size)),
        ["product"] = (net, x) => net.Add(new MatMul(), x, Weights(net, 1, Size, 5), Weights(net, 2, 5)),
        ["product with a residual"] = (net, x) => net.Add(new MatMul(TransposeB: true), x, Weights(net, 1, Size, Size), Weights(net, 2, Size), x),
        ["elementwise"] = (net, x) => net.Mul(net.Sum(net.Unary(UnaryFunction.Tanh, x), Weights(net, 1, Size)), Weights(net, 2, Rows, 1)),
        ["items of the batch"] = (net, x) => net.Sub(x, Weights(net, 1, Batch, 1, 1)),
        ["limits"] = (net, x) => net.Add(new Clip(), x, net.Const(-0.5f), net.Const(0.5f)),
        ["one of two"] = (net, x) => net.Add(new Where(), net.Const(Tensor.From(new bool[Rows], [Rows, 1])), net.Const(1), x),
        ["transposed"] = (net, x) => net.Add(new Transpose([0, 2, 1]), net.Add(new Transpose([0, 2, 1]), net.Unary(UnaryFunction.Abs, x))),
        ["queries"] = (net, x) => Attended(net, x, Weights(net, 4, Batch, 1, 1, Rows)),
        ["queries with masks of their own"] = (net, x) => Attended(net, x, Weights(net, 4, Rows, Rows)),
        ["a layer"] = (net, x) =>
        {
            ValueId mixed = net.Add(new LayerNormalization(), net.Sum(x, Attended(net, x)), Weights(net, 1, Size), Weights(net, 2, Size));
            ValueId wide = net.Unary(UnaryFunction.Erf, net.Add(new MatMul(), mixed, Weights(net, 5, Size, 20)));
            return net.Add(new LayerNormalization(), net.Add(new MatMul(), wide, Weights(net, 6, 20, Size), ValueId.None, mixed), Weights(net, 1, Size), Weights(net, 2, Size));
        },
    };

    public static TheoryData<string> Names => [.. Computed.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Only_selected_rows_are_computed(string name)
    {
        foreach (long[] rows in (long[][])[[], [3], [-1, 2]])
        {
            var net = new Net();
            ValueId indices = net.Const(rows.Length == 0 ? Tensor.From([4L], []) : Tensor.From(rows, [rows.Length]));
            net.Out(net.Add(new Gather(1), Computed[name](net, net.In(Batch, Rows, Size)), indices));
            RewriteResult result = net.Apply(Pass);
            Assert.NotEmpty(result.Fired);
            // Keys and values are made of all rows, and so are masks.
            Assert.DoesNotContain(result.Graph.Nodes, n => n.Op is not (MatMul or Gather) && result.Graph.TensorFact(n.Outputs[0])!.Shape!.Value.Dims.Contains(Rows));
            Tensor input = Net.Floats(0, Batch, Rows, Size), expected = Interpreter.Run(net.Build(), input)[0], actual = Interpreter.Run(result.Graph, input)[0];
            Assert.Equal(expected.Dims.ToArray(), actual.Dims.ToArray());
            Assert.All(expected.Span<float>().ToArray().Zip(actual.Span<float>().ToArray()), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 1e-6f * Math.Max(1, Math.Abs(pair.First))));
        }
    }

    [Fact]
    public void One_row_of_an_unknown_number()
    {
        var net = new Net();
        ValueId x = net.In(Dim.Symbol("batch"), Dim.Symbol("tokens"), Size);
        RewriteResult result = net.Out(net.Add(new Gather(1), net.Add(new MatMul(), x, Weights(net, 1, Size, 5)), net.Ints(0))).Apply(Pass);
        Assert.Equal(1, result.Graph.TensorFact(result.Graph.Nodes.Single(n => n.Op is MatMul).Inputs[0])!.Shape!.Value[1]);
        net = new Net();
        x = net.In(Dim.Symbol("batch"), Dim.Symbol("tokens"), Size);
        net.Out(net.Add(new Gather(1), net.Add(new MatMul(), x, Weights(net, 1, Size, 5)), net.Ints(0, 1))).Leaves(Pass);
    }

    [Fact]
    public void Rows_that_others_read_are_left()
    {
        var net = new Net();
        ValueId made = net.Unary(UnaryFunction.Tanh, net.In(Batch, Rows, Size));
        net.Out(Row(net, made), made).Leaves(Pass);
        net = new Net();
        made = net.Unary(UnaryFunction.Tanh, net.In(Batch, Rows, Size));
        net.Out(Row(net, made), net.Unary(UnaryFunction.Abs, made)).Leaves(Pass);
        net = new Net();
        made = net.Unary(UnaryFunction.Tanh, net.In(Batch, Rows, Size));
        net.Out(Row(net, made), Row(net, made, 1)).Leaves(Pass);
        net = new Net();
        made = net.Unary(UnaryFunction.Tanh, net.In(Batch, Rows, Rows));
        net.Out(Row(net, made), net.Add(new Gather(2), made, net.Const(Tensor.From([0L], [])))).Leaves(Pass);
    }

    [Fact]
    public void Rows_that_depend_on_others_are_left()
    {
        AssertLeft((net, x) => net.Add(new LayerNormalization(1), x, Weights(net, 1, Rows, Size)));
        AssertLeft((net, x) => net.Add(new LayerNormalization(), x, Weights(net, 1, Rows, Size)));
        AssertLeft((net, x) => net.Add(new Softmax(SoftmaxKind.Softmax, 1), x));
        AssertLeft((net, x) => net.Add(new MatMul(), x, Weights(net, 1, Batch, Size, 5)));
        AssertLeft((net, x) => net.Add(new MatMul(TransposeA: true), x, Weights(net, 1, Rows, 5)), Size);
        AssertLeft((net, x) => net.Add(new Attention(Heads, Heads, Causal: true), x, x, x));
        AssertLeft((net, x) => net.Add(new Attention(Heads, Heads, LeftWindow: 2, RightWindow: 2), x, x, x));
    }

    [Fact]
    public void Rows_of_another_output_are_left()
    {
        var net = new Net();
        net.Out(Row(net, net.AddOnly(new LayerNormalization(), output: 1, net.In(Batch, Rows, Size), Weights(net, 1, Size)))).Leaves(Pass);
    }

    [Fact]
    public void All_rows_are_no_selection()
    {
        var net = new Net();
        net.Out(net.Add(new Gather(1), net.Unary(UnaryFunction.Tanh, net.In(1, 2, Size)), net.Ints(1, 0))).Leaves(Pass);
    }

    [Fact]
    public void Columns_of_a_product_are_left()
    {
        var net = new Net();
        net.Out(net.Add(new Gather(2), net.Add(new MatMul(), net.In(Batch, Rows, Size), Weights(net, 1, Size, 5)), net.Ints(1))).Leaves(Pass);
    }

    private static void AssertLeft(Func<Net, ValueId, ValueId> build, int rows = Rows)
    {
        var net = new Net();
        ValueId made = build(net, net.In(Batch, Rows, Size));
        Assert.Equal(rows, net.Shape(made)[1]);
        net.Out(Row(net, made)).Leaves(Pass);
    }

    private static ValueId Row(Net net, ValueId x, long index = 0) => net.Add(new Gather(1), x, net.Const(Tensor.From([index], [])));

    private static ValueId Attended(Net net, ValueId x, ValueId? mask = null)
    {
        ValueId q = net.Add(new MatMul(), x, Weights(net, 7, Size, Size)), k = net.Add(new MatMul(), x, Weights(net, 8, Size, Size)), v = net.Add(new MatMul(), x, Weights(net, 9, Size, Size));
        return net.Add(new Attention(Heads, Heads), mask is { } given ? [q, k, v, given] : [q, k, v]);
    }

    private static ValueId Weights(Net net, int seed, params long[] dims) => net.Const(Net.Floats(seed, dims));
}
