using Parallax.Onnx;
using Parallax.OpenCL;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Layers that the CPU and an OpenCL device compute together, under every way of sharing memory.</summary>
public sealed class SplitTests
{
    private static readonly byte[] Model = SplitNetwork.Build();
    private static readonly Dictionary<string, Datum> Image = new() { ["x"] = SplitNetwork.Image() };

    private const string Channels = "channels", RowsOfProducts = "rows of products", RowsOfImages = "rows of images";

    /// <summary>A model, its inputs, and how many layers of it are split along an axis.</summary>
    private static readonly Dictionary<string, (byte[] Model, Dictionary<string, Datum> Inputs, OutputAxis Axis, int Layers)> Problems = new()
    {
        [Channels] = (Model, Image, OutputAxis.Channels, SplitNetwork.Layers.Count),
        [RowsOfProducts] = (SplitNetwork.BuildProducts(), new() { ["x"] = SplitNetwork.Left() }, OutputAxis.Rows, SplitNetwork.Products.Count),
        [RowsOfImages] = (Model, Image, OutputAxis.Rows, SplitNetwork.Layers.Count - 1), // the head has two rows
    };

    private static SessionOptions Splitting(ClBackend backend, double share, OutputAxis axis) =>
        ClSessions.On(backend) with { OffloadAll = false, Splits = [new LayerSplit(LayerSplit.All, share) { Axis = axis }] };

    [ClTheory]
    [InlineData(ScheduleMode.Sequential, 1, ArenaCheck.Poisoned, Channels)]
    [InlineData(ScheduleMode.Parallel, 1, ArenaCheck.None, Channels)]
    [InlineData(ScheduleMode.Parallel, 3, ArenaCheck.Guarded, Channels)]
    [InlineData(ScheduleMode.Auto, 2, ArenaCheck.Poisoned, Channels)]
    [InlineData(ScheduleMode.Sequential, 1, ArenaCheck.Poisoned, RowsOfProducts)]
    [InlineData(ScheduleMode.Parallel, 3, ArenaCheck.Guarded, RowsOfProducts)]
    [InlineData(ScheduleMode.Auto, 2, ArenaCheck.None, RowsOfProducts)]
    [InlineData(ScheduleMode.Sequential, 1, ArenaCheck.Poisoned, RowsOfImages)]
    [InlineData(ScheduleMode.Parallel, 3, ArenaCheck.Guarded, RowsOfImages)]
    public void Every_layer_agrees_with_the_CPU(ScheduleMode mode, int threads, ArenaCheck check, string cut)
    {
        (byte[] model, Dictionary<string, Datum> inputs, OutputAxis axis, int layers) = Problems[cut];
        Tensor[] expected = ClSessions.OnCpu(model, inputs);
        foreach (ClBackend backend in ClSessions.Backends)
            foreach (double share in (double[])[0.01, 0.5, 0.99])
            {
                using var session = new InferenceSession(model, Splitting(backend, share, axis) with { Mode = mode, Threads = threads, ArenaCheck = check });
                for (int run = 0; run < 3; run++) ClSessions.AssertClose(expected, ClSessions.Run(session, inputs), $"share {share} under {backend.Sharing}, run {run}");
                Assert.Empty(session.Warnings);
                PlanReport plan = session.Explain(inputs);
                Assert.Equal(layers, plan.Branches.Count(b => b is { Device: "cpu+opencl", Split: { MeasuredCpuUs: > 0, MeasuredWaitUs: >= 0 } split } && split.Axis == axis));
            }
    }

    /// <summary>Left of [2, rows, 41], right of [41, columns] or one for each left.</summary>
    [ClTheory]
    [InlineData(59, 70, false)]
    [InlineData(30, 1, false)]
    [InlineData(43, 29, true)]
    public void Rows_of_the_CPU_have_the_bits_of_the_whole(int rows, int columns, bool isBatch)
    {
        ModelBuilder builder = new ModelBuilder().Input("x", DType.Float32, 2, rows, 41).Input("r", DType.Float32, 2, rows, columns);
        builder.Constant("w", ClSessions.Floats(2, isBatch ? [2, 41, columns] : [41, columns]));
        builder.Node("MatMul", ["x", "w"], ["product"]).Node("Add", ["product", "r"], ["sum"]).Node("Sigmoid", ["sum"], ["y"]);
        byte[] model = builder.Output("y").Build();
        var inputs = new Dictionary<string, Datum> { ["x"] = ClSessions.Floats(1, 2, rows, 41), ["r"] = ClSessions.Floats(3, 2, rows, columns) };
        AssertRowsOfTheCpu(model, inputs, isBatch ? rows : 2 * rows, columns);
    }

    /// <summary>x [2, 5 or 40, height, 30] with taps of 1 or 3 a side, or a signal of that many places where there is no width.</summary>
    [ClTheory]
    [InlineData(40, 26, 30, 3, 1, 1)] // transformed tiles
    [InlineData(40, 26, 30, 3, 2, 1)]
    [InlineData(40, 26, 30, 1, 1, 1)]
    [InlineData(40, 26, 30, 3, 1, 40)]
    [InlineData(40, 26, 30, 3, 1, 4)]
    [InlineData(5, 20, 30, 3, 3, 1)]
    [InlineData(40, 150, null, 3, 1, 1)]
    [InlineData(40, 150, null, 3, 2, 1)]
    [InlineData(40, 150, null, 1, 1, 1)]
    public void Rows_of_images_of_the_CPU_have_the_bits_of_the_whole(int channels, int height, int? width, int taps, int stride, int groups)
    {
        int axes = width is null ? 1 : 2, outputs = 40, pad = taps / 2;
        long[] image = [height, .. width is { } w ? (long[])[w] : []], result = [.. image.Select(extent => (extent + 2 * pad - taps) / stride + 1)];
        ModelBuilder builder = new ModelBuilder().Input("x", DType.Float32, [2, channels, .. image]).Input("r", DType.Float32, [2, outputs, .. result]);
        builder.Constant("w", ClSessions.Floats(2, [outputs, channels / groups, .. Enumerable.Repeat((long)taps, axes)])).Constant("b", ClSessions.Floats(4, outputs));
        builder.Node("Conv", ["x", "w", "b"], ["sum"], new AttributeProto("pads", [.. Enumerable.Repeat((long)pad, 2 * axes)]), new AttributeProto("strides", [.. Enumerable.Repeat((long)stride, axes)]),
            new AttributeProto("group", (long)groups));
        byte[] model = builder.Node("Add", ["sum", "r"], ["all"]).Node("Sigmoid", ["all"], ["y"]).Output("y").Build();
        var inputs = new Dictionary<string, Datum> { ["x"] = ClSessions.Floats(1, [2, channels, .. image]), ["r"] = ClSessions.Floats(3, [2, outputs, .. result]) };
        AssertRowsOfTheCpu(model, inputs, result[0], result[1..].Aggregate(1L, (all, extent) => all * extent));
    }

    /// <summary>Splits the only layer by rows: what lies before the cut has the bits that the CPU alone gives, what lies behind agrees.</summary>
    /// <param name="rows">Of each matrix or plane of the result.</param>
    /// <param name="rowElements">Of a row.</param>
    private static void AssertRowsOfTheCpu(byte[] model, Dictionary<string, Datum> inputs, long rows, long rowElements)
    {
        Tensor[] expected = ClSessions.OnCpu(model, inputs);
        foreach (ClBackend backend in ClSessions.Backends)
            foreach (double share in (double[])[0.3, 0.7])
            {
                using var session = new InferenceSession(model, Splitting(backend, share, OutputAxis.Rows));
                Tensor[] actual = ClSessions.Run(session, inputs);
                ClSessions.AssertClose(expected, actual, $"{backend.Sharing}");
                PlanSplit split = Assert.Single(session.Summarize(inputs).Splits);
                Assert.Equal((OutputAxis.Rows, rows), (split.Axis, split.Extent));
                int plane = (int)(rows * rowElements), count = (int)(split.Cut * rowElements);
                for (int first = 0; first < expected[0].ElementCount; first += plane)
                    Assert.True(expected[0].Span<float>().Slice(first, count).SequenceEqual(actual[0].Span<float>().Slice(first, count)), $"{split.Cut} rows from element {first} on under {backend.Sharing}");
            }
    }

    [ClFact]
    public void Regions_beside_split_layers_agree_with_the_CPU()
    {
        Tensor[] expected = ClSessions.OnCpu(Model, Image);
        foreach (ClBackend backend in ClSessions.Backends)
        {
            using var session = new InferenceSession(Model, ClSessions.On(backend) with { Splits = [new LayerSplit("Conv", 0.4)] });
            for (int run = 0; run < 3; run++) ClSessions.AssertClose(expected, ClSessions.Run(session, Image), $"{backend.Sharing}, run {run}");
            Assert.Empty(session.Warnings);
            PlanReport plan = session.Explain(Image);
            Assert.Contains(plan.Branches, b => b.Device == "opencl");
            Assert.Contains(plan.Branches, b => b.Device == "cpu+opencl");
        }
    }

    /// <summary>A whole layer and a part of one transform tiles, which the plan says, unless results must be sums of products.</summary>
    [ClTheory]
    [InlineData(Precision.Standard, @"^winograd4_input \+ gemm_\d+x\d+ \+ winograd4_output$")]
    [InlineData(Precision.Strict, @"^pad_planes \+ gemm_\d+x\d+$")]
    public void Precision_decides_whether_tiles_are_transformed(Precision precision, string kernels)
    {
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 2, 32, 40, 40).Constant("w", ClSessions.Floats(2, 56, 32, 3, 3)).Constant("b", ClSessions.Floats(3, 56))
            .Node("Conv", ["x", "w", "b"], ["y"], new AttributeProto("pads", [1L, 1, 1, 1])).Output("y").Build();
        var inputs = new Dictionary<string, Datum> { ["x"] = ClSessions.Floats(1, 2, 32, 40, 40) };
        Tensor[] expected = ClSessions.OnCpu(model, inputs);
        foreach (ClBackend backend in ClSessions.Backends)
            foreach (double? share in (double?[])[null, 0.5])
            {
                SessionOptions options = share is { } s ? Splitting(backend, s, OutputAxis.Channels) : ClSessions.On(backend);
                using var session = new InferenceSession(model, options with { Precision = precision });
                ClSessions.AssertClose(expected, ClSessions.Run(session, inputs), $"{precision} under {backend.Sharing}, {share} of the CPU");
                Assert.Matches(kernels, Assert.Single(session.Explain(inputs).Branches, b => b.Kernels is not null).Kernels!.Value.Single());
            }
    }

    /// <summary>The n-th launch, and the n-th copy back, fail.</summary>
    [ClTheory]
    [InlineData("clEnqueueNDRangeKernel", 0, Channels)]
    [InlineData("clEnqueueNDRangeKernel", 7, Channels)]
    [InlineData("clEnqueueReadBufferRect", 0, Channels)]
    [InlineData("clEnqueueReadBufferRect", 2, Channels)]
    [InlineData("clFlush", 3, Channels)]
    [InlineData("clEnqueueNDRangeKernel", 3, RowsOfProducts)]
    [InlineData("clEnqueueReadBufferRect", 0, RowsOfProducts)]
    [InlineData("clEnqueueWriteBufferRect", 0, RowsOfProducts)]
    [InlineData("clEnqueueReadBuffer", 2, RowsOfProducts)]
    [InlineData("clEnqueueWriteBuffer", 1, RowsOfProducts)]
    [InlineData("clFlush", 2, RowsOfProducts)]
    [InlineData("clEnqueueNDRangeKernel", 4, RowsOfImages)]
    [InlineData("clEnqueueReadBufferRect", 1, RowsOfImages)]
    [InlineData("clEnqueueWriteBufferRect", 2, RowsOfImages)]
    public void What_fails_is_computed_by_the_CPU(string call, int failAt, string cut)
    {
        (byte[] model, Dictionary<string, Datum> inputs, OutputAxis axis, _) = Problems[cut];
        Tensor[] expected = ClSessions.OnCpu(model, inputs);
        foreach (ClBackend usual in ClSessions.Backends)
        {
            var api = new FaultyApi();
            using ClBackend backend = ClBackend.Open(api.Device, new ClBackendOptions { Sharing = usual.Sharing });
            using var session = new InferenceSession(model, Splitting(backend, 0.5, axis));
            ClSessions.Run(session, inputs);
            bool isCalled = api.Calls.Count(c => c == call) > failAt;
            int calls = 0;
            api.Reset(c => c == call && Interlocked.Increment(ref calls) - 1 == failAt ? -5 : 0);
            for (int run = 0; run < 3; run++) ClSessions.AssertClose(expected, ClSessions.Run(session, inputs), $"{call} {failAt} under {usual.Sharing}, run {run}");
            Assert.Equal(isCalled ? 1 : 0, session.Warnings.Count);
            if (usual.Sharing == ClSharing.Copied) Assert.True(isCalled, $"{call} is not called {failAt + 1} times");
        }
    }
}
