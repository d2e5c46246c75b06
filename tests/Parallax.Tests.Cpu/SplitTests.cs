using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Suite;
using Parallax.Zoo;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>Layers that the CPU and a device compute together. The device computes with the CPU's kernels, so every answer must have the same bits.</summary>
[Collection("workers")]
public sealed class SplitTests
{
    private static readonly byte[] Model = SplitNetwork.Build();
    private static readonly Tensor Image = SplitNetwork.Image();
    private static readonly byte[] Expected = OnCpu(Model, Image);

    private const string Channels = "channels", RowsOfProducts = "rows of products", RowsOfImages = "rows of images";

    /// <summary>A model, its input, and how many layers of it are split along an axis.</summary>
    private sealed record Problem(byte[] Model, Func<int, Tensor> Draw, OutputAxis Axis, int Layers)
    {
        internal Tensor Input { get; } = Draw(1);

        internal byte[] Expected { get; } = OnCpu(Model, Draw(1));
    }

    private static readonly Dictionary<string, Problem> Problems = new()
    {
        [Channels] = new Problem(Model, seed => SplitNetwork.Image(seed: seed), OutputAxis.Channels, SplitNetwork.Layers.Count),
        [RowsOfProducts] = new Problem(SplitNetwork.BuildProducts(), seed => SplitNetwork.Left(seed: seed), OutputAxis.Rows, SplitNetwork.Products.Count),
        [RowsOfImages] = new Problem(Model, seed => SplitNetwork.Image(seed: seed), OutputAxis.Rows, SplitNetwork.Layers.Count - 1), // the head has two rows
    };

    [Fact]
    public void What_is_told_of_a_layers_kernel_before_it_is_prepared_holds_for_it_and_for_its_parts()
    {
        foreach (byte[] model in (byte[][])[Model, SplitNetwork.BuildProducts()])
        {
            using var session = new InferenceSession(model, new SessionOptions { Threads = 1 });
            Graphs.Graph graph = session.PlanFor(new() { [session.Inputs[0].Name] = model == Model ? Image : SplitNetwork.Left() }).Partition.Graph;
            Graphs.Node[] layers = [.. graph.Nodes.Where(n => Runtime.Cpu.CpuKernels.FactsOf(graph, n, strict: false) is not null)];
            Assert.NotEmpty(layers);
            foreach (Graphs.Node node in layers)
            {
                OutputPart[] parts = [.. OutputAxes.Of(graph, node).Select(axis => (Axis: axis, Granule: Runtime.Cpu.CpuParts.GranuleOf(graph, node, axis)))
                    .Where(p => p.Granule < OutputAxes.ExtentOf(graph, node, p.Axis)).Select(p => new OutputPart(0, p.Granule, p.Axis))];
                foreach (OutputPart? part in (OutputPart?[])[null, .. parts.Select(p => (OutputPart?)p)])
                {
                    using var weights = new Runtime.Cpu.WeightCache(Precision.Standard);
                    using Kernels.Kernel kernel = Runtime.Cpu.CpuBindings.Find(node.Op.GetType())!.Prepare!(node.Op,
                        new Runtime.Cpu.PrepareContext([.. node.Inputs.Select(graph.TensorFact)], [.. node.Outputs.Select(graph.TensorFact)], weights) { Part = part });
                    Assert.Equal(Runtime.Cpu.CpuKernels.FactsOf(graph, node, strict: false, part), Runtime.Execution.KernelStep.FactsOf(kernel) with { Groups = 0 });
                }
            }
        }
    }

    private static SessionOptions With(CpuDevice device, double share = 0.5, string layers = LayerSplit.All, OutputAxis? axis = null) =>
        new() { Threads = 2, Mode = ScheduleMode.Parallel, Backends = [device], Splits = [new LayerSplit(layers, share) { Axis = axis }] };

    private static CpuDevice Device(bool sharesMemory = true) => new(sharesMemory: sharesMemory) { Refuses = n => IsLayer(n) ? null : "no layer" };

    private static bool IsLayer(Graphs.Node node) => node.Op is Graphs.Ops.Conv or Graphs.Ops.Gemm or Graphs.Ops.MatMul;

    private static Dictionary<string, Datum> Given(Tensor image) => new() { ["x"] = image };

    private static byte[] Run(InferenceSession session, Tensor? image = null)
    {
        using RunResult result = session.Run(Given(image ?? Image));
        return Bytes(result);
    }

    private static byte[] Bytes(RunResult result) => [.. result.SelectMany(r => ((Tensor)r.Value).Bytes.ToArray())];

    private static byte[] OnCpu(byte[] model, Tensor image)
    {
        using var session = new InferenceSession(model, new SessionOptions { Threads = 1, Mode = ScheduleMode.Sequential });
        return Run(session, image);
    }

    private static List<PlanBranch> Splits(InferenceSession session, Tensor? input = null) => [.. session.Explain(Given(input ?? Image)).Branches.Where(b => b.Split is not null)];

    public static TheoryData<ScheduleMode, int, bool, ArenaCheck, string> Ways()
    {
        var ways = new TheoryData<ScheduleMode, int, bool, ArenaCheck, string>();
        foreach (ScheduleMode mode in new[] { ScheduleMode.Sequential, ScheduleMode.Layered, ScheduleMode.Parallel, ScheduleMode.Auto })
            foreach (int threads in new[] { 1, 2, 8 })
                foreach (bool shares in new[] { true, false })
                    foreach (string cut in Problems.Keys) ways.Add(mode, threads, shares, shares ? ArenaCheck.Poisoned : ArenaCheck.Guarded, cut);
        return ways;
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Split_layers_give_the_CPUs_bits(ScheduleMode mode, int threads, bool sharesMemory, ArenaCheck check, string cut)
    {
        Problem problem = Problems[cut];
        foreach (double share in (double[])[0.01, 0.4, 0.99])
        {
            using CpuDevice device = Device(sharesMemory);
            using (var session = new InferenceSession(problem.Model, With(device, share, axis: problem.Axis) with { Threads = threads, Mode = mode, ArenaCheck = check }))
            {
                for (int run = 0; run < 3; run++) Assert.True(Run(session, problem.Input).AsSpan().SequenceEqual(problem.Expected), $"share {share}, run {run}");
                Assert.Empty(session.Warnings);
                List<PlanBranch> splits = Splits(session, problem.Input);
                Assert.Equal(problem.Layers, splits.Count);
                Assert.All(splits, b => Assert.Equal(problem.Axis, b.Split!.Axis));
                Assert.Equal(3 * (splits.Count + session.Explain(Given(problem.Input)).Branches.Count(b => b.Device == "device")), device.RegionRuns);
                Assert.All(splits, b => Assert.Equal("cpu+device", b.Device));
                Assert.All(splits, b => Assert.True(b.Split is { MeasuredCpuUs: > 0, MeasuredWaitUs: >= 0, Cut: > 0 } split && split.Cut < split.Extent && b.MeasuredUs is > 0));
            }
            Assert.Equal(0, device.Live);
        }
    }

    [Fact]
    public void The_share_is_rounded_to_where_both_sides_can_cut()
    {
        foreach ((double share, long granule) in ((double, long)[])[(0.001, 1), (0.5, 1), (0.999, 1), (0.5, 5), (0.3, 7)])
        {
            using var device = new CpuDevice { Refuses = n => IsLayer(n) ? null : "no layer", Granule = granule };
            using var session = new InferenceSession(Model, With(device, share));
            Assert.Equal(Expected, Run(session));
            foreach (PlanSplit split in Splits(session).Select(b => b.Split!))
            {
                Assert.Equal(0, split.Cut % granule);
                Assert.InRange(split.Cut, 1, split.Extent - 1);
            }
        }
        using CpuDevice by = Device();
        using var depthwise = new InferenceSession(Model, With(by, 0.5, "depth"));
        Run(depthwise);
        Assert.Equal((32, 64), (Assert.Single(Splits(depthwise)).Split!.Cut, Splits(depthwise)[0].Split!.Extent));
    }

    [Fact]
    public void Layers_are_named_by_node_or_operator_and_what_cannot_be_split_says_why()
    {
        using CpuDevice device = Device();
        using (var session = new InferenceSession(Model, With(device, 0.5, "gram")))
        {
            Assert.Equal(Expected, Run(session));
            Assert.Contains("gram", Assert.Single(Splits(session)).Nodes);
        }
        using (var session = new InferenceSession(Model, With(device) with { Splits = [new LayerSplit("Gemm", 0.2), new LayerSplit("Conv", 0.5)], Exclude = ["stride"] }))
        {
            Assert.Equal(Expected, Run(session));
            List<PlanBranch> splits = Splits(session);
            Assert.Equal(5, splits.Count); // four convolutions and the product
            Assert.Contains(session.Explain(Given(Image)).Unsupported.Keys, k => k == "device: Conv: cannot be split: excluded by the call");
        }
        using var whole = new CpuDevice { Granule = null };
        using (var session = new InferenceSession(Model, With(whole)))
        {
            Assert.Equal(Expected, Run(session));
            Assert.Empty(Splits(session));
            Assert.Equal(5, session.Explain(Given(Image)).Unsupported["device: Conv: cannot be split: computes whole results of it only"]);
        }
        using var coarse = new CpuDevice { Granule = 1000 };
        using (var session = new InferenceSession(Model, With(coarse, 0.5, "MatMul")))
            Assert.Contains(session.Explain(Given(Image)).Unsupported.Keys, k => k.Contains("no place to cut"));
        Assert.Throws<InvalidInputException>(() => new InferenceSession(Model, With(device, 0.5, "nobody")));
        foreach (double share in (double[])[0, 1, -1, double.NaN]) Assert.Throws<InvalidInputException>(() => new InferenceSession(Model, With(device, share)));
    }

    /// <summary>Only rows that a part is made of are copied to the device: of a batch with right operands of its own, some of each matrix.</summary>
    [Fact]
    public void The_device_gets_the_rows_that_it_computes()
    {
        Problem problem = Problems[RowsOfProducts];
        foreach ((string layer, long inputs, long rest) in ((string, long, long)[])[("up.out", 3 * 37 * 45, 0), ("down.out", 3 * 37 * (70 + 45), 0), ("head.rows", 3 * 37 * 45, 0), ("gram.rows", 3 * 37 * 45, 3 * 37 * 45), ("cross", 0, 3 * 37 * (45 + 20))])
        {
            using var device = new CpuDevice(sharesMemory: false) { Refuses = n => n.Name == layer ? null : "another" };
            using var session = new InferenceSession(problem.Model, With(device, 0.6, layer, OutputAxis.Rows));
            Assert.Equal(problem.Expected, Run(session, problem.Input));
            PlanSplit split = Assert.Single(Splits(session, problem.Input)).Split!;
            Assert.Equal(sizeof(float) * (inputs * (split.Extent - split.Cut) / split.Extent + rest), device.BytesIn);
        }
    }

    /// <summary>Of images, also those before the cut that its windows see.</summary>
    [Theory]
    [InlineData("stem.out", 2 * 12 * 12, 4, 1)] // of [2, 12, 12, 12], 3x3 taps
    [InlineData("point.out", 2 * 64 * 12, 4, 0)] // input and residual are one value
    [InlineData("stride", 2 * 64 * 12, 5, 0)] // row 4 of the result sees rows 7 to 9
    public void The_device_gets_the_rows_of_images_that_it_sees(string layer, int rowElements, int rows, int before)
    {
        using var device = new CpuDevice(sharesMemory: false) { Refuses = n => n.Name == layer ? null : "another" };
        using var session = new InferenceSession(Model, With(device, 0.7, layer, OutputAxis.Rows));
        Assert.Equal(Expected, Run(session));
        Assert.Equal(layer == "stride" ? (4, 6) : (8, 12), (Assert.Single(Splits(session)).Split!.Cut, Splits(session)[0].Split!.Extent));
        Assert.Equal(sizeof(float) * rowElements * (rows + before), device.BytesIn);
    }

    [Fact]
    public void Rows_are_cut_where_they_are_asked_for_or_where_no_channel_can_be()
    {
        Problem problem = Problems[RowsOfProducts];
        using var narrow = new CpuDevice { Refuses = n => IsLayer(n) ? null : "no layer", GranuleAlong = axis => axis == OutputAxis.Rows ? 1 : 64 };
        foreach (OutputAxis? asked in (OutputAxis?[])[null, OutputAxis.Channels])
        {
            using var session = new InferenceSession(problem.Model, With(narrow, axis: asked));
            Assert.Equal(problem.Expected, Run(session, problem.Input));
            Dictionary<string, OutputAxis> cut = Splits(session, problem.Input).ToDictionary(b => b.Split!.Node, b => b.Split!.Axis);
            Assert.Equal(OutputAxis.Channels, cut["up.out"]); // it has 70 of them, the others 45 and less
            Assert.Equal(asked is null ? SplitNetwork.Products.Count : 1, cut.Count);
            Assert.All(cut.Where(c => c.Key != "up.out"), c => Assert.Equal(OutputAxis.Rows, c.Value));
        }
        using CpuDevice device = Device();
        using (var session = new InferenceSession(Model, With(device, axis: OutputAxis.Rows)))
        {
            Assert.Equal(Expected, Run(session));
            Assert.All(Splits(session), b => Assert.Equal(OutputAxis.Rows, b.Split!.Axis));
            Assert.Equal(Problems[RowsOfImages].Layers, Splits(session).Count);
            Assert.DoesNotContain(Splits(session), b => b.Split!.Node.StartsWith("head", StringComparison.Ordinal));
            Assert.Contains(session.Explain(Given(Image)).Unsupported.Keys, k => k.StartsWith("device: Gemm: cannot be split: 2 rows have no place to cut them", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData(0, -1, Channels)]
    [InlineData(3, -1, Channels)]
    [InlineData(-1, 0, Channels)]
    [InlineData(-1, 5, Channels)]
    [InlineData(-1, 13, Channels)]
    [InlineData(2, -1, RowsOfProducts)]
    [InlineData(-1, 1, RowsOfProducts)]
    [InlineData(-1, 9, RowsOfProducts)]
    [InlineData(1, -1, RowsOfImages)]
    [InlineData(-1, 0, RowsOfImages)]
    [InlineData(-1, 9, RowsOfImages)]
    public void A_device_that_fails_loses_no_answer(int region, int node, string cut)
    {
        Problem problem = Problems[cut];
        (byte[] model, Tensor input, byte[] expected) = (problem.Model, problem.Input, problem.Expected);
        foreach ((ScheduleMode mode, bool shares) in new[] { (ScheduleMode.Parallel, true), (ScheduleMode.Parallel, false), (ScheduleMode.Sequential, true), (ScheduleMode.Sequential, false) })
        {
            using var device = new CpuDevice(sharesMemory: shares) { Refuses = n => IsLayer(n) ? null : "no layer", FailAtRegion = region, FailAtNode = node };
            using (var session = new InferenceSession(model, With(device, axis: problem.Axis) with { Mode = mode }))
            {
                for (int run = 0; run < 4; run++) Assert.True(Run(session, input).AsSpan().SequenceEqual(expected), $"run {run}");
                Assert.Contains(region >= 0 ? "failed to enqueue" : "was pulled out", Assert.Single(session.Warnings));
                int runs = device.RegionRuns;
                Assert.Equal(expected, Run(session, input));
                Assert.Equal(runs, device.RegionRuns);
                Assert.All(Splits(session, input), b => Assert.Equal("cpu", b.Device));
                Tensor other = problem.Draw(5);
                Assert.Equal(OnCpu(model, other), Run(session, other));
            }
            Assert.Equal(0, device.Live);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_device_that_cannot_be_set_up_is_left_alone(bool compile)
    {
        using var device = new CpuDevice { Refuses = n => IsLayer(n) ? null : "no layer", FailAtCompile = compile ? 2 : -1, FailToAllocate = !compile };
        using (var session = new InferenceSession(Model, With(device)))
        {
            Assert.Equal(Expected, Run(session));
            Assert.Single(session.Warnings);
        }
        Assert.Equal((0, 0), (device.RegionRuns, device.Live));
    }

    /// <summary>The device begins a layer only when somebody sleeps until it ends: by then the CPU has computed its part, and it does not spin for ever.</summary>
    [Theory]
    [InlineData(1, ScheduleMode.Sequential)]
    [InlineData(1, ScheduleMode.Parallel)]
    [InlineData(3, ScheduleMode.Parallel)]
    public void The_CPU_computes_its_part_first_and_then_sleeps_until_the_device_has_ended(int threads, ScheduleMode mode)
    {
        using CpuDevice device = Device();
        using var sleeping = new SemaphoreSlim(0);
        using var session = new InferenceSession(Model, With(device) with { Threads = threads, Mode = mode });
        Run(session);
        bool isSlept = true;
        device.BeforeWork = () => isSlept &= sleeping.Wait(TimeSpan.FromMinutes(1));
        // Of layers that run side by side, the device may begin one while somebody sleeps for another: there, the first sleep is for all.
        device.BeforeSleep = () => sleeping.Release(mode == ScheduleMode.Sequential ? 1 : 1000);
        Assert.Equal(Expected, Run(session));
        Assert.True(isSlept, "the device waited for a minute, and nobody slept");
    }

    [Fact]
    public void A_profile_tells_the_sides_apart()
    {
        using CpuDevice device = Device();
        device.BeforeWork = () => Thread.Sleep(20);
        using var session = new InferenceSession(Model, With(device, 0.5, "Conv"));
        Run(session);
        RunProfile profile = session.Profile(Given(Image));
        List<ProfiledStep> split = [.. profile.Steps.Where(s => s.CpuEndUs is not null)];
        Assert.Equal(5, split.Count);
        Assert.All(split, s => Assert.True(s.Operator == "Conv" && s.Kernel == "cpu+device" && s.StartUs < s.CpuEndUs && s.CpuEndUs <= s.EndUs && s.Us >= 20_000));
        Assert.All(profile.Steps.Except(split), s => Assert.NotEqual("Conv", s.Operator));
    }

    [Fact]
    public void Sixteen_callers_at_once_are_right_also_while_the_device_fails()
    {
        foreach (int failAt in new[] { -1, 200 })
        {
            using var device = new CpuDevice { Refuses = n => IsLayer(n) ? null : "no layer", FailAtNode = failAt };
            using (var session = new InferenceSession(Model, With(device)))
                Parallel.For(0, 16, new ParallelOptions { MaxDegreeOfParallelism = 16 }, _ =>
                {
                    for (int run = 0; run < 5; run++) Assert.Equal(Expected, Run(session));
                });
            Assert.Equal(0, device.Live);
        }
    }

    [Theory]
    [InlineData(ScheduleMode.Sequential)]
    [InlineData(ScheduleMode.Parallel)]
    public void A_cancelled_run_waits_for_the_device_and_leaves_the_session_usable(ScheduleMode mode)
    {
        using CpuDevice device = Device();
        using (var session = new InferenceSession(Model, With(device) with { Mode = mode }))
        {
            Run(session);
            int regions = device.RegionRuns;
            int cancelled = 0;
            for (int i = 0; i < regions; i++)
            {
                using var cancellation = new CancellationTokenSource();
                int before = i;
                device.BeforeWork = () => { if (before-- == 0) cancellation.Cancel(); };
                try
                {
                    using RunResult result = session.Run(Given(Image), cancellation.Token);
                    Assert.Equal(Expected, Bytes(result)); // only a layer after which nothing is left to begin
                }
                catch (OperationCanceledException)
                {
                    cancelled++;
                }
            }
            Assert.True(cancelled > 0);
            device.BeforeWork = null;
            Assert.Equal(Expected, Run(session));
        }
        Assert.Equal(0, device.Live);
    }

    [Fact]
    public void Regions_beside_split_layers_start_after_both_sides()
    {
        using var device = new CpuDevice();
        using (var session = new InferenceSession(Model, With(device, 0.5, "Conv") with { OffloadAll = true, ArenaCheck = ArenaCheck.Poisoned }))
        {
            for (int run = 0; run < 5; run++) Assert.Equal(Expected, Run(session));
            PlanReport plan = session.Explain(Given(Image));
            Assert.Contains(plan.Branches, b => b.Device == "device");
            Assert.Contains(plan.Branches, b => b.Device == "cpu+device");
        }
        Assert.Equal(0, device.Live);
    }

    [Fact]
    public void A_steady_run_allocates_nothing_of_the_runtimes()
    {
        using CpuDevice device = Device();
        using var session = new InferenceSession(Model, With(device));
        Dictionary<string, Datum> inputs = Given(Image);
        using RunResult first = session.Run(inputs);
        Dictionary<string, Tensor> outputs = first.ToDictionary(o => o.Key, o => ((Tensor)o.Value).Clone());
        for (int i = 0; i < 20; i++) session.Run(inputs, outputs);
        Assert.Equal(0, ProcessMemory.LeastAllocated(10, () => session.Run(inputs, outputs)));
        device.FailAtRegion = device.RegionRuns; // the twins do not allocate either
        for (int i = 0; i < 20; i++) session.Run(inputs, outputs);
        Assert.Equal(0, ProcessMemory.LeastAllocated(10, () => session.Run(inputs, outputs)));
    }

    public static TheoryData<string> ZooNames => [.. ZooCatalog.Entries.Select(e => e.Name)];

    [Theory]
    [MemberData(nameof(ZooNames))]
    public void The_zoo_with_every_layer_split(string name)
    {
        ZooEntry entry = ZooCatalog.Find(name);
        byte[] model = entry.Build(new ZooOptions(Dynamic: true)).ToBytes();
        using var whole = new InferenceSession(model, new SessionOptions { Threads = 2 });
        Dictionary<string, Datum> inputs = whole.Inputs.ToDictionary(i => i.Name, i => (Datum)Seeded(i, entry));
        using RunResult expected = whole.Run(inputs);
        using var device = new CpuDevice(sharesMemory: name.Length % 2 == 0) { Refuses = n => IsLayer(n) ? null : "no layer" };
        using (var session = new InferenceSession(model, With(device, 0.6)))
        {
            for (int run = 0; run < 2; run++)
            {
                using RunResult result = session.Run(inputs);
                Assert.Equal(Bytes(expected), Bytes(result));
            }
            Assert.True(device.RegionRuns > 10, $"{device.RegionRuns} split layers ran");
            Assert.Empty(session.Warnings);
        }
        Assert.Equal(0, device.Live);
    }

    private static Tensor Seeded(ValueInfo input, ZooEntry entry)
    {
        var small = new Dictionary<string, long> { ["batch"] = 1, ["height"] = 64, ["width"] = 96, ["tokens"] = 5, ["past"] = 7, ["sequence"] = 9 };
        long[] dims = [.. input.Shape!.Value.Select(d => d.Substitute(small).Value)];
        var random = new Random(3);
        long limit = entry.IntegerLimits.GetValueOrDefault(input.Name, 2);
        return input.DType == DType.Int64
            ? Tensor.From([.. Enumerable.Range(0, (int)Shape.Count(dims)).Select(_ => random.NextInt64(limit))], dims)
            : Tensor.From([.. Enumerable.Range(0, (int)Shape.Count(dims)).Select(_ => random.NextSingle())], dims);
    }
}
