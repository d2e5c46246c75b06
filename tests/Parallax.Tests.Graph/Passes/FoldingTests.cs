using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Parallax.Runtime.Compilation;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Constant folding, shape arithmetic, dead nodes, identities and narrow floats.</summary>
public sealed class FoldingTests
{
    private static readonly Dim Batch = Dim.Symbol("batch");

    /// <summary>Sums float constants.</summary>
    private sealed class Adder : IConstantEvaluator
    {
        public Tensor?[]? Evaluate(Node node, ImmutableArray<Tensor?> inputs) => node.Op is Binary { Function: BinaryFunction.Add }
            ? [Tensor.From(inputs[0]!.Span<float>().ToArray().Zip(inputs[1]!.Span<float>().ToArray(), (a, b) => a + b).ToArray(), inputs[0]!.Dims)]
            : null;
    }

    [Fact]
    public void An_operator_on_constants_is_a_constant()
    {
        var net = new Net();
        ValueId sum = net.Sum(net.Const(1, 3), net.Const(2, 3));
        RewriteResult result = net.Out(net.Sum(net.In(3), sum)).Apply(new FoldConstants(new Adder()));
        Node left = Assert.Single(result.Graph.Nodes);
        Assert.Equal([3f, 3f, 3f], result.Graph.Constant(left.Inputs[1])!.Span<float>().ToArray());
    }

    [Fact]
    public void A_slice_of_everything_is_what_it_slices()
    {
        var net = new Net();
        ValueId x = net.In(Batch, 4);
        Assert.Empty(net.Out(net.Add(new Slice(), x, net.Ints(0), net.Ints(4), net.Ints(1), net.Ints(1))).Apply(new RemoveIdentity()).Graph.Nodes);
        net = new Net();
        net.Out(net.Add(new Slice(), net.In(Batch, 4), net.Ints(-1), net.Ints(-5), net.Ints(1), net.Ints(-1))).Leaves(new RemoveIdentity()); // backwards
        net = new Net();
        net.Out(net.Add(new Slice(), net.In(Batch, 4), net.Ints(0), net.Ints(3), net.Ints(1))).Leaves(new RemoveIdentity());
    }

    /// <summary>Embeddings that are the weights of the last product as well stay one constant.</summary>
    [Fact]
    public void A_transpose_that_products_absorb_is_not_folded()
    {
        var net = new Net();
        ValueId embeddings = net.Const(1, 5, 3), turned = net.Add(new Transpose([1, 0]), embeddings);
        RewriteResult result = net.Out(net.Add(new MatMul(), net.Add(new Gather(), embeddings, net.In(DType.Int64, Batch)), turned)).Apply(new FoldConstants(new ConstantEvaluator()), new AbsorbTranspose());
        Node product = result.Graph.Producer(result.Graph.Outputs[0].Value)!;
        Assert.True(Assert.IsType<MatMul>(product.Op).TransposeB);
        Assert.Equal(product.Inputs[1], result.Graph.Producer(product.Inputs[0])!.Inputs[0]);
        net = new Net();
        turned = net.Add(new Transpose([1, 0]), net.Const(1, 5, 3));
        Assert.Equal(1, net.Out(net.Sum(net.Add(new MatMul(), net.In(3, 3), turned), turned)).Apply(new FoldConstants(new ConstantEvaluator())).Fired["fold-constants"]); // something else reads it
    }

    [Fact]
    public void A_folded_chain_leaves_no_node()
    {
        var net = new Net();
        ValueId value = net.Const(1, 2);
        for (int i = 0; i < 5; i++) value = net.Sum(value, net.Const(1, 2));
        RewriteResult result = net.Out(value).Apply(new FoldConstants(new Adder()));
        Assert.Equal(0, result.Graph.NodeCount);
        Assert.Equal([6f, 6f], result.Graph.Constant(result.Graph.Outputs[0].Value)!.Span<float>().ToArray());
    }

    [Fact]
    public void What_reads_an_input_is_not_folded()
    {
        var net = new Net();
        net.Out(net.Sum(net.In(3), net.Const(1, 3))).Leaves(new FoldConstants(new Adder()));
    }

    [Fact]
    public void What_the_evaluator_declines_is_not_folded()
    {
        var net = new Net();
        net.Out(net.Mul(net.Const(1, 3), net.Const(1, 3))).Leaves(new FoldConstants(new Adder()));
    }

    [Fact]
    public void A_random_operator_is_not_folded()
    {
        var net = new Net();
        ValueId random = net.Add(new Dropless(), net.Const(1, 3), net.Const(1, 3));
        net.Out(random).Leaves(new FoldConstants(new Always()));
    }

    [Fact]
    public void A_huge_result_is_not_folded()
    {
        var net = new Net();
        net.Out(net.Add(new Huge(), net.Const(1, 1))).Leaves(new FoldConstants(new Always()));
    }

    private sealed class Always : IConstantEvaluator
    {
        public Tensor?[]? Evaluate(Node node, ImmutableArray<Tensor?> inputs) => [inputs[0]];
    }

    private sealed record Dropless : Op
    {
        public override bool IsDeterministic => false;

        public override ImmutableArray<Fact> Infer(InferContext context) => ShapeRules.SameAs(context);
    }

    private sealed record Huge : Op
    {
        public override ImmutableArray<Fact> Infer(InferContext context) => [new TensorFact(DType.Float32, [1L << 29])];
    }

    [Fact]
    public void A_shape_of_known_dims_is_a_constant()
    {
        var net = new Net();
        RewriteResult result = net.Out(net.Add(new ShapeOf(), net.In(2, 3))).Apply(new FoldKnownContents());
        Assert.Equal([2L, 3L], result.Graph.Constant(result.Graph.Outputs[0].Value)!.Span<long>().ToArray());
        Assert.Equal(0, result.Graph.NodeCount);
    }

    [Fact]
    public void A_shape_with_a_symbolic_dim_stays()
    {
        var net = new Net();
        net.Out(net.Add(new ShapeOf(), net.In(Batch, 3))).Leaves(new FoldKnownContents());
    }

    [Fact]
    public void Nodes_that_nobody_reads_are_removed()
    {
        var net = new Net();
        ValueId x = net.In(3), dead = net.Unary(UnaryFunction.Exp, x);
        net.Sum(dead, net.Unary(UnaryFunction.Exp, dead));
        ValueId live = net.Unary(UnaryFunction.Abs, x);
        RewriteResult result = net.Out(live).Apply();
        Assert.Equal(UnaryFunction.Abs, ((Unary)Assert.Single(result.Graph.Nodes).Op).Function);
        Assert.Equal([x], result.Graph.Inputs);
    }

    [Fact]
    public void Inputs_stay_though_nobody_reads_them()
    {
        var net = new Net();
        ValueId unread = net.In(3);
        RewriteResult result = net.Out(net.Unary(UnaryFunction.Abs, net.In(3))).Apply();
        Assert.Equal(unread, result.Graph.Inputs[0]);
        Assert.Equal(2, result.Graph.Inputs.Count);
    }

    [Fact]
    public void A_node_one_of_whose_outputs_is_read_stays()
    {
        var net = new Net();
        ImmutableArray<ValueId> parts = net.AddMany(new Split(0), 2, net.In(4));
        Assert.Equal(1, net.Out(parts[1]).Apply().Graph.NodeCount);
    }

    [Fact]
    public void Identity_and_a_cast_to_the_same_type_and_a_view_of_the_same_shape_vanish()
    {
        var net = new Net();
        ValueId x = net.In(2, Batch);
        ValueId same = net.Add(new Reshape(), net.Add(new Cast(DType.Float32), net.Add(new Identity(), x)), net.Add(new ShapeOf(), x));
        RewriteResult result = net.Out(net.Unary(UnaryFunction.Abs, same)).Apply(new RemoveIdentity());
        Assert.Equal(3, result.Fired["remove-identity"]);
        Assert.Equal([x], Assert.Single(result.Graph.Nodes).Inputs.ToArray());
    }

    [Fact]
    public void A_cast_or_a_view_that_changes_something_stays()
    {
        var net = new Net();
        ValueId x = net.In(2, 3);
        net.Out(net.Add(new Cast(DType.Float64), x), net.Add(new Reshape(), x, net.Ints(3, 2)), net.Add(new BitCast(DType.Int32), x)).Leaves(new RemoveIdentity());
    }

    [Fact]
    public void Arithmetic_on_half_floats_is_done_in_float32()
    {
        var net = new Net();
        ValueId x = net.In(DType.Float16, 3);
        RewriteResult result = net.Out(net.Sum(x, x)).Apply(new WidenNarrowFloats());
        Node narrow = result.Graph.Producer(result.Graph.Outputs[0].Value)!;
        Assert.Equal(new Cast(DType.Float16), narrow.Op);
        Node sum = result.Graph.Producer(narrow.Inputs[0])!;
        Assert.All(sum.Inputs, i => Assert.Equal(new Cast(DType.Float32), result.Graph.Producer(i)!.Op));
    }

    [Fact]
    public void Float32_and_what_only_moves_half_floats_are_left_alone()
    {
        var net = new Net();
        ValueId half = net.In(DType.BFloat16, 2, 3), single = net.In(2, 3);
        net.Out(net.Add(new Transpose(), half), net.Add(new Reshape(), half, net.Ints(6)), net.Sum(single, single)).Leaves(new WidenNarrowFloats());
    }
}
