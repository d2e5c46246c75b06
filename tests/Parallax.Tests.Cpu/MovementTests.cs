using Parallax.Onnx;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>Operators that move elements, on the types that kernels cannot move, in old opsets, and with shapes that data decide.</summary>
public sealed class MovementTests
{
    private static Tensor[] Run(ModelBuilder model, params (string Name, Tensor Value)[] inputs)
    {
        using var session = new InferenceSession(model.Build());
        using RunResult result = session.Run(inputs.ToDictionary(i => i.Name, i => (Datum)i.Value));
        return [.. session.Outputs.Select(o => result[o.Name].Clone())];
    }

    private static Tensor Ints(params long[] values) => Tensor.From(values, [values.Length]);

    private static Tensor Floats(params float[] values) => Tensor.From(values, [values.Length]);

    private static readonly Tensor Words = Tensor.FromStrings(["a", "b", "c", "d", "e", "f"], [2, 3]);

    [Fact]
    public void Strings_move()
    {
        ModelBuilder model = new ModelBuilder()
            .Input("x", DType.String, 2, 3)
            .Constant("minus", Ints(-1)).Constant("far", Ints(long.MinValue)).Constant("axis", Ints(1)).Constant("pads", Ints(0, 1, 0, 0))
            .Constant("filler", Tensor.FromStrings(["?"], [])).Constant("at", Ints(1, -2)).Constant("twice", Ints(1, 2)).Constant("wide", Ints(2, 2, 3))
            .Node("Transpose", ["x"], ["t"])
            .Node("Concat", ["x", "x"], ["c"], new AttributeProto("axis", 0L))
            .Node("Slice", ["x", "minus", "far", "axis", "minus"], ["s"])
            .Node("Pad", ["x", "pads"], ["p"])
            .Node("Pad", ["x", "pads", "filler"], ["q"])
            .Node("Gather", ["x", "at"], ["g"], new AttributeProto("axis", 1L))
            .Node("Tile", ["x", "twice"], ["w"])
            .Node("Expand", ["x", "wide"], ["e"])
            .Node("Split", ["x"], ["l", "r"], new AttributeProto("axis", 0L))
            .Output("t").Output("c").Output("s").Output("p").Output("q").Output("g").Output("w").Output("e").Output("l").Output("r");
        string[] expected = ["adbecf", "abcdefabcdef", "cbafed", "_abc_def", "?abc?def", "bbee", "abcabcdefdef", "abcdefabcdef", "abc", "def"];
        Assert.Equal(expected, Run(model, ("x", Words)).Select(t => string.Concat(t.Strings.ToArray().Select(s => s.Length == 0 ? "_" : s))));
    }

    [Fact]
    public void Unique_and_compress_take_strings()
    {
        ModelBuilder model = new ModelBuilder()
            .Input("x", DType.String, 5).Input("keep", DType.Bool, 3)
            .Node("Unique", ["x"], ["y", "first", "place", "count"], new AttributeProto("sorted", 1L))
            .Node("Compress", ["x", "keep"], ["z"])
            .Output("y").Output("first").Output("place").Output("count").Output("z");
        Tensor[] results = Run(model, ("x", Tensor.FromStrings(["b", "a", "b", "c", "a"], [5])), ("keep", Tensor.From([true, false, true], [3])));
        Assert.Equal(["a", "b", "c"], results[0].Strings.ToArray());
        Assert.Equal([1, 0, 3], results[1].Span<long>().ToArray());
        Assert.Equal([1, 0, 1, 2, 0], results[2].Span<long>().ToArray());
        Assert.Equal([2, 2, 1], results[3].Span<long>().ToArray());
        Assert.Equal(["b", "b"], results[4].Strings.ToArray());
    }

    [Theory]
    [InlineData(DType.Int4, 4)]
    [InlineData(DType.UInt2, 2)]
    public void Packed_elements_are_transposed(DType type, int bits)
    {
        int[] elements = [1, 2, 3, 0, 3, 1], transposed = [1, 0, 2, 3, 3, 1];
        Tensor x = Tensor.Allocate(type, [2, 3]);
        Pack(elements, bits).CopyTo(x.Bytes);
        ModelBuilder model = new ModelBuilder(25).Input("x", type, 2, 3).Node("Transpose", ["x"], ["y"]).Output("y");
        Assert.Equal(Pack(transposed, bits), Run(model, ("x", x))[0].Bytes.ToArray());
    }

    private static byte[] Pack(int[] elements, int bits)
    {
        var packed = new byte[(elements.Length * bits + 7) / 8];
        for (int i = 0; i < elements.Length; i++) packed[i * bits / 8] |= (byte)(elements[i] << (i * bits % 8));
        return packed;
    }

    [Fact]
    public void Attributes_of_old_opsets_become_inputs()
    {
        ModelBuilder model = new ModelBuilder(7)
            .Input("x", DType.Float32, 1, 1, 2, 4)
            .Node("Slice", ["x"], ["s"], new AttributeProto("axes", [3L]), new AttributeProto("starts", [1L]), new AttributeProto("ends", [-1L]))
            .Node("Split", ["x"], ["a", "b"], new AttributeProto("axis", 3L), new AttributeProto("split", [1L, 3]))
            .Node("Pad", ["x"], ["p"], new AttributeProto("pads", [0L, 0, 0, 1, 0, 0, 0, -1]), new AttributeProto("value", 9f))
            .Node("Squeeze", ["x"], ["q"], new AttributeProto("axes", [0L, 1]))
            .Node("Unsqueeze", ["q"], ["u"], new AttributeProto("axes", [2L]))
            .Node("Upsample", ["x"], ["n"], new AttributeProto("scales", [1f, 1, 2, 1]), new AttributeProto("mode", "nearest"))
            .Node("TopK", ["q"], ["k", "i"], new AttributeProto("k", 2L))
            .Output("s").Output("b").Output("p").Output("u").Output("n").Output("k").Output("i");
        Tensor[] results = Run(model, ("x", Tensor.From([1f, 4, 2, 3, 8, 5, 7, 6], [1, 1, 2, 4])));
        Assert.Equal([4, 2, 5, 7], results[0].Span<float>().ToArray());
        Assert.Equal([4, 2, 3, 5, 7, 6], results[1].Span<float>().ToArray());
        Assert.Equal([9, 1, 4, 2, 9, 8, 5, 7], results[2].Span<float>().ToArray());
        Assert.Equal([2, 4, 1], results[3].Dims.ToArray());
        Assert.Equal([1, 4, 2, 3, 1, 4, 2, 3, 8, 5, 7, 6, 8, 5, 7, 6], results[4].Span<float>().ToArray());
        Assert.Equal([4, 3, 8, 7], results[5].Span<float>().ToArray());
        Assert.Equal([1, 3, 0, 2], results[6].Span<long>().ToArray());
    }

    [Fact]
    public void Shapes_that_data_decide()
    {
        ModelBuilder model = new ModelBuilder()
            .Input("x", DType.Float32, "n").Input("limit", DType.Int64)
            .Constant("zero", Tensor.Scalar(0L)).Constant("one", Tensor.Scalar(1L)).Constant("first", Ints(0))
            .Node("NonZero", ["x"], ["coordinates"])
            .Node("Squeeze", ["coordinates", "first"], ["where"])
            .Node("Gather", ["x", "where"], ["kept"])
            .Node("Shape", ["kept"], ["count"])
            .Node("Range", ["zero", "limit", "one"], ["numbers"])
            .Node("Expand", ["one", "count"], ["ones"])
            .Node("Tile", ["numbers", "count"], ["tiled"])
            .Output("kept").Output("numbers").Output("ones").Output("tiled");
        Tensor[] results = Run(model, ("x", Floats(0, 3, -0f, 5)), ("limit", Tensor.Scalar(3L)));
        Assert.Equal([3, 5], results[0].Span<float>().ToArray());
        Assert.Equal([0, 1, 2], results[1].Span<long>().ToArray());
        Assert.Equal([1, 1], results[2].Span<long>().ToArray());
        Assert.Equal([0, 1, 2, 0, 1, 2], results[3].Span<long>().ToArray());
        results = Run(model, ("x", Floats(0, 0)), ("limit", Tensor.Scalar(0L)));
        Assert.All(results, t => Assert.Equal([0], t.Dims.ToArray()));
    }

    [Fact]
    public void A_bad_index_is_named_and_the_session_goes_on()
    {
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 4).Input("i", DType.Int64, 1).Node("Gather", ["x", "i"], ["y"]).Output("y").Build();
        using var session = new InferenceSession(model);
        var error = Assert.Throws<InvalidInputException>(() => session.Run(new() { ["x"] = Floats(1, 2, 3, 4), ["i"] = Ints(4) }));
        Assert.Contains("index 4", error.Message);
        using RunResult result = session.Run(new() { ["x"] = Floats(1, 2, 3, 4), ["i"] = Ints(-4) });
        Assert.Equal([1], result["y"].Span<float>().ToArray());
    }

    [Fact]
    public void Small_operands_of_the_wrong_size_or_type_are_refused()
    {
        byte[] empty = new ModelBuilder().Input("x", DType.Float32, 2, 2).Input("k", DType.Int64, 0).Node("Trilu", ["x", "k"], ["y"]).Output("y").Build();
        using var triangle = new InferenceSession(empty);
        Assert.Throws<InvalidModelException>(() => triangle.Run(new() { ["x"] = Tensor.From(new float[4], [2, 2]), ["k"] = Ints() }));
        byte[] few = new ModelBuilder().Input("x", DType.Float32, 3, 2).Input("l", DType.Int64, 1).Node("ReverseSequence", ["x", "l"], ["y"]).Output("y").Build();
        using var reverse = new InferenceSession(few);
        Assert.Throws<InvalidModelException>(() => reverse.Run(new() { ["x"] = Tensor.From(new float[6], [3, 2]), ["l"] = Ints(1) }));
    }
}
