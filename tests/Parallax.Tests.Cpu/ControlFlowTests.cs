using Parallax.Onnx;
using Parallax.Runtime;
using Xunit;
using static Parallax.Tests.Cpu.ToyModel;

namespace Parallax.Tests.Cpu;

/// <summary>If, Loop, Scan and SequenceMap, run as models.</summary>
public sealed class ControlFlowTests
{
    private static Tensor Floats(params float[] values) => Tensor.From(values, [values.Length]);

    [Theory]
    [InlineData(true, 11f)]
    [InlineData(false, 9f)]
    public void IfRunsOneBranchOnCapturedValues(bool condition, float expected)
    {
        GraphProto then = Graph([], "a", Node("Add", "x,one", "a")), otherwise = Graph([], "b", Node("Sub", "x,one", "b"));
        using InferenceSession session = Load(Graph([Value("c", DType.Bool), Value("x", DType.Float32, 1)], "y", Constant("one", Floats(1)),
            Node("If", "c", "y", new("then_branch", then), new("else_branch", otherwise))));
        using RunResult result = session.Run(new() { ["c"] = Tensor.Scalar(condition), ["x"] = Floats(10) });
        Assert.Equal([expected], result["y"].Span<float>().ToArray());
    }

    [Fact]
    public void AViewOfWhatABranchGaveHasItsOwnShapeAndType()
    {
        GraphProto branch = Graph([], "a", Node("Add", "x,x", "a"));
        using InferenceSession session = Load(Graph([Value("c", DType.Bool), Value("x", DType.Float32, 2, 3)], "y,bits", Constant("dims", Tensor.From([3L, 2], [2])),
            Node("If", "c", "z", new("then_branch", branch), new("else_branch", branch)), Node("Reshape", "z,dims", "y"),
            Node("BitCast", "z", "bits", new AttributeProto("to", 6L))), opset: 26);
        using RunResult result = session.Run(new() { ["c"] = Tensor.Scalar(true), ["x"] = Tensor.From([0f, 1, 2, 3, 4, 5], [2, 3]) });
        Assert.Equal("Float32[3x2]", result["y"].ToString());
        Assert.Equal([0f, 2, 4, 6, 8, 10], result["y"].Span<float>().ToArray());
        Assert.Equal("Int32[2x3]", result["bits"].ToString());
        Assert.Equal(BitConverter.SingleToInt32Bits(2), result["bits"].Span<int>()[1]);
    }

    [Fact]
    public void ABranchThatCannotRunDoesNotSpoilTheModel()
    {
        // The else branch transposes a matrix as if it had three axes.
        GraphProto then = Graph([], "a", Node("Identity", "x", "a")), otherwise = Graph([], "b", Node("Transpose", "x", "b", new AttributeProto("perm", [0L, 2, 1])));
        using InferenceSession session = Load(Graph([Value("c", DType.Bool), Value("x", DType.Float32, 2, 2)], "y",
            Node("If", "c", "y", new("then_branch", then), new("else_branch", otherwise))));
        using RunResult result = session.Run(new() { ["c"] = Tensor.Scalar(true), ["x"] = Tensor.From([1f, 2, 3, 4], [2, 2]) });
        Assert.Equal([1f, 2, 3, 4], result["y"].Span<float>().ToArray());
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(5, true)]
    [InlineData(5, false)]
    [InlineData(700, true)]
    public void LoopCarriesAndStacks(long trips, bool start)
    {
        // sum += step; the scan output is each sum, twice.
        GraphProto body = Graph([Value("i", DType.Int64), Value("go", DType.Bool), Value("sum", DType.Float32, 1)], "go2,next,part",
            Node("Identity", "go", "go2"), Node("Add", "sum,step", "next"), Node("Concat", "next,next", "part", new AttributeProto("axis", 0L)));
        using InferenceSession session = Load(Graph([Value("m", DType.Int64), Value("c", DType.Bool), Value("x", DType.Float32, 1), Value("step", DType.Float32, 1)], "y,parts",
            Node("Loop", "m,c,x", "y,parts", new AttributeProto("body", body))));
        using RunResult result = session.Run(new() { ["m"] = Tensor.Scalar(trips), ["c"] = Tensor.Scalar(start), ["x"] = Floats(1), ["step"] = Floats(2) });
        long ran = start ? trips : 0;
        Assert.Equal([1f + 2 * ran], result["y"].Span<float>().ToArray());
        Assert.Equal(ran, result["parts"].Dims[0]);
        Assert.Equal(Enumerable.Range(1, (int)ran).SelectMany(i => new[] { 1f + 2 * i, 1f + 2 * i }), result["parts"].Span<float>().ToArray());
    }

    [Fact]
    public void LoopWithoutLimitsEndsByItsCondition()
    {
        GraphProto body = Graph([Value("i", DType.Int64), Value("go", DType.Bool), Value("v", DType.Float32)], "again,doubled",
            Node("Add", "v,v", "doubled"), Constant("hundred", Tensor.Scalar(100f)), Node("Less", "doubled,hundred", "again"));
        using InferenceSession session = Load(Graph([Value("x", DType.Float32)], "y", Node("Loop", ",,x", "y", new AttributeProto("body", body))));
        using RunResult result = session.Run(new() { ["x"] = Tensor.Scalar(3f) });
        Assert.Equal(192f, result["y"].Span<float>()[0]);
    }

    [Fact]
    public void ACarriedValueMayGrowWhateverTheBodySaysOfItsShape()
    {
        GraphProto body = Graph([Value("i", DType.Int64), Value("go", DType.Bool), Value("v", DType.Float32, 1)], "go2,longer",
            Node("Identity", "go", "go2"), Constant("zero", Floats(0)), Node("Concat", "v,zero", "longer", new AttributeProto("axis", 0L)));
        GraphProto graph = Graph([Value("x", DType.Float32, 1)], "y,n", Constant("four", Tensor.Scalar(4L)),
            Node("Loop", "four,,x", "y", new AttributeProto("body", body)), Node("Shape", "y", "n"));
        using InferenceSession session = Load(graph);
        using RunResult result = session.Run(new() { ["x"] = Floats(7) });
        Assert.Equal([7f, 0, 0, 0, 0], result["y"].Span<float>().ToArray());
        Assert.Equal([5L], result["n"].Span<long>().ToArray());
    }

    [Fact]
    public void LoopsNestAndCaptureThroughBothBodies()
    {
        // for i < 3: for j < 4: total += i * 10 + j + offset
        GraphProto inner = Graph([Value("j", DType.Int64), Value("gj", DType.Bool), Value("t2", DType.Int64)], "gj2,t3",
            Node("Identity", "gj", "gj2"), Constant("ten", Tensor.Scalar(10L)), Node("Mul", "i,ten", "tens"), Node("Add", "tens,j", "ij"), Node("Add", "ij,offset", "ijo"), Node("Add", "t2,ijo", "t3"));
        GraphProto outer = Graph([Value("i", DType.Int64), Value("gi", DType.Bool), Value("t", DType.Int64)], "gi2,t4",
            Node("Identity", "gi", "gi2"), Constant("n4", Tensor.Scalar(4L)), Node("Loop", "n4,,t", "t4", new AttributeProto("body", inner)));
        using InferenceSession session = Load(Graph([Value("offset", DType.Int64)], "y", Constant("zero", Tensor.Scalar(0L)), Constant("n3", Tensor.Scalar(3L)),
            Node("Loop", "n3,,zero", "y", new AttributeProto("body", outer))));
        using RunResult result = session.Run(new() { ["offset"] = Tensor.Scalar(1000L) });
        Assert.Equal((0 + 10 + 20) * 4 + 6 * 3 + 12 * 1000L, result["y"].Span<long>()[0]);
    }

    [Fact]
    public void ALoopThatPassesItsInputsThroughGivesCopies()
    {
        GraphProto body = Graph([Value("i", DType.Int64), Value("go", DType.Bool), Value("a", DType.Float32, 1), Value("b", DType.Float32, 1)], "go,b,a,i");
        using InferenceSession session = Load(Graph([Value("x", DType.Float32, 1), Value("z", DType.Float32, 1)], "p,q,counts", Constant("three", Tensor.Scalar(3L)),
            Node("Loop", "three,,x,z", "p,q,counts", new AttributeProto("body", body))));
        Tensor x = Floats(1), z = Floats(2);
        using RunResult result = session.Run(new() { ["x"] = x, ["z"] = z });
        x.Span<float>()[0] = z.Span<float>()[0] = 99; // swapped three times, and not the caller's memory
        Assert.Equal([2f], result["p"].Span<float>().ToArray());
        Assert.Equal([1f], result["q"].Span<float>().ToArray());
        Assert.Equal([0L, 1, 2], result["counts"].Span<long>().ToArray());
    }

    [Fact]
    public void AnEndlessLoopCanBeCancelled()
    {
        GraphProto body = Graph([Value("i", DType.Int64), Value("go", DType.Bool)], "go2,i2", Node("Identity", "go", "go2"), Node("Identity", "i", "i2"));
        GraphProto graph = Graph([Value("m", DType.Int64)], "n", Node("Loop", "m,", "all", new AttributeProto("body", body)), Node("Size", "all", "n"));
        using InferenceSession session = Load(graph);
        using var cancel = new CancellationTokenSource();
        cancel.CancelAfter(50);
        Assert.ThrowsAny<OperationCanceledException>(() => session.Run(new() { ["m"] = Tensor.Scalar(long.MaxValue) }, cancel.Token));
    }

    [Fact]
    public void ScanWalksAnyAxisEitherWay()
    {
        // Columns of x from the last to the first; running sums stacked as columns, first result last.
        GraphProto body = Graph([Value("s", DType.Float32, 2), Value("v", DType.Float32, 2)], "sum,out", Node("Add", "s,v", "sum"), Node("Identity", "sum", "out"));
        using InferenceSession session = Load(Graph([Value("x", DType.Float32, 2, 3)], "last,all", Constant("zero", Floats(0, 0)),
            Node("Scan", "zero,x", "last,all", new AttributeProto("body", body), new AttributeProto("num_scan_inputs", 1L), new AttributeProto("scan_input_axes", [-1L]),
                new AttributeProto("scan_input_directions", [1L]), new AttributeProto("scan_output_axes", [1L]), new AttributeProto("scan_output_directions", [1L]))));
        using RunResult result = session.Run(new() { ["x"] = Tensor.From([1f, 2, 3, 10, 20, 30], [2, 3]) });
        Assert.Equal([6f, 60], result["last"].Span<float>().ToArray());
        Assert.Equal([6f, 5, 3, 60, 50, 30], result["all"].Span<float>().ToArray());
    }

    [Fact]
    public void BatchedScanStopsAtEachItemsLength()
    {
        GraphProto body = Graph([Value("s", DType.Float32, 1), Value("v", DType.Float32, 1)], "sum,out", Node("Add", "s,v", "sum"), Node("Identity", "sum", "out"));
        using InferenceSession session = Load(Graph([Value("n", DType.Int64, 2), Value("s0", DType.Float32, 2, 1), Value("x", DType.Float32, 2, 3, 1)], "last,all",
            Node("Scan", "n,s0,x", "last,all", new AttributeProto("body", body), new AttributeProto("num_scan_inputs", 1L))), opset: 8);
        using RunResult result = session.Run(new()
        {
            ["n"] = Tensor.From([3L, 2], [2]),
            ["s0"] = Tensor.From([0f, 100], [2, 1]),
            ["x"] = Tensor.From([1f, 2, 3, 1, 2, 3], [2, 3, 1]),
        });
        Assert.Equal([6f, 103], result["last"].Span<float>().ToArray());
        Assert.Equal([1f, 3, 6, 101, 103, 0], result["all"].Span<float>().ToArray());
    }

    [Fact]
    public void IterationsOfDifferentShapesCannotBeStacked()
    {
        GraphProto body = Graph([Value("i", DType.Int64), Value("go", DType.Bool), Unshaped("v", DType.Float32)], "go2,longer,longer",
            Node("Identity", "go", "go2"), Node("Concat", "v,v", "longer", new AttributeProto("axis", 0L)));
        using InferenceSession session = Load(Graph([Value("x", DType.Float32, 1)], "y,parts", Constant("two", Tensor.Scalar(2L)),
            Node("Loop", "two,,x", "y,parts", new AttributeProto("body", body))));
        Assert.Throws<InvalidInputException>(() => session.Run(new() { ["x"] = Floats(1) }));
    }
}
