using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Transposes and reshapes that become one, or less.</summary>
public sealed class AxisTests
{
    private static readonly Dim Batch = Dim.Symbol("batch"), Width = Dim.Symbol("width");

    [Fact]
    public void Two_transposes_are_one()
    {
        var net = new Net();
        (Transpose op, _) = net.Out(net.Add(new Transpose([1, 2, 0]), net.Add(new Transpose([0, 2, 1]), net.In(2, 3, 4)))).Makes<Transpose>(new MergeTransposes());
        Assert.Equal([2, 1, 0], op.Permutation.ToArray());
    }

    [Fact]
    public void A_transpose_and_its_inverse_are_nothing()
    {
        var net = new Net();
        ValueId x = net.In(2, 3, 4);
        RewriteResult result = net.Out(net.Unary(UnaryFunction.Abs, net.Add(new Transpose(), net.Add(new Transpose([2, 1, 0]), x)))).Apply(new MergeTransposes());
        Assert.Equal([x], Assert.Single(result.Graph.Nodes).Inputs.ToArray());
    }

    [Fact]
    public void A_transpose_that_a_product_will_absorb_is_left_to_it()
    {
        var net = new Net();
        ValueId key = net.Add(new Transpose([0, 2, 1]), net.Add(new Transpose([1, 0, 2]), net.In(3, 2, 4)));
        net.Out(net.Add(new MatMul(), net.In(2, 5, 4), key)).Leaves(new MergeTransposes());
        net = new Net();
        key = net.Add(new Transpose([0, 2, 1]), net.Add(new Transpose([1, 0, 2]), net.In(3, 2, 4)));
        Assert.Single(net.Out(net.Add(new MatMul(), net.In(2, 5, 4), key), key).Apply(new MergeTransposes()).Fired);
    }

    [Fact]
    public void A_single_transpose_stays_and_so_does_one_of_unknown_rank()
    {
        var net = new Net();
        net.Out(net.Add(new Transpose(), net.Unary(UnaryFunction.Abs, net.Add(new Transpose(), net.In(2, 3))))).Leaves(new MergeTransposes());
    }

    public static TheoryData<Dim[], int[], long[]> Orderly => new()
    {
        { [2, 1, 3], [0, 2, 1], [2, 3, 1] },
        { [Batch, 1, 3], [0, 2, 1], [0, 3, 1] },
        { [1, Batch, 3], [1, 0, 2], [-1, 1, 3] },
        { [1, Batch, 1, Width], [1, 0, 2, 3], [-1, 1, 1, 0] },
    };

    [Theory]
    [MemberData(nameof(Orderly))]
    public void A_transpose_that_moves_only_ones_is_a_reshape(Dim[] dims, int[] permutation, long[] target)
    {
        var net = new Net();
        RewriteResult result = net.Out(net.Add(new Transpose([.. permutation]), net.In(dims))).Apply(new TransposeToReshape());
        Node node = Assert.Single(result.Graph.Nodes);
        Assert.IsType<Reshape>(node.Op);
        Assert.Equal(target, result.Graph.Constant(node.Inputs[1])!.Span<long>().ToArray());
        Assert.Equal([.. permutation.Select(p => dims[p])], result.Graph.TensorFact(node.Outputs[0])!.Shape!.Value.Dims.ToArray().AsEnumerable());
    }

    public static TheoryData<Dim[], int[]> Disorderly => new()
    {
        { [2, 3], [1, 0] },
        { [Batch, 3], [1, 0] },          // the batch may be more than one
        { [1, Batch, Width], [1, 2, 0] }, // two dims that are not known would have to be found
        { [0, 1, 3], [0, 2, 1] },         // a 0 would be read as "as it was"
    };

    [Theory]
    [MemberData(nameof(Disorderly))]
    public void Other_transposes_stay(Dim[] dims, int[] permutation)
    {
        var net = new Net();
        net.Out(net.Add(new Transpose([.. permutation]), net.In(dims))).Leaves(new TransposeToReshape());
    }

    [Fact]
    public void A_reshape_of_a_view_is_a_reshape()
    {
        foreach (int form in (int[])[0, 1, 2, 3])
        {
            var net = new Net();
            ValueId x = net.In(2, 1, 6);
            ValueId view = form switch
            {
                0 => net.Add(new Reshape(), x, net.Ints(3, -1)),
                1 => net.Add(new Flatten(1), x),
                2 => net.Add(new Squeeze(), x, net.Ints(1)),
                _ => net.Add(new Unsqueeze(), x, net.Ints(0)),
            };
            Assert.Equal(x, net.Out(net.Add(new Reshape(), view, net.Ints(4, -1))).Makes<Reshape>(new MergeReshapes()).Inputs[0]);
        }
    }

    [Fact]
    public void A_reshape_back_to_the_shape_before_the_view_goes()
    {
        var net = new Net();
        Dim batch = Dim.Symbol("batch");
        ValueId x = net.In(batch, 6);
        ValueId back = net.Add(new Reshape(), net.Add(new Reshape(), x, net.Ints(0, 3, 2)), net.Ints(0, -1));
        Assert.Equal(x, net.Out(back).Apply(new MergeReshapes()).Graph.Outputs[0].Value);
    }

    [Fact]
    public void A_reshape_that_refers_to_the_dims_of_the_view_stays()
    {
        var net = new Net();
        net.Out(net.Add(new Reshape(), net.Add(new Reshape(), net.In(2, 6), net.Ints(3, 4)), net.Ints(0, -1))).Leaves(new MergeReshapes());
    }

    [Fact]
    public void A_reshape_of_computed_dims_or_of_no_view_stays()
    {
        var net = new Net();
        ValueId view = net.Add(new Reshape(), net.In(2, 6), net.Ints(3, 4));
        net.Out(net.Add(new Reshape(), view, net.In(DType.Int64, 2)), net.Add(new Reshape(), net.Unary(UnaryFunction.Abs, view), net.Ints(12))).Leaves(new MergeReshapes());
    }
}
