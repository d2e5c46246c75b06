using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Parallax.Runtime.Compilation;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Operators that move whole rows become one copy, and the rows come to where they came before.</summary>
public sealed class RowMoveTests
{
    private const int Row = 16;

    private static readonly MergeRowMoves Pass = new(new ConstantEvaluator());

    /// <summary>What is put together of windows, rolls and the like, and how many copies are left of it.</summary>
    private static readonly Dictionary<string, (long[] Dims, Func<Net, ValueId, ValueId> Build, int Gathers)> Chains = new()
    {
        ["rolled windows"] = ([2, 6, 10, Row], (net, x) => Windows(net, Roll(net, Roll(net, x, 1, 1), 2, 3), 2, 6, 10, 3, 5), 1),
        ["windows rolled back"] = ([8, 15, Row], (net, x) => Roll(net, Roll(net, Together(net, x, 2, 6, 10, 3, 5), 1, 5), 2, 7), 1),
        ["windows and back"] = ([2, 6, 10, Row], (net, x) => Roll(net, Together(net, Windows(net, Roll(net, x, 1, 1), 2, 6, 10, 3, 5), 2, 6, 10, 3, 5), 1, 5), 0),
        ["merged neighbours"] = ([1, 4, 6, Row], (net, x) => net.Add(new Concat(-1), Part(net, x, 0, 0), Part(net, x, 1, 0), Part(net, x, 0, 1), Part(net, x, 1, 1)), 1),
        ["halves changed twice"] = ([2, 4, Row], (net, x) => Roll(net, Changed(net, x), 0, 1), 1),
        ["heads of rows"] = ([2, 6, 2 * Row], (net, x) => net.Add(new Transpose([0, 2, 1, 3]), net.Reshape(Roll(net, x, 1, 2), 2, 6, 2, Row)), 1),
        ["picked"] = ([5, 3, Row], (net, x) => net.Add(new Transpose([1, 0, 2]), net.Add(new Gather(-3), x, net.Ints(4, -5, 2, 2))), 1),
        ["picked by one number"] = ([5, 3, Row], (net, x) => net.Add(new Gather(1), Roll(net, x, 0, 2), net.Const(Tensor.From([2L], []))), 1),
        ["backwards"] = ([5, 3, Row], (net, x) => net.Add(new Transpose([1, 0, 2]), Cut(net, x, 0, -1, long.MinValue, -1)), 1),
    };

    public static TheoryData<string> Names => [.. Chains.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_chain_is_one_copy(string name)
    {
        (long[] dims, Func<Net, ValueId, ValueId> build, int gathers) = Chains[name];
        foreach (DType type in (DType[])[DType.Float32, DType.Int64])
        {
            var net = new Net();
            net.Out(net.Unary(UnaryFunction.Abs, build(net, net.In(type, [.. dims.Select(d => (Dim)d)]))));
            RewriteResult result = net.Apply(Pass);
            Assert.NotEmpty(result.Fired);
            Assert.Equal(gathers, result.Graph.Nodes.Count(n => n.Op is Gather));
            Assert.DoesNotContain(result.Graph.Nodes, n => n.Op is Slice or Concat or Split or Transpose);
            AssertSame(net, result, dims, type);
        }
    }

    [Fact]
    public void Random_moves_keep_their_elements()
    {
        int fired = 0;
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            long[] dims = [random.Next(1, 4), random.Next(1, 6), random.Next(1, 6), Row * random.Next(1, 3)];
            var net = new Net();
            ValueId input = net.In([.. dims.Select(d => (Dim)d)]), x = input, kept = input;
            for (int i = 0; i < 5; i++)
            {
                x = Moved(net, x, random);
                if (random.Next(4) == 0) kept = x;
            }
            net.Out(net.Unary(UnaryFunction.Abs, x), net.Unary(UnaryFunction.Neg, kept));
            RewriteResult result = net.Apply(Pass);
            fired += result.Fired.Values.Sum();
            AssertSame(net, result, dims, DType.Float32);
        }
        Assert.InRange(fired, 100, int.MaxValue);
    }

    [Fact]
    public void Long_rows_are_cut_so_that_workers_can_share_them()
    {
        var net = new Net();
        net.Out(net.Add(new Transpose([1, 0, 2, 3]), Cut(net, Roll(net, net.In(2, 8, 64, 1024), 1, 3), 1, 0, 8, 2)));
        RewriteResult result = net.Apply(Pass);
        Node gather = Assert.Single(result.Graph.Nodes, n => n.Op is Gather);
        Assert.Equal(4096, result.Graph.TensorFact(gather.Outputs[0])!.Shape!.Value[1]);
    }

    [Fact]
    public void A_copy_that_others_read_stays_and_is_not_made_twice()
    {
        var net = new Net();
        ValueId rolled = Roll(net, Roll(net, net.In(4, 6, Row), 0, 1), 1, 2);
        RewriteResult result = net.Out(net.Add(new Transpose([1, 0, 2]), rolled), net.Unary(UnaryFunction.Abs, rolled)).Apply(Pass);
        Assert.Single(result.Graph.Nodes, n => n.Op is Transpose);
        Assert.Single(result.Graph.Nodes, n => n.Op is Gather);
    }

    [Fact]
    public void A_copy_that_a_view_shows_to_others_stays()
    {
        var net = new Net();
        ValueId turned = net.Add(new Transpose([1, 0, 2]), net.In(4, 6, Row)), view = net.Reshape(turned, 24, Row);
        net.Out(net.Add(new Transpose([1, 0, 2]), net.Reshape(view, 3, 8, Row)), net.Unary(UnaryFunction.Abs, view)).Leaves(Pass);
    }

    [Fact]
    public void What_joins_two_values_is_moved_behind_that()
    {
        var net = new Net();
        ValueId joined = net.Add(new Concat(1), net.In(2, 2, Row), net.In(2, 3, Row));
        RewriteResult result = net.Out(net.Add(new Transpose([1, 0, 2]), Roll(net, joined, 1, 2))).Apply(Pass);
        Assert.Equal(joined, Assert.Single(result.Graph.Nodes, n => n.Op is Reshape && result.Graph.Producer<Concat>(n.Inputs[0]) is not null).Inputs[0]);
        Assert.Single(result.Graph.Nodes, n => n.Op is Gather);
    }

    [Fact]
    public void One_copy_stays_what_it_is()
    {
        var net = new Net();
        net.Out(net.Add(new Transpose([1, 0, 2]), net.In(4, 6, Row))).Leaves(Pass);
        net = new Net();
        net.Out(Roll(net, net.In(4, 6, Row), 0, 1)).Leaves(Pass); // the parts of a roll along the first axis are shown where they lie
    }

    [Fact]
    public void Rows_that_are_cut_turned_or_short_stay()
    {
        var net = new Net();
        net.Out(net.Add(new Transpose([0, 2, 1]), Roll(net, net.In(4, 6, Row), 0, 1))).Leaves(Pass);
        net = new Net();
        net.Out(Cut(net, net.Add(new Transpose([1, 0, 2]), net.In(4, 6, Row)), 2, -1, long.MinValue, -1)).Leaves(Pass);
        net = new Net();
        net.Out(net.Add(new Transpose([1, 0, 2]), Roll(net, net.In(4, 6, Row - 1), 1, 1))).Leaves(Pass);
        net = new Net();
        net.Out(net.Add(new Transpose([1, 0, 2]), Roll(net, net.In(DType.UInt8, 4, 6, 2 * Row), 1, 1))).Leaves(Pass);
    }

    [Fact]
    public void Unknown_dims_and_indices_stay()
    {
        var net = new Net();
        net.Out(net.Add(new Transpose([1, 0, 2]), Roll(net, net.In(Dim.Symbol("batch"), 6, Row), 1, 1))).Leaves(Pass);
        net = new Net();
        net.Out(net.Add(new Transpose([1, 0, 2]), net.Add(new Gather(0), net.In(4, 6, Row), net.In(DType.Int64, 4)))).Leaves(Pass);
    }

    [Fact]
    public void Elements_without_bytes_of_their_own_stay()
    {
        foreach (DType type in (DType[])[DType.String, DType.Int4])
        {
            var net = new Net();
            net.Out(net.Add(new Transpose([1, 0, 2]), Roll(net, net.In(type, 4, 6, 256), 1, 1))).Leaves(Pass);
        }
    }

    private static ValueId Moved(Net net, ValueId x, Random random)
    {
        long[] dims = net.Shape(x).ToArray();
        int axis = random.Next(dims.Length - 1);
        switch (random.Next(6))
        {
            case 0:
                return dims[axis] > 1 ? Roll(net, x, axis, random.Next(1, (int)dims[axis])) : x;
            case 1:
                return Cut(net, x, axis, random.Next(2), dims[axis] < 3 ? dims[axis] + 1 : dims[axis] - random.Next(2), random.Next(1, 3)) is var cut && net.Shape(cut)[axis] != 0 ? cut : x;
            case 2:
                int[] order = [.. Enumerable.Range(0, dims.Length - 1)];
                random.Shuffle(order);
                return net.Add(new Transpose([.. order, dims.Length - 1]), x);
            case 3:
                return dims.Length > 3 ? net.Reshape(x, [dims[0] * dims[1], .. dims[2..]]) : net.Reshape(x, [dims[0], 1, .. dims[1..]]);
            case 4:
                return net.Add(new Gather(axis), x, net.Ints([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.NextInt64(-dims[axis], dims[axis]))]));
            default:
                return dims[axis] % 2 == 0 ? Changed(net, x, axis) : net.Add(new Concat(random.Next(dims.Length)), x, x);
        }
    }

    /// <summary>The second half along an axis, then the first.</summary>
    private static ValueId Changed(Net net, ValueId x, int axis = 1)
    {
        ImmutableArray<ValueId> halves = net.AddMany(new Split(axis, 2), 2, x);
        return net.Add(new Concat(axis), halves[1], halves[0]);
    }

    private static ValueId Cut(Net net, ValueId x, int axis, long start, long end, long step = 1) => net.Add(new Slice(), x, net.Ints(start), net.Ints(end), net.Ints(axis), net.Ints(step));

    private static ValueId Part(Net net, ValueId x, int row, int column) => Cut(net, Cut(net, x, -3, row, int.MaxValue, 2), -2, column, int.MaxValue, 2);

    private static ValueId Roll(Net net, ValueId x, int axis, long by) => net.Add(new Concat(axis), Cut(net, x, axis, by, long.MaxValue), Cut(net, x, axis, 0, by));

    private static ValueId Windows(Net net, ValueId x, long batch, long height, long width, long rows, long columns) => net.Reshape(
        net.Add(new Transpose([0, 1, 3, 2, 4, 5]), net.Reshape(x, batch, height / rows, rows, width / columns, columns, Row)), batch * height / rows * width / columns, rows * columns, Row);

    private static ValueId Together(Net net, ValueId x, long batch, long height, long width, long rows, long columns) => net.Reshape(
        net.Add(new Transpose([0, 1, 3, 2, 4, 5]), net.Reshape(x, batch, height / rows, width / columns, rows, columns, Row)), batch, height, width, Row);

    private static void AssertSame(Net net, RewriteResult rewritten, long[] dims, DType type)
    {
        int count = (int)Shape.Count(dims);
        Tensor input = type == DType.Int64 ? Tensor.From([.. Enumerable.Range(1, count).Select(i => (long)i)], dims) : Tensor.From(RandomData.Floats(count, 1), dims);
        Tensor[] expected = Interpreter.Run(net.Build(), input), actual = Interpreter.Run(rewritten.Graph, input);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i].Dims.ToArray(), actual[i].Dims.ToArray());
            Assert.True(expected[i].Bytes.SequenceEqual(actual[i].Bytes));
        }
    }
}
