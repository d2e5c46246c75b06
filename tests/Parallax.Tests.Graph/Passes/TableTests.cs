using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Parallax.Runtime.Compilation;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Products with one-hot rows that are rows of a table, and functions of tables.</summary>
public sealed class TableTests
{
    private const int Rows = 5, Columns = 3;

    private static readonly Dim Batch = Dim.Symbol("batch");

    private static readonly Tensor Weights = Tensor.From(RandomData.Floats(Rows * Columns, 1), [Rows, Columns]);

    private static ValueId Equality(Net net, ValueId x, DType type) => net.Add(new Cast(DType.Float32), net.Add(new Binary(BinaryFunction.Equal), x, Range(net, type, Rows)));

    private static ValueId Range(Net net, DType type, int count) => net.Const(type == DType.Int32
        ? Tensor.From(Enumerable.Range(0, count).ToArray(), [1, count])
        : Tensor.From(Enumerable.Range(0, count).Select(i => (long)i).ToArray(), [1, count]));

    private static ValueId OneHot(Net net, ValueId x, long axis = -1) => net.Add(new OneHot(axis), x, net.Const(Tensor.Scalar((long)Rows)), net.Const(Tensor.From([0f, 1f], [2])));

    [Theory]
    [InlineData(DType.Int32)]
    [InlineData(DType.Int64)]
    public void Equality_with_a_range(DType type)
    {
        var net = new Net();
        net.Out(net.Add(new MatMul(), Equality(net, net.In(type, Batch, 8, 1), type), net.Const(Weights)));
        AssertSame(net, type, [2, 8, 1], new OneHotToGather());
    }

    [Theory]
    [InlineData(DType.Int32)]
    [InlineData(DType.Int64)]
    public void One_hot_rows(DType type)
    {
        var net = new Net();
        net.Out(net.Add(new MatMul(), OneHot(net, net.In(type, Batch, 8)), net.Const(Weights)));
        AssertSame(net, type, [2, 8], new OneHotToGather());
    }

    [Fact]
    public void What_is_no_row_of_a_table()
    {
        AssertLeft(net => net.Add(new MatMul(), OneHot(net, net.In(DType.Int64, 8), axis: 0), net.Const(1, 8, 2)));            // one-hot columns
        AssertLeft(net => net.Add(new MatMul(), OneHot(net, net.In(DType.Float32, 8)), net.Const(Weights)));                   // indices that may lie between rows
        AssertLeft(net => net.Add(new MatMul(), OneHot(net, net.In(DType.Int64, 8)), net.In(Rows, Columns)));                  // weights that are computed
        AssertLeft(net => net.Add(new MatMul(), OneHot(net, net.In(DType.Int64, 8)), net.Const(float.NaN, Rows, Columns)));    // 0 NaN is not 0
        AssertLeft(net => net.Add(new MatMul(Alpha: 2), OneHot(net, net.In(DType.Int64, 8)), net.Const(Weights)));
        AssertLeft(net => net.Add(new MatMul(), Equality(net, net.In(DType.Int64, 8, Rows), DType.Int64), net.Const(Weights))); // more than one may be equal
        AssertLeft(net => net.Add(new MatMul(), net.Add(new Cast(DType.Float32), net.Add(new Binary(BinaryFunction.Equal), net.In(DType.Int64, 8, 1), net.Ints(0, 1, 2, 4, 3))), net.Const(Weights)));
        AssertLeft(net => net.Add(new MatMul(), net.Add(new Cast(DType.Float32), net.Add(new Binary(BinaryFunction.Less), net.In(DType.Int64, 8, 1), Range(net, DType.Int64, Rows))), net.Const(Weights)));
        AssertLeft(net =>
        {
            ValueId weights = net.Const(Weights);
            return net.Add(new MatMul(), net.Add(new MatMul(), OneHot(net, net.In(DType.Int64, 8)), weights), net.Add(new Transpose([1, 0]), weights)); // the table is needed as it is
        });

        static void AssertLeft(Func<Net, ValueId> build)
        {
            var net = new Net();
            net.Out(build(net)).Leaves(new OneHotToGather());
        }
    }

    [Fact]
    public void Functions_of_a_table()
    {
        var net = new Net();
        ValueId row = net.Add(new Gather(), net.Const(Weights), net.In(DType.Int64, 2, 8));
        row = net.Sum(net.Const(Tensor.From([1f, 2f, 3f], [1, 1, 3])), row);
        row = net.Unary(UnaryFunction.Tanh, net.Mul(row, net.Const(0.5f)));
        net.Out(net.Add(new Clip(), row, net.Const(-0.5f), net.Const(0.9f)));
        RewriteResult result = AssertSame(net, DType.Int64, [2, 8], new FoldConstants(new ConstantEvaluator()), new FunctionOfTable());
        Assert.Equal(4, result.Fired["function-of-table"]);
        Assert.IsType<Gather>(Assert.Single(result.Graph.Nodes).Op);
    }

    [Fact]
    public void Functions_that_stay_behind_a_table()
    {
        AssertLeft((net, rows) => net.Unary(UnaryFunction.Tanh, rows), count: 4);                                 // more rows than are gathered
        AssertLeft((net, rows) => net.Sum(rows, net.Const(1, 8, 1)));                                             // another for each row
        AssertLeft((net, rows) => net.Sum(rows, net.In(Columns)));
        AssertLeft((net, rows) => net.Sum(net.Unary(UnaryFunction.Tanh, rows), rows));                            // rows are read as they are
        AssertLeft((net, rows) => net.Sum(rows, net.Const(1, 2, 8, Columns)));                                    // makes the result larger
        AssertLeft((net, rows) => net.Add(new Binary(BinaryFunction.Less), rows, net.Const(1)));                  // another type
        AssertLeft((net, rows) => net.Add(new ShapeOf(), rows));

        static void AssertLeft(Func<Net, ValueId, ValueId> build, int count = 8)
        {
            var net = new Net();
            net.Out(build(net, net.Add(new Gather(), net.Const(Weights), net.In(DType.Int64, count)))).Leaves(new FunctionOfTable());
        }
    }

    /// <summary>Indices in front of the table, in it and behind it, where the graph takes them; and the same numbers as before.</summary>
    private static RewriteResult AssertSame(Net net, DType type, long[] dims, params IPass[] passes)
    {
        RewriteResult result = net.Apply(passes);
        Assert.NotEmpty(result.Fired);
        bool isLimited = passes[^1] is FunctionOfTable;
        long[] indices = [.. Enumerable.Range(0, 16).Select(i => isLimited ? i % Rows : i - 8L)];
        if (!isLimited) (indices[0], indices[15]) = (int.MinValue, int.MaxValue);
        Assert.Equal(!isLimited, result.Graph.Nodes.Select(node => node.Op).OfType<Gather>().Single().IsWithin);
        Tensor input = type == DType.Int64 ? Tensor.From(indices, dims) : Tensor.From(indices.Select(i => (int)i).ToArray(), dims);
        Tensor expected = Assert.Single(Interpreter.Run(net.Build(), input)), actual = Assert.Single(Interpreter.Run(result.Graph, input));
        Assert.Equal(expected.Dims.ToArray(), actual.Dims.ToArray());
        Assert.Equal(expected.Span<float>().ToArray(), actual.Span<float>().ToArray());
        Assert.Contains(actual.Span<float>().ToArray(), value => value != 0);
        return result;
    }
}
