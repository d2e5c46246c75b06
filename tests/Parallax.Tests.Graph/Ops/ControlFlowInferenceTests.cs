using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Xunit;

namespace Parallax.Tests.Ops;

/// <summary>What may be believed of shapes behind bodies that run an unknown number of times, and behind sequences.</summary>
public sealed class ControlFlowInferenceTests
{
    private static readonly TensorFact Any = new(DType.Float32), Number = new(DType.Int64, Shape.Scalar), Truth = new(DType.Bool, Shape.Scalar);

    private static TensorFact Floats(params Dim[] dims) => new(DType.Float32, new Shape([.. dims]));

    private static ImmutableArray<Fact> Infer(Op op, int outputs, params Fact?[] inputs) => Inference.Infer("node", op, [.. inputs], outputs);

    /// <summary>A loop body over carried floats; by default the condition passes through.</summary>
    private static Graph Body(int carried, Func<GraphBuilder, ValueId[], ValueId[]> build, Func<GraphBuilder, ValueId, ValueId>? condition = null)
    {
        var b = new GraphBuilder("body");
        b.Input("i", Number);
        ValueId go = b.Input("go", Truth);
        ValueId[] values = [.. Enumerable.Range(0, carried).Select(i => b.Input($"v{i}", Any))];
        b.Output("go2", condition is null ? go : condition(b, go));
        int at = 0;
        foreach (ValueId output in build(b, values)) b.Output($"o{at++}", output);
        return b.Build();
    }

    private static readonly Dim N = Dim.Symbol("N");

    [Fact]
    public void AnUnchangedShapeSurvivesALoop()
    {
        var loop = new Loop(Body(1, (b, v) => [b.Add("next", new Unary(UnaryFunction.Exp), v[0])]), 0);
        Assert.Equal(Floats(2, N), Infer(loop, 1, null, null, Floats(2, N))[0]);
    }

    [Fact]
    public void ADimThatChangesIsUnknownAndNoOtherIs()
    {
        var loop = new Loop(Body(1, (b, v) => [b.Add("longer", new Concat(0), v[0], v[0])]), 0);
        Shape shape = ((TensorFact)Infer(loop, 1, null, null, Floats(2, N))[0]).Shape!.Value;
        Assert.False(shape[0].IsKnown);
        Assert.NotEqual(N, shape[0]);
        Assert.Equal(N, shape[1]);
    }

    [Fact]
    public void ARankThatChangesIsUnknown()
    {
        var loop = new Loop(Body(1, (b, v) => [b.Add("deeper", new Unsqueeze(), v[0], b.Constant("zero", Tensor.From([0L], [1])))]), 0);
        Assert.Null(((TensorFact)Infer(loop, 1, null, null, Floats(2))[0]).Shape);
    }

    [Fact]
    public void WhatFollowsFromAChangingDimDoesNotLeakOut()
    {
        // The second value becomes what the first was: its dim changes too, one iteration later.
        var loop = new Loop(Body(2, (b, v) => [b.Add("longer", new Concat(0), v[0], v[0]), v[0]]), 0);
        ImmutableArray<Fact> facts = Infer(loop, 2, null, null, Floats(3), Floats(3));
        Dim first = ((TensorFact)facts[0]).Shape!.Value[0], second = ((TensorFact)facts[1]).Shape!.Value[0];
        Assert.False(first.IsKnown);
        Assert.False(second.IsKnown);
        Assert.NotEqual(first, second);
    }

    [Theory]
    [InlineData(true, 4L)]
    [InlineData(false, null)]
    public void TheLengthOfAScanOutputIsKnownWhereNothingElseEndsTheLoop(bool passesCondition, long? expected)
    {
        Graph body = Body(0, (b, _) => [b.Constant("part", Tensor.From([1f, 2], [2]))], passesCondition ? null : (b, go) => b.Add("not", new Unary(UnaryFunction.Not), go));
        Shape shape = ((TensorFact)Infer(new Loop(body, 0), 1, TensorFact.Of(Tensor.Scalar(4L)), null)[0]).Shape!.Value;
        Assert.Equal(expected, shape[0].IsKnown ? shape[0].Value : null);
        Assert.Equal(2, shape[1]);
    }

    [Fact]
    public void BranchesShareWhatIsTheSame()
    {
        static Graph Branch(params long[] dims)
        {
            var b = new GraphBuilder("branch");
            b.Output("o", b.Constant("c", Tensor.Zeros(DType.Float32, dims)));
            return b.Build();
        }

        Shape shape = ((TensorFact)Infer(new If(Branch(2, 3), Branch(2, 4)), 1, Truth)[0]).Shape!.Value;
        Assert.Equal(2, shape[0]);
        Assert.False(shape[1].IsKnown);
        Assert.Null(((TensorFact)Infer(new If(Branch(2), Branch(2, 4)), 1, Truth)[0]).Shape);
        Assert.Equal(Floats(2, 4), ((TensorFact)Infer(new If(Branch(2), Branch(2, 4)), 1, TensorFact.Of(Tensor.Scalar(false)))[0]).WithoutContents());
    }

    [Fact]
    public void TwoItemsOfASequenceNeedNotHaveEqualDims()
    {
        Fact sequence = Infer(new SequenceConstruct(), 1, Floats(2, N), Floats(2, Dim.Symbol("M")))[0];
        Shape first = ((TensorFact)Infer(new SequenceAt(), 1, sequence, Number)[0]).Shape!.Value, second = ((TensorFact)Infer(new SequenceAt(), 1, sequence, Number)[0]).Shape!.Value;
        Assert.Equal(2, first[0]);
        Assert.NotEqual(first[1], second[1]);
    }

    [Fact]
    public void ASequenceTakesOneElementType() =>
        Assert.Throws<InvalidModelException>(() => Infer(new SequenceConstruct(), 1, Floats(1), new TensorFact(DType.Int64, [1])));
}
