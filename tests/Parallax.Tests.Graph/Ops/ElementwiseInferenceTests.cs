using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Xunit;

namespace Parallax.Tests.Ops;

public sealed class ElementwiseInferenceTests
{
    private static readonly Dim Batch = Dim.Symbol("batch"), Width = Dim.Symbol("width");

    private static TensorFact Ints(params Dim[] values) => TensorFact.OfKnown(DType.Int64, Shape.Of(values.Length), [.. values]);

    private static TensorFact Float(params Dim[] dims) => new(DType.Float32, new Shape([.. dims]));

    private static TensorFact Infer(Op op, params Fact?[] inputs) => (TensorFact)op.Infer(new InferContext([.. inputs], 1))[0];

    private static string Apply(BinaryFunction function, TensorFact a, TensorFact b) =>
        Infer(new Binary(function), a, b) is { Known: { IsDefault: false } known } ? string.Join(", ", known) : "?";

    [Fact]
    public void ArithmeticOfDimsKeepsSymbols()
    {
        Assert.Equal("batch + 2, 2*width", Apply(BinaryFunction.Add, Ints(Batch, Width), Ints(2, Width)));
        Assert.Equal("8*batch", Apply(BinaryFunction.Mul, Ints(Batch), Ints(8)));
        Assert.Equal("floor(width/3), batch", Apply(BinaryFunction.Div, Ints(Width, Batch * 3), Ints(3)));
        Assert.Equal("0", Apply(BinaryFunction.Mod, Ints(Width * 4), Ints(4)));
        Assert.Equal("2, -2", Apply(BinaryFunction.Mod, Ints(-1, 1), Ints(3, -3)));
        Assert.Equal("-1, 1", Apply(BinaryFunction.FMod, Ints(-1, 1), Ints(3, -3)));
        Assert.Equal("-3", Apply(BinaryFunction.Div, Ints(-7), Ints(2)));
        Assert.Equal("max(batch,width)", Apply(BinaryFunction.Max, Ints(Batch), Ints(Width)));
    }

    [Fact]
    public void WhatCannotBeToldIsLeftOpen()
    {
        Assert.Equal("?", Apply(BinaryFunction.Div, Ints(Batch), Ints(0)));
        Assert.Equal("?", Apply(BinaryFunction.Div, Ints(Batch), Ints(-2)));
        Assert.Equal("?", Apply(BinaryFunction.Mul, Ints(long.MaxValue), Ints(2)));
        Assert.Equal("?", Apply(BinaryFunction.Equal, Ints(Batch), Ints(4)));
        Assert.Equal("?", Apply(BinaryFunction.Pow, Ints(2), Ints(4)));
    }

    [Fact]
    public void SizesAreNotNegative()
    {
        Assert.Equal("0, 1, 0", Apply(BinaryFunction.Equal, Ints(Batch, Width, 3), Ints(-1, Width, 4)));
        Assert.Equal("1, 0", Apply(BinaryFunction.Less, Ints(-1, Width), Ints(Width, -1)));
        Assert.Equal("1", Apply(BinaryFunction.Less, Ints(Width), Ints(Width + 1)));
    }

    [Fact]
    public void WhereAndCastCarryContents()
    {
        TensorFact condition = Infer(new Binary(BinaryFunction.Equal), Ints(-1, Batch), Ints(-1));
        Assert.Equal([7, Batch], Infer(new Where(), condition, Ints(7), Ints(-1, Batch)).Known.AsEnumerable());
        Assert.Equal([1, 0], Infer(new Cast(DType.Int64), condition).Known.AsEnumerable());
        Assert.True(Infer(new Cast(DType.Float32), Ints(3)).Known.IsDefault);
        Assert.Equal([-Batch], Infer(new Unary(UnaryFunction.Neg), Ints(Batch)).Known.AsEnumerable());
    }

    [Fact]
    public void TypesAndShapesThatCannotBeAreRefused()
    {
        Assert.Throws<InvalidModelException>(() => Infer(new Binary(BinaryFunction.Add), Float(2, 3), Float(2)));
        Assert.Throws<InvalidModelException>(() => Infer(new Binary(BinaryFunction.Add), Float(2), Ints(1, 2)));
        Assert.Throws<InvalidModelException>(() => Infer(new Binary(BinaryFunction.PRelu), Float(2, 3), Float(4, 2, 3)));
        Assert.Throws<InvalidModelException>(() => Infer(new Where(), Float(2), Float(2), Float(2)));
        Assert.Throws<InvalidModelException>(() => Infer(new Clip(), Float(2), Float(2)));
        Assert.Throws<InvalidModelException>(() => Infer(new DequantizeLinear(1), new TensorFact(DType.UInt8, Shape.Of(2, 3)), Float(4)));
        Assert.Throws<InvalidModelException>(() => Infer(new IntegerMatMul(false), Float(2, 3), Float(3, 2)));
        Assert.Throws<InvalidModelException>(() => Infer(new NegativeLogLikelihood(LossReduction.Mean, null), Float(2, 3, 4), Ints(1, 2)));
        Assert.Equal(DType.Int32, Infer(new Binary(BinaryFunction.Pow), new TensorFact(DType.Int32, Shape.Scalar), Float(2)).Type);
    }

    [Fact]
    public void UnknownRanksStayUnknown()
    {
        var unknown = new TensorFact(DType.Float32);
        Assert.Null(Infer(new Binary(BinaryFunction.Add), unknown, Float(2)).Shape);
        Assert.Null(Infer(new Where(), new TensorFact(DType.Bool), unknown, unknown).Shape);
        Assert.Null(Infer(new QuantizeLinear(), unknown, Float()).Shape);
        Assert.Equal(DType.UInt8, Infer(new QuantizeLinear(), unknown, Float()).Type);
    }
}
