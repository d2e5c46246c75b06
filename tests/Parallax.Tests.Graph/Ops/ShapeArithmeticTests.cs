using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Xunit;

namespace Parallax.Tests.Ops;

public sealed class ShapeArithmeticTests
{
    private static readonly Dim Batch = Dim.Symbol("batch"), Sequence = Dim.Symbol("seq"), Past = Dim.Symbol("past");

    private static TensorFact Float(params Dim[] dims) => new(DType.Float32, new Shape([.. dims]));

    private static TensorFact Ints(params long[] values) => TensorFact.Of(Tensor.From(values, [values.Length]));

    private static TensorFact Scalar(long value) => TensorFact.Of(Tensor.Scalar(value));

    private static TensorFact Infer(Op op, params Fact?[] inputs) => (TensorFact)op.Infer(new InferContext([.. inputs], 1))[0];

    private static string ShapeOf(TensorFact fact) => fact.Shape?.ToString() ?? "?";

    private static string Known(TensorFact fact) => string.Join(", ", fact.Known);

    [Fact]
    public void HeadsAreSplitAndMerged()
    {
        TensorFact hidden = Float(Batch, Sequence, 768), heads = Infer(new Reshape(), hidden, Ints(0, 0, 12, 64));
        Assert.Equal("[batchxseqx12x64]", ShapeOf(heads));
        TensorFact swapped = Infer(new Transpose([0, 2, 1, 3]), heads);
        Assert.Equal("[batchx12xseqx64]", ShapeOf(swapped));
        Assert.Equal(hidden.Shape, Infer(new Reshape(), Infer(new Transpose([0, 2, 1, 3]), swapped), Ints(0, 0, -1)).Shape);
    }

    [Fact]
    public void ContentsFollowShapeGatherMulConcatIntoReshape()
    {
        TensorFact shape = Infer(new ShapeOf(), Float(Batch, Sequence + 1, 768));
        TensorFact first = Infer(new Gather(), shape, Scalar(0)), second = Infer(new Gather(), shape, Scalar(-2));
        Assert.Equal(0, first.Rank);
        TensorFact line = Infer(new Unsqueeze(), first, Ints(0));
        TensorFact wanted = Infer(new Concat(0), line, Infer(new Unsqueeze(), second, Ints(0)), Ints(-1));
        Assert.Equal("batch, seq + 1, -1", Known(wanted));
        Assert.Equal("[batchxseq + 1x768]", ShapeOf(Infer(new Reshape(), Float(Batch, Sequence + 1, 12, 64), wanted)));
        TensorFact rows = Infer(new Reshape(), Float(Batch, Sequence + 1, 768), TensorFact.OfKnown(DType.Int64, Shape.Of(2), [Batch * (Sequence + 1), -1]));
        Assert.Equal($"[{Batch * (Sequence + 1)}x768]", ShapeOf(rows));
    }

    [Fact]
    public void AnOpenDimDividesExactlyOrIsNamed()
    {
        Assert.Equal("[12*batchxseq]", ShapeOf(Infer(new Reshape(), Float(Batch, 12, Sequence), TensorFact.OfKnown(DType.Int64, Shape.Of(2), [-1, Sequence]))));
        Assert.Equal(Sequence + 1, Infer(new Reshape(), Float(Batch, Sequence + 1, 8), Ints(0, -1, 8)).Shape!.Value[1]);
        Assert.Equal(Dim.Symbol("floor(batch/3)"), Infer(new Reshape(), Float(Batch), Ints(-1, 3)).Shape!.Value[0]);
    }

    [Fact]
    public void ReshapesThatCannotBeAreRefused()
    {
        Assert.Throws<InvalidModelException>(() => Infer(new Reshape(), Float(2, 3), Ints(4, -1)));
        Assert.Throws<InvalidModelException>(() => Infer(new Reshape(), Float(2, 3), Ints(-1, -1)));
        Assert.Throws<InvalidModelException>(() => Infer(new Reshape(), Float(2, 3), Ints(5)));
        Assert.Throws<InvalidModelException>(() => Infer(new Reshape(), Float(2, 3), Ints(2, 3, 0)));
        Assert.Throws<InvalidModelException>(() => Infer(new Squeeze(), Float(2, 3), Ints(0)));
        Assert.Throws<InvalidModelException>(() => Infer(new Concat(0), Float(2, 3), Float(2, 4)));
        Assert.Throws<InvalidModelException>(() => Infer(new Gather(), Ints(1, 2), Scalar(2)));
        Assert.Throws<InvalidModelException>(() => Infer(new Split(), Float(5, 2), Ints(2, 2)));
    }

    [Fact]
    public void LengthsThatCannotBeAreRefused()
    {
        Assert.Throws<InvalidModelException>(() => Infer(new Tile(), Float(2, 3), Ints(1, -1)));
        Assert.Throws<InvalidModelException>(() => Infer(new Expand(), Float(1), Ints(-3)));
        Assert.Throws<InvalidModelException>(() => Infer(new ConstantOfShape(Tensor.Scalar(0f)), Ints(2, -3)));
        Assert.Throws<InvalidModelException>(() => Infer(new Pad(), Float(2), Ints(-1, -2)));
        Assert.Throws<InvalidModelException>(() => Infer(new CenterCropPad(), Float(2), Ints(-1)));
        Assert.Throws<InvalidModelException>(() => Infer(new DepthToSpace(0), Float(1, 4, 2, 2)));
        Assert.Throws<InvalidModelException>(() => Infer(new SpaceToDepth(2), Float(1, 4, 2, 3)));
        Assert.Throws<InvalidModelException>(() => Infer(new Col2Im(default, default, [0, 1]), Float(1, 4, 4), Ints(3, 3), Ints(2, 2)));
        Assert.Throws<InvalidModelException>(() => Infer(new Col2Im(default, [1, 1], default), Float(1, 4, 4), Ints(3, 3), Ints(2, 2)));
        Assert.Throws<InvalidModelException>(() => Infer(new NumberRange(), Scalar(0), Scalar(3), Scalar(0)));
        Assert.Throws<InvalidModelException>(() => Infer(new TopK(), Float(3), Ints(4)));
        Assert.Throws<InvalidModelException>(() => Infer(new Resize(ResizeMode.Nearest), Float(3), null, TensorFact.Of(Tensor.From([0f], [1]))));
    }

    [Fact]
    public void AllowZeroKeepsZeros()
    {
        Assert.Equal("[0x3]", ShapeOf(Infer(new Reshape(AllowZero: true), Float(3, 0), Ints(0, 3))));
        Assert.Equal("[2x0x12]", ShapeOf(Infer(new Reshape(), Float(2, 0, 3, 4), Ints(0, 0, -1))));
    }

    [Theory]
    [InlineData(10, 0, 10, 1, 10)]
    [InlineData(10, -3, long.MaxValue, 1, 3)]
    [InlineData(10, 0, -1, 2, 5)]
    [InlineData(10, -1, long.MinValue, -1, 10)]
    [InlineData(10, 20, long.MinValue, -3, 4)]
    [InlineData(10, 5, 5, 1, 0)]
    [InlineData(10, 7, 3, 1, 0)]
    [InlineData(0, 0, 5, 1, 0)]
    [InlineData(10, 0, 10, long.MaxValue, 1)]
    [InlineData(10, 9, -11, long.MinValue, 1)]
    public void SlicesCount(long dim, long start, long end, long step, long count)
    {
        Assert.Equal(count, Slice.Range(dim, start, end, step).Count);
        Assert.Equal($"[{count}]", ShapeOf(Infer(new Slice(), Float(dim), Ints(start), Ints(end), Ints(0), Ints(step))));
    }

    [Fact]
    public void SlicesOfSymbolicAxes()
    {
        Assert.Equal(Sequence - 1, Infer(new Slice(), Float(Batch, Sequence), Ints(0), Ints(-1), Ints(1)).Shape!.Value[1]);
        Assert.Equal(Sequence - 1, Infer(new Slice(), Float(Batch, Sequence), Ints(1), Ints(long.MaxValue), Ints(1)).Shape!.Value[1]);
        Assert.Equal(Sequence, Infer(new Slice(), Float(Batch, Past + Sequence), new TensorFact(DType.Int64, Shape.Of(1), [-Sequence]), Ints(long.MaxValue), Ints(1)).Shape!.Value[1]);
        Assert.Equal("[batchx1]", ShapeOf(Infer(new Slice(), Float(Batch, Sequence), Ints(0), Ints(1), Ints(1))));
        Assert.Equal(Dim.Min(512, Sequence), Infer(new Slice(), Float(Batch, Sequence), Ints(0), Ints(512), Ints(1)).Shape!.Value[1]);
        Assert.Equal("seq", Known(Infer(new Slice(), Infer(new ShapeOf(), Float(Batch, Sequence, 4)), Ints(1), Ints(2))));
    }

    [Fact]
    public void RangesPadsTilesAndExpandsFollowContents()
    {
        TensorFact length = Infer(new Gather(), Infer(new ShapeOf(), Float(Batch, Sequence)), Scalar(1));
        Assert.Equal(Sequence, Infer(new NumberRange(), Scalar(0), length, Scalar(1)).Shape!.Value[0]);
        Assert.Equal("3, 1, -1", Known(Infer(new NumberRange(), Scalar(3), Scalar(-2), Scalar(-2))));
        Assert.Equal("[batchxseq + 3]", ShapeOf(Infer(new Pad(), Float(Batch, Sequence), Ints(0, 1, 0, 2))));
        Assert.Equal("[2*batchxseq]", ShapeOf(Infer(new Tile(), Float(Batch, Sequence), Ints(2, 1))));
        Assert.Equal("[batchx1xseq]", ShapeOf(Infer(new Expand(), Float(1, 1), new TensorFact(DType.Int64, Shape.Of(3), [Batch, 1, Sequence]))));
        Assert.Equal("7, 7, 7", Known(Infer(new ConstantOfShape(Tensor.From([7L], [1])), Ints(3))));
        Assert.Equal("batch*seq", Known(Infer(new SizeOf(), Float(Batch, Sequence))));
    }

    [Fact]
    public void SplitsDivideOrLeaveAShorterRest()
    {
        ImmutableArray<Fact> parts = new Split(0, 3).Infer(new InferContext([Float(7)], 3));
        Assert.Equal(["[3]", "[3]", "[1]"], parts.Select(p => ShapeOf((TensorFact)p)));
        parts = new Split(1).Infer(new InferContext([Float(Batch, 3 * Sequence)], 3));
        Assert.All(parts, p => Assert.Equal("[batchxseq]", ShapeOf((TensorFact)p)));
    }

    [Fact]
    public void UnknownRanksStayUnknownAndDataDependentDimsAreDistinct()
    {
        var unknown = new TensorFact(DType.Float32);
        Assert.Null(Infer(new Transpose(), unknown).Shape);
        Assert.Null(Infer(new Gather(), unknown, Ints(0)).Shape);
        Assert.Equal(3, Infer(new Reshape(), unknown, new TensorFact(DType.Int64, Shape.Of(3))).Rank);
        Assert.NotEqual(Infer(new NonZero(), Float(3)).Shape, Infer(new NonZero(), Float(3)).Shape);
    }

    [Fact]
    public void ResizesScaleSymbolicAxes()
    {
        TensorFact data = Float(Batch, 3, Dim.Symbol("h"), Dim.Symbol("w")), scales = TensorFact.Of(Tensor.From([1f, 1f, 2f, 0.5f], [4]));
        Assert.Equal("[batchx3x2*hxfloor(w/2)]", ShapeOf(Infer(new Resize(ResizeMode.Nearest), data, null, scales)));
        Assert.Equal("[1x3x1280x320]", ShapeOf(Infer(new Resize(ResizeMode.Linear), Float(1, 3, 640, 640), null, scales)));
        Assert.Throws<InvalidModelException>(() => Infer(new Resize(ResizeMode.Nearest), data));
    }
}
