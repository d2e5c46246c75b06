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
    public void Two_masks() => AssertNone(() => Product(Softmax(net.Sum(net.Add(new MatMul(TransposeB: true), q, k, ValueId.None, net.In(Batch, 4, Tokens, Keys)), net.In(Batch, 1, 1, Keys))), v));

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
