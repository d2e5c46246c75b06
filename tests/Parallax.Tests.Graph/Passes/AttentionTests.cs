using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Products around a softmax that become attention.</summary>
public sealed class AttentionTests
{
    private static readonly Dim Batch = Dim.Symbol("batch"), Tokens = Dim.Symbol("tokens"), Keys = Dim.Symbol("keys");

    private readonly Net net = new();
    private readonly ValueId q, k, v;

    public AttentionTests() => (q, k, v) = (net.In(Batch, 4, Tokens, 8), net.In(Batch, 4, Keys, 8), net.In(Batch, 4, Keys, 6));

    private ValueId Softmax(ValueId x, long axis = -1) => net.Add(new Softmax(SoftmaxKind.Softmax, axis), x);

    private ValueId Product(ValueId a, ValueId b, bool transposeB = false) => net.Add(new MatMul(TransposeB: transposeB), a, b);

    [Fact]
    public void Scaled_products_around_a_softmax()
    {
        ValueId scores = net.Add(new MatMul(TransposeB: true, Alpha: 0.25f), q, k);
        (Attention op, var inputs) = net.Out(Product(Softmax(scores), v)).Makes<Attention>(new RecognizeAttention());
        Assert.Equal(new Attention(Scale: 0.25f), op);
        Assert.Equal([q, k, v], inputs);
    }

    [Fact]
    public void Scales_of_the_operands_count()
    {
        ValueId scores = Product(net.Div(q, net.Const(2)), net.Mul(net.Const(0.5f), k), transposeB: true);
        (Attention op, var inputs) = net.Out(Product(Softmax(scores, axis: 3), v)).Makes<Attention>(new RecognizeAttention());
        Assert.Equal(0.25f, op.Scale);
        Assert.Equal([q, k, v], inputs);
    }

    [Fact]
    public void A_mask_that_is_added_to_the_scores()
    {
        ValueId mask = net.In(Batch, 1, 1, Keys);
        Assert.Equal([q, k, v, mask], net.Out(Product(Softmax(net.Sum(mask, Product(q, k, transposeB: true))), v)).Makes<Attention>(new RecognizeAttention()).Inputs);
    }

    [Fact]
    public void A_mask_that_was_fused_into_the_product()
    {
        ValueId mask = net.In(Batch, 4, Tokens, Keys), scores = net.Add(new MatMul(TransposeB: true), q, k, ValueId.None, mask);
        Assert.Equal([q, k, v, mask], net.Out(Product(Softmax(scores), v)).Makes<Attention>(new RecognizeAttention()).Inputs);
    }

    [Fact]
    public void Keys_that_were_transposed_whole_are_turned_back()
    {
        ValueId separate = net.In(Batch, Keys, 4, 8), turned = net.Add(new Transpose([0, 2, 3, 1]), separate);
        RewriteResult result = net.Out(Product(Softmax(Product(q, turned)), v)).Apply(new RecognizeAttention(), new MergeTransposes());
        Node attention = result.Graph.Producer(result.Graph.Outputs[0].Value)!;
        Assert.IsType<Attention>(attention.Op);
        Assert.Equal(new Transpose([0, 2, 1, 3]), result.Graph.Producer(attention.Inputs[1])!.Op);
        Assert.Equal(2, result.Graph.NodeCount);
    }

    [Fact]
    public void Heads_that_are_folded_into_the_batch()
    {
        ValueId a = net.In(Batch, Tokens, 8), b = net.In(Batch, Keys, 8), c = net.In(Batch, Keys, 6), mask = net.In(Tokens, Keys);
        (Attention op, var inputs) = net.Out(Product(Softmax(net.Sum(Product(a, b, transposeB: true), mask)), c)).Makes<Attention>(new RecognizeAttention());
        Assert.Equal(new Attention(1, 1, Scale: 1f), op);
        Assert.Equal([a, b, c, mask], inputs);
    }

    [Fact]
    public void A_condition_that_hides_keys()
    {
        ValueId hidden = net.In(DType.Bool, Batch, 1, 1, Keys), scores = net.Add(new Where(), hidden, net.Const(-1e9f), Product(q, k, transposeB: true));
        RewriteResult result = net.Out(Product(Softmax(scores), v)).Apply(new RecognizeAttention());
        Node attention = result.Graph.Producer(result.Graph.Outputs[0].Value)!;
        Assert.Equal(new Attention(Scale: 1, HiddenScore: -1e9f), attention.Op);
        Assert.Equal(new Unary(UnaryFunction.Not), result.Graph.Producer(attention.Inputs[3])!.Op);
        Assert.Equal(hidden, result.Graph.Producer(attention.Inputs[3])!.Inputs[0]);
    }

    [Fact]
    public void A_condition_that_shows_keys()
    {
        ValueId seen = net.In(DType.Bool, Tokens, Keys), scores = net.Add(new Where(), seen, Product(q, k, transposeB: true), net.Const(float.NegativeInfinity));
        (Attention op, var inputs) = net.Out(Product(Softmax(scores), v)).Makes<Attention>(new RecognizeAttention());
        Assert.Equal(new Attention(Scale: 1), op);
        Assert.Equal([q, k, v, seen], inputs);
    }

    [Fact]
    public void A_condition_beside_a_mask_or_before_a_scale_or_with_many_scores()
    {
        ValueId seen = net.In(DType.Bool, Tokens, Keys);
        AssertNone(() => Product(Softmax(net.Add(new Where(), seen, net.Sum(Product(q, k, transposeB: true), net.In(Tokens, Keys)), net.Const(-1e9f))), v));
        AssertNone(() => Product(Softmax(net.Mul(net.Add(new Where(), seen, Product(q, k, transposeB: true), net.Const(-1e9f)), net.Const(2))), v));
        AssertNone(() => Product(Softmax(net.Add(new Where(), seen, Product(q, k, transposeB: true), net.In(Tokens, Keys))), v));
    }

    [Fact]
    public void Probabilities_of_nothing_seen_that_are_made_zero()
    {
        ValueId probabilities = Softmax(net.Sum(Product(q, k, transposeB: true), net.In(Tokens, Keys)));
        ValueId clean = net.Add(new Where(), net.Unary(UnaryFunction.IsNaN, probabilities), net.Const(0), probabilities);
        Assert.Equal(4, net.Out(Product(clean, v)).Makes<Attention>(new RecognizeAttention()).Inputs.Length);
    }

    [Fact]
    public void Probabilities_of_nothing_seen_that_are_made_something_else()
    {
        ValueId probabilities = Softmax(Product(q, k, transposeB: true));
        AssertNone(() => Product(net.Add(new Where(), net.Unary(UnaryFunction.IsNaN, probabilities), net.Const(1), probabilities), v));
    }

    [Fact]
    public void Factors_of_heads()
    {
        ValueId factors = net.In(4, 1, 1), scores = net.Mul(Product(q, k, transposeB: true), factors), mask = net.In(Tokens, Keys);
        RewriteResult result = net.Out(Product(Softmax(net.Sum(scores, mask)), v)).Apply(new RecognizeAttention());
        Node attention = result.Graph.Producer(result.Graph.Outputs[0].Value)!;
        Assert.Equal([q, k, v, mask, ValueId.None, ValueId.None, ValueId.None], attention.Inputs[..Attention.FactorInput].ToArray());
        Node reshape = result.Graph.Producer(attention.Inputs[Attention.FactorInput])!;
        Assert.Equal((typeof(Reshape), factors), (reshape.Op.GetType(), reshape.Inputs[0]));
    }

    [Fact]
    public void Factors_of_something_else()
    {
        AssertNone(() => Product(Softmax(net.Mul(Product(q, k, transposeB: true), net.In(Tokens, 1))), v));
        AssertNone(() => Product(Softmax(net.Mul(net.Sum(Product(q, k, transposeB: true), net.In(Tokens, Keys)), net.In(4, 1, 1))), v));
        AssertNone(() => Product(Softmax(net.Mul(net.Mul(Product(q, k, transposeB: true), net.In(4, 1, 1)), net.In(4, 1, 1))), v));
    }

    private ValueId UnitRows(ValueId x, float least, long axis = -1) =>
        net.Div(x, net.Add(new Clip(), net.Add(new Reduce(ReduceKind.L2), x, net.Ints(axis)), net.Const(least)));

    [Fact]
    public void Rows_of_length_one()
    {
        (Attention op, var inputs) = net.Out(Product(Softmax(Product(UnitRows(q, 0.5f), UnitRows(k, 0.5f), transposeB: true)), v)).Makes<Attention>(new RecognizeAttention());
        Assert.Equal(new Attention(Scale: 1, NormEpsilon: 0.5f), op);
        Assert.Equal([q, k, v], inputs);
    }

    [Theory]
    [InlineData(0.25f, -1)]
    [InlineData(0.5f, -2)]
    public void Rows_of_different_bounds_or_columns_stay_as_they_are(float least, long axis)
    {
        RewriteResult result = net.Out(Product(Softmax(Product(UnitRows(q, 0.5f), UnitRows(k, least, axis), transposeB: true)), v)).Apply(new RecognizeAttention());
        Assert.Equal(new Attention(Scale: 1), result.Graph.Producer(result.Graph.Outputs[0].Value)!.Op);
        Assert.Equal(7, result.Graph.NodeCount);
    }

    [Fact]
    public void Windows_with_masks_of_their_own()
    {
        Dim windows = Batch * 3;
        ValueId a = net.In(windows, 2, 5, 8), b = net.In(windows, 2, 5, 8), c = net.In(windows, 2, 5, 8);
        ValueId biased = net.Sum(Product(a, b, transposeB: true), net.Const(1, 1, 2, 5, 5));
        ValueId masked = net.Sum(net.Add(new Reshape(), biased, net.Ints(-1, 3, 2, 5, 5)), net.Const(2, 1, 3, 1, 5, 5));
        RewriteResult result = net.Out(Product(Softmax(net.Add(new Reshape(), masked, net.Ints(-1, 2, 5, 5))), c)).Apply(new RecognizeAttention());
        Node attention = result.Graph.Producer(result.Graph.Outputs[0].Value)!;
        Assert.Equal([a, b, c], attention.Inputs[..3].ToArray());
        Assert.Equal(new Shape([3, 2, 5, 5]), result.Graph.TensorFact(attention.Inputs[3])!.Shape);
        Assert.Equal(2, result.Graph.NodeCount);
    }

    [Fact]
    public void Windows_cut_otherwise()
    {
        ValueId Masked(ValueId a, long[] cut, ValueId mask) => net.Add(new Reshape(), net.Sum(net.Add(new Reshape(), a, net.Ints(cut)), mask), net.Ints(-1, 2, 5, 5));
        ValueId Scores() => Product(net.In(Batch * 3, 2, 5, 8), net.In(Batch * 3, 2, 5, 8), transposeB: true);
        AssertNone(() => Product(Softmax(Masked(Scores(), [-1, 6, 1, 5, 5], net.Const(2, 1, 6, 1, 5, 5))), net.In(Batch * 3, 2, 5, 8)));
        AssertNone(() => Product(Softmax(Masked(Scores(), [-1, 3, 2, 5, 5], net.In(Batch, 3, 1, 5, 5))), net.In(Batch * 3, 2, 5, 8)));
        AssertNone(() => Product(Softmax(Masked(Scores(), [-1, 3, 2, 5, 5], net.In(1, 3, 1, 5, 5))), net.In(Batch * 3, 2, 5, 8)));
    }

    [Fact]
    public void Heads_that_are_folded_around_a_mask()
    {
        ValueId a = net.In(2, 4, 5, 8), b = net.In(2, 4, 7, 8), c = net.In(2, 4, 7, 8), mask = net.In(2, 1, 5, 7);
        ValueId Fold(ValueId x, long rows) => net.Add(new Reshape(), x, net.Ints(8, rows, 8));
        ValueId scores = net.Add(new Reshape(), Product(Fold(a, 5), Fold(b, 7), transposeB: true), net.Ints(2, 4, 5, 7));
        ValueId mixed = Product(Softmax(net.Add(new Reshape(), net.Sum(scores, mask), net.Ints(8, 5, 7))), Fold(c, 7));
        Node attention = Assert.Single(net.Out(net.Add(new Reshape(), mixed, net.Ints(2, 4, 5, 8))).Apply(new RecognizeAttention(), new MergeReshapes()).Graph.Nodes);
        Assert.Equal(new Attention(Scale: 1), attention.Op);
        Assert.Equal([a, b, c, mask], attention.Inputs.ToArray());
    }

    [Fact]
    public void Folded_heads_of_one_query_that_were_never_turned()
    {
        ValueId query = net.In(2, 1, 32), keys = net.In(2, 7, 4, 8), values = net.In(2, 7, 4, 8);
        ValueId Fold(ValueId x, long rows) => net.Add(new Reshape(), x, net.Ints(8, rows, 8));
        ValueId mixed = Product(Softmax(Product(Fold(query, 1), Fold(Turn(keys), 7), transposeB: true)), Fold(Turn(values), 7));
        RewriteResult result = net.Out(net.Add(new Reshape(), mixed, net.Ints(2, 1, 32))).Apply(new RecognizeAttention(), new AbsorbHeadSplit(), new MergeReshapes());
        Node attention = Assert.Single(result.Graph.Nodes, n => n.Op is Attention);
        Assert.Equal(new Attention(KeyHeads: 4, Scale: 1), attention.Op);
        Assert.Equal([query, keys, values], attention.Inputs.Select(i => result.Graph.Producer(i)!.Inputs[0]));
        Assert.All(result.Graph.Nodes, n => Assert.True(n.Op is Attention or Reshape, n.Op.Name));
    }

    [Fact]
    public void Folded_heads_with_a_mask_of_the_folded_scores() => AssertNone(() =>
    {
        ValueId Fold(ValueId x) => net.Add(new Reshape(), x, net.Ints(8, 5, 8));
        ValueId scores = net.Sum(Product(Fold(net.In(2, 4, 5, 8)), Fold(net.In(2, 4, 5, 8)), transposeB: true), net.In(8, 5, 5));
        return Product(Softmax(scores), Fold(net.In(2, 4, 5, 8)));
    });

    private ValueId Turn(ValueId x) => net.Add(new Transpose([0, 2, 1, 3]), x);

    [Fact]
    public void Heads_that_are_split_and_merged_around_it()
    {
        ValueId x = net.In(Batch, Tokens, 32);
        ValueId Split(ValueId of) => Turn(net.Add(new Reshape(), of, net.Ints(0, 0, 4, 8)));
        ValueId keys = net.In(Batch, 4, Tokens, 8), merged = net.Add(new Reshape(), Turn(net.Add(new Attention(), Split(x), keys, Split(x))), net.Ints(0, 0, 32));
        RewriteResult result = net.Out(merged).Apply(new AbsorbHeadMerge(), new AbsorbHeadSplit(), new MergeReshapes());
        Node attention = Assert.Single(result.Graph.Nodes);
        Assert.Equal(new Attention(4, 4), attention.Op);
        Assert.Equal([x, keys, x], attention.Inputs.ToArray());
    }

    [Fact]
    public void Heads_that_stay_apart_in_the_result()
    {
        ValueId rows = net.In(Batch, Keys, 4, 8);
        RewriteResult result = net.Out(net.Add(new Attention(), Turn(net.In(Batch, Tokens, 4, 8)), Turn(rows), net.In(Batch, 4, Keys, 8))).Apply(new AbsorbHeadMerge(), new AbsorbHeadSplit());
        Node attention = result.Graph.Producer(result.Graph.Outputs[0].Value)!;
        Assert.Equal(new Attention(KeyHeads: 4), attention.Op);
        Assert.IsType<Transpose>(result.Graph.Producer(attention.Inputs[0])!.Op);
        Assert.Equal(rows, result.Graph.Producer(attention.Inputs[1])!.Inputs[0]);
    }

    [Fact]
    public void Heads_that_are_not_merged()
    {
        ValueId attended = net.Add(new Attention(), q, k, v), shown = net.Add(new Attention(), q, k, v);
        net.Out(shown, net.Add(new Reshape(), net.Add(new Transpose([0, 2, 3, 1]), attended), net.Ints(0, 0, -1)), net.Add(new Reshape(), Turn(shown), net.Ints(0, 0, -1)));
        net.Leaves(new AbsorbHeadMerge());
    }

    [Fact]
    public void Rows_that_were_turned_otherwise() =>
        net.Out(net.Add(new Attention(MergesHeads: true), q, net.Add(new Transpose([0, 3, 1, 2]), net.In(Batch, Keys, 8, 4)), net.Add(new Transpose([1, 0, 2, 3]), net.In(4, Batch, Keys, 8))))
            .Leaves(new AbsorbHeadSplit());

    [Fact]
    public void Softmax_over_another_axis() => AssertNone(() => Product(Softmax(net.Add(new MatMul(TransposeB: true), q, net.In(Batch, 4, Tokens, 8)), axis: 2), net.In(Batch, 4, Tokens, 6)));

    [Fact]
    public void Log_softmax() => AssertNone(() => Product(net.Add(new Softmax(SoftmaxKind.LogSoftmax), Product(q, k, transposeB: true)), v));

    [Fact]
    public void Scores_or_probabilities_that_are_shown()
    {
        ValueId scores = Product(q, k, transposeB: true), other = Softmax(Product(q, k, transposeB: true));
        net.Out(scores, other, Product(Softmax(scores), v), Product(other, v)).Leaves(new RecognizeAttention());
    }

    [Fact]
    public void A_batch_that_broadcasts() => AssertNone(() => Product(Softmax(Product(q, net.In(1, 4, Keys, 8), transposeB: true)), v));

    [Fact]
    public void Values_whose_batch_broadcasts() => AssertNone(() => Product(Softmax(Product(q, k, transposeB: true)), net.In(1, 1, Keys, 6)));

    [Fact]
    public void A_mask_that_broadcasts_over_keys() => AssertNone(() => Product(Softmax(net.Sum(Product(q, k, transposeB: true), net.In(Batch, 1, Tokens, 1))), v));

    [Fact]
    public void A_mask_that_makes_the_scores_larger() => AssertNone(() => Product(Softmax(net.Sum(Product(q, k, transposeB: true), net.In(2, 1, 1, 1, Keys))), net.In(2, Batch, 4, Keys, 6)));

    [Fact]
    public void Two_masks_one_of_which_holds_the_sum()
    {
        ValueId large = net.In(Batch, 4, Tokens, Keys), scores = net.Add(new MatMul(TransposeB: true), q, k, ValueId.None, large), small = net.In(Batch, 1, 1, Keys);
        RewriteResult result = net.Out(Product(Softmax(net.Sum(scores, small)), v)).Apply(new RecognizeAttention());
        Node attention = result.Graph.Producer(result.Graph.Outputs[0].Value)!;
        Assert.IsType<Attention>(attention.Op);
        Assert.Equal([large, small], result.Graph.Producer(attention.Inputs[3])!.Inputs.ToArray());
    }

    [Fact]
    public void Two_masks_whose_sum_is_larger() =>
        AssertNone(() => Product(Softmax(net.Sum(net.Sum(Product(q, k, transposeB: true), net.In(Tokens, Keys)), net.In(Batch, 1, 1, Keys))), v));

    [Fact]
    public void A_mask_of_batch_items_beside_folded_heads() =>
        AssertNone(() => Product(Softmax(net.Sum(Product(net.In(Batch, Tokens, 8), net.In(Batch, Keys, 8), transposeB: true), net.In(Batch, Tokens, Keys))), net.In(Batch, Keys, 6)));

    [Fact]
    public void Products_with_activations_biases_or_factors()
    {
        AssertNone(() => Product(Softmax(net.Add(new MatMul(TransposeB: true) { Activation = Activation.Relu }, q, k)), v));
        AssertNone(() => net.Add(new MatMul(Alpha: 2), Softmax(Product(q, k, transposeB: true)), v));
        AssertNone(() => net.Add(new MatMul(), Softmax(Product(q, k, transposeB: true)), v, net.Const(1, 6)));
        AssertNone(() => net.Add(new MatMul(TransposeA: true), Softmax(Product(q, net.In(Batch, 4, Tokens, 8), transposeB: true)), net.In(Batch, 4, Tokens, 6)));
        AssertNone(() => net.Add(new MatMul(TransposeB: true), Softmax(Product(q, k, transposeB: true)), net.In(Batch, 4, 6, Keys)));
    }

    [Fact]
    public void Keys_that_are_stored_transposed() => AssertNone(() => Product(Softmax(Product(q, net.In(Batch, 4, 8, Keys))), v));

    [Fact]
    public void Matrices_and_doubles()
    {
        AssertNone(() => Product(Softmax(Product(net.In(Tokens, 8), net.In(Keys, 8), transposeB: true)), net.In(Keys, 6)));
        AssertNone(() => Product(Softmax(Product(net.In(DType.Float64, 2, 3, 4, 5), net.In(DType.Float64, 2, 3, 6, 5), transposeB: true)), net.In(DType.Float64, 2, 3, 6, 5)));
    }

    private void AssertNone(Func<ValueId> build)
    {
        net.Out(build());
        net.Leaves(new RecognizeAttention());
    }
}
