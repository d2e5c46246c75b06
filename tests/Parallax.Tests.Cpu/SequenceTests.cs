using Parallax.Onnx;
using Parallax.Runtime;
using Xunit;
using static Parallax.Tests.Cpu.ToyModel;

namespace Parallax.Tests.Cpu;

/// <summary>Sequences and optionals, run as models.</summary>
public sealed class SequenceTests
{
    private static Tensor Floats(params float[] values) => Tensor.From(values, [values.Length]);

    [Theory]
    [InlineData(0, "9 1 2 3")]
    [InlineData(-1, "1 2 9 3")]
    [InlineData(3, "1 2 3 9")]
    public void InsertsAtAPosition(long position, string expected)
    {
        using InferenceSession session = Load(Graph([Value("a", DType.Float32, 1), Value("b", DType.Float32, 1), Value("c", DType.Float32, 1), Value("n", DType.Float32, 1), Value("at", DType.Int64)], "y",
            Node("SequenceConstruct", "a,b,c", "s"), Node("SequenceInsert", "s,n,at", "t"), Node("ConcatFromSequence", "t", "y", new AttributeProto("axis", 0L))));
        using RunResult result = session.Run(new() { ["a"] = Floats(1), ["b"] = Floats(2), ["c"] = Floats(3), ["n"] = Floats(9), ["at"] = Tensor.Scalar(position) });
        Assert.Equal(expected, string.Join(' ', result["y"].Span<float>().ToArray()));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(-4)]
    public void APositionOutOfRangeIsAnError(long position)
    {
        using InferenceSession session = Load(Graph([Value("a", DType.Float32, 1), Value("at", DType.Int64)], "y", Node("SequenceConstruct", "a,a,a", "s"), Node("SequenceAt", "s,at", "y")));
        Assert.Throws<InvalidInputException>(() => session.Run(new() { ["a"] = Floats(1), ["at"] = Tensor.Scalar(position) }));
    }

    [Fact]
    public void ItemsOutliveTheValuesTheyWereMadeFrom()
    {
        // Sums made one after the other, whose memory could be used again, kept in a sequence until the end.
        GraphProto graph = Graph([Value("x", DType.Float32, 3)], "y", Node("Add", "x,x", "a"), Node("Add", "a,x", "b"), Node("Add", "b,x", "c"), Node("Add", "c,x", "d"),
            Node("SequenceConstruct", "a,b,c", "s"), Node("SequenceErase", "s", "t"), Node("SequenceInsert", "t,d", "u"), Node("ConcatFromSequence", "u", "y", new("axis", 0L), new("new_axis", 1L)));
        using InferenceSession session = Load(graph);
        for (int run = 1; run < 3; run++)
        {
            using RunResult result = session.Run(new() { ["x"] = Floats(run, run, run) });
            Assert.Equal([3L, 3], result["y"].Dims.ToArray());
            Assert.Equal([2f * run, 2 * run, 2 * run, 3 * run, 3 * run, 3 * run, 5 * run, 5 * run, 5 * run], result["y"].Span<float>().ToArray());
        }
    }

    [Theory]
    [InlineData(1, 1, "0 4|1 5|2 6|3 7")]
    [InlineData(1, 3, "0 1 2 4 5 6|3 7")]
    [InlineData(0, 2, "0 1 2 3 4 5 6 7")]
    public void SplitsIntoPartsOfALength(long axis, long length, string expected)
    {
        using InferenceSession session = Load(Graph([Value("x", DType.Float32, 2, 4), Value("n", DType.Int64)], "s", Node("SplitToSequence", "x,n", "s", new AttributeProto("axis", axis))));
        using RunResult result = session.Run(new() { ["x"] = Tensor.From([0f, 1, 2, 3, 4, 5, 6, 7], [2, 4]), ["n"] = Tensor.Scalar(length) });
        var items = (TensorSequence)result.Datum("s");
        Assert.Equal(expected, string.Join('|', items.Items.Select(i => string.Join(' ', ((Tensor)i).Span<float>().ToArray()))));
    }

    [Fact]
    public void PartsThatDoNotAddUpAreAnError()
    {
        using InferenceSession session = Load(Graph([Value("x", DType.Float32, 4), Value("n", DType.Int64, 2)], "s", Node("SplitToSequence", "x,n", "s")));
        Assert.Throws<InvalidInputException>(() => session.Run(new() { ["x"] = Floats(0, 1, 2, 3), ["n"] = Tensor.From([1L, 2], [2]) }));
    }

    [Fact]
    public void AnOptionalTellsWhetherItHasContent()
    {
        GraphProto graph = Graph([Value("x", DType.Float32, 1)], "full,empty,y", Node("Optional", "x", "o"), Node("OptionalHasElement", "o", "full"),
            Node("Optional", "", "e", new AttributeProto("type", new TensorTypeProto(DType.Float32))), Node("OptionalHasElement", "e", "empty"), Node("OptionalGetElement", "o", "y"));
        using InferenceSession session = Load(graph);
        using RunResult result = session.Run(new() { ["x"] = Floats(4) });
        Assert.True(result["full"].Span<bool>()[0]);
        Assert.False(result["empty"].Span<bool>()[0]);
        Assert.Equal([4f], result["y"].Span<float>().ToArray());
    }

    [Fact]
    public void StringsGoThroughSequencesAndLoops()
    {
        GraphProto body = Graph([Value("i", DType.Int64), Value("go", DType.Bool), Unshaped("text", DType.String)], "go2,longer,longer",
            Node("Identity", "go", "go2"), Node("StringConcat", "text,suffix", "longer"));
        using InferenceSession session = Load(Graph([Value("x", DType.String, 1), Value("suffix", DType.String, 1)], "y,all", Constant("three", Tensor.Scalar(3L)),
            Node("Loop", "three,,x", "y,all", new AttributeProto("body", body))));
        using RunResult result = session.Run(new() { ["x"] = Tensor.FromStrings(["a"], [1]), ["suffix"] = Tensor.FromStrings(["b"], [1]) });
        Assert.Equal(["abbb"], result["y"].Strings.ToArray());
        Assert.Equal(["ab", "abb", "abbb"], result["all"].Strings.ToArray());
    }
}
