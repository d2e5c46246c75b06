using System.Numerics.Tensors;
using Parallax.Onnx;
using Parallax.Runtime.Execution;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cpu;

public sealed class SessionTests
{
    /// <summary>relu(conv(x, w) + b), then a product with its own transpose: kernels with packing, views, an arena and two outputs.</summary>
    private static byte[] SmallNetwork()
    {
        var random = new Random(7);
        float[] Random(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
        return new ModelBuilder()
            .Input("x", DType.Float32, "n", 3, "h", "w")
            .Constant("weights", Tensor.From(Random(8 * 3 * 3 * 3), [8, 3, 3, 3]))
            .Constant("bias", Tensor.From(Random(8), [8]))
            .Constant("rows", Tensor.From([0L, 8, -1], [3]))
            .Node("Conv", ["x", "weights", "bias"], ["c"], new AttributeProto("pads", [1L, 1, 1, 1]))
            .Node("Relu", ["c"], ["r"])
            .Node("Reshape", ["r", "rows"], ["m"])
            .Node("Transpose", ["m"], ["t"], new AttributeProto("perm", [0L, 2, 1]))
            .Node("MatMul", ["m", "t"], ["gram"])
            .Node("Softmax", ["gram"], ["y"], new AttributeProto("axis", -1L))
            .Output("y").Output("r")
            .Build();
    }

    private static Tensor Image(int batch, int height, int width, int seed = 3)
    {
        var random = new Random(seed);
        return Tensor.From(Enumerable.Range(0, batch * 3 * height * width).Select(_ => random.NextSingle()).ToArray(), [batch, 3, height, width]);
    }

    [Fact]
    public void Names_types_and_symbolic_shapes_are_reported()
    {
        using var session = new InferenceSession(SmallNetwork());
        Assert.Equal("x: Float32[nx3xhxw]", session.Inputs.Single().ToString());
        Assert.Equal(["y: Float32[nx8x8]", "r: Float32[nx8xhxw]"], session.Outputs.Select(o => o.ToString()));
    }

    [Fact]
    public void Shapes_may_change_from_run_to_run()
    {
        using var session = new InferenceSession(SmallNetwork());
        foreach ((int n, int h, int w) in new[] { (1, 8, 8), (2, 5, 7), (1, 8, 8), (1, 1, 1), (3, 9, 4), (1, 16, 3), (1, 2, 3), (2, 2, 2), (1, 30, 31) })
        {
            using RunResult result = session.Run(new() { ["x"] = Image(n, h, w) });
            Assert.Equal([n, 8, 8], result["y"].Dims.ToArray());
            Assert.Equal([n, 8, h, w], result["r"].Dims.ToArray());
            Assert.Equal(n * 8, TensorPrimitives.Sum<float>(result["y"].Span<float>()), 1e-3);
        }
    }

    /// <summary>The first run reads weights where they lie; they are packed before the second, or when another plan is made.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Weights_are_packed_after_the_first_run(bool otherShape)
    {
        var random = new Random(5);
        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
        byte[] model = new ModelBuilder().Input("x", DType.Float32, "n", 90)
            .Constant("w", Tensor.From(Draw(90 * 70), [90, 70])).Constant("v", Tensor.From(Draw(70 * 90), [70, 90]))
            .Node("MatMul", ["x", "w"], ["h"]).Node("Relu", ["h"], ["r"]).Node("MatMul", ["r", "v"], ["y"]).Output("y").Build();
        using var session = new InferenceSession(model, new SessionOptions { Threads = 2 });
        var inputs = new Dictionary<string, Datum> { ["x"] = Tensor.From(Draw(7 * 90), [7, 90]) };
        float[] first = Run();
        Assert.Equal([false, false], Settled());
        if (otherShape) session.Run(new() { ["x"] = Tensor.From(Draw(3 * 90), [3, 90]) }).Dispose();
        else Assert.Equal(first, Run());
        Assert.Equal([true, true], Settled());
        Assert.Equal(first, Run());

        bool[] Settled() => [.. session.PlanFor(inputs).Steps.OfType<KernelStep>().Where(s => s.Kernel.Name.StartsWith("gemm", StringComparison.Ordinal)).Select(s => s.Kernel.IsSettled)];

        float[] Run()
        {
            using RunResult result = session.Run(inputs);
            return result["y"].Span<float>().ToArray();
        }
    }

    /// <summary>Of a product whose factor has <paramref name="bits"/> significant bits: 11 can be kept in 16 bits as they are, more are rounded where that is asked for.</summary>
    [Theory]
    [InlineData(11, true)]
    [InlineData(24, false)]
    public void Compact_factors_round_what_does_not_fit(int bits, bool isExact)
    {
        var random = new Random(5);
        float[] factor = [.. Enumerable.Range(0, 90 * 70).Select(_ => (random.Next(1 << bits) | 1) / (float)(1 << bits))];
        byte[] model = new ModelBuilder().Input("x", DType.Float32, "n", 90).Constant("w", Tensor.From(factor, [90, 70])).Node("MatMul", ["x", "w"], ["y"]).Output("y").Build();
        foreach (int rows in (int[])[1, 5, 40])
        {
            Tensor x = Tensor.From(Enumerable.Range(0, rows * 90).Select(_ => random.NextSingle()).ToArray(), [rows, 90]);
            float[] exact = Run(Precision.Standard, 1, x), strict = Run(Precision.Strict, 2, x), rounded = Run(Precision.Compact, 1, x);
            Assert.Equal(exact, strict);
            Assert.Equal(rounded, Run(Precision.Compact, 2, x));
            Assert.Equal(isExact, exact.AsSpan().SequenceEqual(rounded));
            for (int i = 0; i < exact.Length; i++) Assert.Equal(exact[i], rounded[i], exact[i] * Math.ScaleB(1, -11)); // all terms are positive
        }

        float[] Run(Precision precision, int threads, Tensor x)
        {
            using var session = new InferenceSession(model, new SessionOptions { Precision = precision, Threads = threads });
            using RunResult result = session.Run(new() { ["x"] = x });
            return [.. result["y"].Span<float>()];
        }
    }

    [Fact]
    public void Bits_do_not_depend_on_the_number_of_threads()
    {
        byte[] model = SmallNetwork();
        byte[]? first = null;
        for (int threads = 1; threads <= 8; threads++)
        {
            using var session = new InferenceSession(model, new SessionOptions { Threads = threads });
            using RunResult result = session.Run(new() { ["x"] = Image(2, 40, 37) });
            first ??= result["y"].Bytes.ToArray();
            Assert.True(result["y"].Bytes.SequenceEqual(first), $"{threads} threads");
        }
    }

    [Fact]
    public void Sixteen_callers_share_one_session()
    {
        using var session = new InferenceSession(SmallNetwork(), new SessionOptions { Threads = 2 });
        var expected = new byte[4][];
        for (int i = 0; i < expected.Length; i++)
        {
            using RunResult result = session.Run(new() { ["x"] = Image(1, 10 + i, 12, i) });
            expected[i] = result["y"].Bytes.ToArray();
        }
        Parallel.For(0, 16, new ParallelOptions { MaxDegreeOfParallelism = 16 }, caller =>
        {
            for (int run = 0; run < 20; run++)
            {
                int i = (caller + run) % expected.Length;
                using RunResult result = session.Run(new() { ["x"] = Image(1, 10 + i, 12, i) });
                Assert.True(result["y"].Bytes.SequenceEqual(expected[i]));
            }
        });
    }

    [Fact]
    public void Results_that_are_kept_over_later_runs_keep_their_contents()
    {
        using var session = new InferenceSession(SmallNetwork(), new SessionOptions { Threads = 2 });
        byte[] Expected(int seed)
        {
            var buffers = new Dictionary<string, Tensor> { ["r"] = Tensor.Allocate(DType.Float32, [1, 8, 32, 32]) };
            session.Run(new() { ["x"] = Image(1, 32, 32, seed) }, buffers);
            return buffers["r"].Bytes.ToArray();
        }

        byte[][] expected = [.. Enumerable.Range(0, 5).Select(Expected)];
        Parallel.For(0, 8, caller =>
        {
            var kept = new Queue<(int Seed, RunResult Result)>();
            for (int run = 0; run < 40; run++)
            {
                int seed = (caller + run) % expected.Length;
                kept.Enqueue((seed, session.Run(new() { ["x"] = Image(1, 32, 32, seed) })));
                if (kept.Count <= run % 4) continue;
                (int oldest, RunResult result) = kept.Dequeue();
                Assert.True(result["r"].Bytes.SequenceEqual(expected[oldest]));
                result.Dispose();
            }
            foreach ((int seed, RunResult result) in kept) Assert.True(result["r"].Bytes.SequenceEqual(expected[seed]));
        });
    }

    /// <summary>As a decoder's cache does it: what one run gives is the next one's input, and is given back behind that.</summary>
    [Fact]
    public void Outputs_that_are_fed_back_take_turns_in_the_same_memory()
    {
        byte[] model = new ModelBuilder()
            .Input("x", DType.Float32, "n", "m")
            .Constant("one", Tensor.Scalar(1f))
            .Node("Add", ["x", "one"], ["y"])
            .Output("y")
            .Build();
        using var session = new InferenceSession(model, new SessionOptions { Threads = 1 });
        var places = new HashSet<nint>();
        RunResult last = session.Run(new() { ["x"] = Tensor.Zeros(DType.Float32, [50, 100]) });
        for (int run = 1; run < 100; run++)
        {
            RunResult next = session.Run(new() { ["x"] = last["y"] });
            last.Dispose();
            last = next;
            places.Add(last["y"].Address);
        }
        Assert.Equal(2, places.Count);
        Assert.Equal(-1, last["y"].Span<float>().IndexOfAnyExcept(100));
        session.Dispose();
        Assert.Equal(100, last["y"].Span<float>()[^1]);
        last.Dispose();
    }

    [Fact]
    public void A_steady_run_into_callers_buffers_allocates_nothing()
    {
        using var session = new InferenceSession(SmallNetwork(), new SessionOptions { Threads = 2 });
        var inputs = new Dictionary<string, Datum> { ["x"] = Image(1, 32, 32) };
        var outputs = new Dictionary<string, Tensor> { ["y"] = Tensor.Allocate(DType.Float32, [1, 8, 8]), ["r"] = Tensor.Allocate(DType.Float32, [1, 8, 32, 32]) };
        for (int i = 0; i < 5; i++) session.Run(inputs, outputs);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++) session.Run(inputs, outputs);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        using RunResult result = session.Run(inputs);
        Assert.True(result["y"].Bytes.SequenceEqual(outputs["y"].Bytes));
    }

    [Fact]
    public void Outputs_that_are_inputs_constants_or_views_of_each_other_are_copies()
    {
        byte[] model = new ModelBuilder()
            .Input("x", DType.Float32, 2, 3)
            .Constant("c", Tensor.From([1f, 2f], [2]))
            .Constant("flat", Tensor.From([6L], [1]))
            .Node("Identity", ["x"], ["same"])
            .Node("Identity", ["c"], ["constant"])
            .Node("Neg", ["x"], ["n"])
            .Node("Reshape", ["n", "flat"], ["v"])
            .Output("same").Output("constant").Output("n").Output("v")
            .Build();
        using var session = new InferenceSession(model);
        Tensor x = Tensor.From([1f, 2, 3, 4, 5, 6], [2, 3]);
        using RunResult result = session.Run(new() { ["x"] = x });
        Assert.Equal([1f, 2, 3, 4, 5, 6], result["same"].Span<float>().ToArray());
        Assert.Equal([1f, 2], result["constant"].Span<float>().ToArray());
        Assert.Equal([-1f, -2, -3, -4, -5, -6], result["v"].Span<float>().ToArray());
        result["same"].Span<float>()[0] = 100;
        result["n"].Span<float>()[0] = 100;
        Assert.Equal(1f, x.Span<float>()[0]);
        Assert.Equal(-1f, result["v"].Span<float>()[0]);
        Assert.Equal([6], result["v"].Dims.ToArray());
    }

    [Fact]
    public void Wrong_inputs_are_named_and_leave_the_session_usable()
    {
        using var session = new InferenceSession(SmallNetwork());
        string Message(Dictionary<string, Datum> inputs) => Assert.Throws<InvalidInputException>(() => session.Run(inputs)).Message;
        Assert.Contains("input 'x' is missing", Message([]));
        Assert.Contains("must be Float32[nx3xhxw], got Float32[1x4x8x8]", Message(new() { ["x"] = Tensor.Zeros(DType.Float32, [1, 4, 8, 8]) }));
        Assert.Contains("must be Float32[nx3xhxw], got Float32[3x8x8]", Message(new() { ["x"] = Tensor.Zeros(DType.Float32, [3, 8, 8]) }));
        Assert.Contains("got Int32", Message(new() { ["x"] = Tensor.Zeros(DType.Int32, [1, 3, 8, 8]) }));
        Assert.Contains("no input 'z'", Message(new() { ["x"] = Image(1, 8, 8), ["z"] = Image(1, 8, 8) }));
        Assert.Throws<InvalidInputException>(() => session.Run(new() { ["x"] = Image(1, 8, 8) }, new Dictionary<string, Tensor> { ["y"] = Tensor.Zeros(DType.Float32, [2, 8, 8]) }));
        using RunResult result = session.Run(new() { ["x"] = Image(1, 8, 8) });
        Assert.Equal(64, result["y"].ElementCount);
    }

    [Fact]
    public async Task A_loop_that_never_ends_can_be_cancelled()
    {
        GraphProto body = new ModelBuilder()
            .Input("i", DType.Int64).Input("go", DType.Bool).Input("v", DType.Float32, 1)
            .Node("Identity", ["go"], ["on"])
            .Node("Neg", ["v"], ["w"])
            .Output("on", DType.Bool).Output("w", DType.Float32, 1)
            .Graph("body");
        byte[] model = new ModelBuilder()
            .Input("x", DType.Float32, 1)
            .Constant("true", Tensor.From([true], []))
            .Node("Loop", ["", "true", "x"], ["y"], new AttributeProto("body", body))
            .Output("y")
            .Build();
        using var session = new InferenceSession(model);
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => session.RunAsync(new() { ["x"] = Tensor.From([1f], [1]) }, cancellation.Token));
    }

    [Fact]
    public void Tensor_spans_go_in_and_out()
    {
        using var session = new InferenceSession(SmallNetwork());
        Tensor image = Tensor.From((ReadOnlyTensorSpan<float>)Image(1, 8, 8).AsTensorSpan<float>());
        using RunResult result = session.Run(new() { ["x"] = image });
        TensorSpan<float> y = result["y"].AsTensorSpan<float>();
        Assert.Equal(result["y"].Span<float>()[8 * 3 + 2], y[0, 3, 2]);
    }

    [Fact]
    public void A_disposed_session_says_so()
    {
        var session = new InferenceSession(SmallNetwork());
        session.Dispose();
        session.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.Run(new() { ["x"] = Image(1, 8, 8) }));
    }
}
