using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Calibration;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>Sampling and training, on devices whose times are known, and once on the real ones, where no time decides anything.</summary>
public sealed class CalibrationTests : IDisposable
{
    private const double SyncUs = 12;

    private readonly string folder = Directory.CreateTempSubdirectory("calibration").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    /// <summary>A device that computes nothing, and whose times are waves of tiles, or the memory's.</summary>
    private sealed class KnownDevice(string name, int[] units, double unitsPerUs, double bytesPerUs) : ITimedDevice
    {
        public string Name => name;

        public IReadOnlyList<int> Units => units;

        /// <summary>The run that is interrupted, counted from 0.</summary>
        internal int InterruptAt { get; init; } = -1;

        internal int Runs { get; private set; }

        internal static KernelFacts Kernel(in StepWork work)
        {
            WorkShape shape = work.Extents;
            long tile = shape.Columns < 16 ? 8 : 32;
            return new KernelFacts(tile == 8 ? "narrow" : "tiled", Math.Max(1, shape.Batch * Tiles(shape.Rows, 24) * Tiles(shape.Columns, tile)), 0, 24, tile);
        }

        internal double Us(in StepWork work, int workers)
        {
            KernelFacts kernel = Kernel(work);
            double waves = Math.Ceiling(kernel.Groups / (double)workers), perGroup = Math.Max(1, work.Units) / (double)kernel.Groups;
            return 0.3 + Math.Max(waves * perGroup / unitsPerUs * (kernel.Implementation == "narrow" ? 3 : 1), work.Bytes / bytesPerUs) + work.EpilogueResults / unitsPerUs;
        }

        public ITimedOperator? Prepare(Graph graph)
        {
            StepWork work = StepWork.Of(graph, graph.Nodes.Single());
            return work.Class == OpClass.Pooling ? null : new Operator(this, work);
        }

        private static long Tiles(long extent, long tile) => (extent + tile - 1) / tile;

        private sealed class Operator(KnownDevice device, StepWork work) : ITimedOperator
        {
            public KernelFacts Kernel => Kernel(work);

            public bool Occupies(int units) => units <= Kernel.Groups;

            public double RunUs(int units) => device.Runs++ == device.InterruptAt ? throw new OperationCanceledException() : device.Us(work, units);

            public void Dispose()
            {
            }
        }
    }

    private static KnownDevice Cpu => new("cpu", [1, 2, 4], 2e4, 1e4);

    private static KnownDevice Gpu => new("gpu", [8], 3e4, 3e4);

    private static void Sample(MeasurementLog log, IReadOnlyList<LatencyProblem> problems, params ITimedDevice[] devices) =>
        new LatencySampler(devices, log, _ => { }, default).Measure(problems, seconds: 1e9, turn: TimeSpan.Zero);

    private static IReadOnlyList<LatencyProblem> Products(int rounds, int seed) => [.. ProblemSampler.Take(rounds, seed).Where(p => p.Name.Contains("MatMul") || p.Name.Contains("Gemm") || p.Name.Contains("Conv"))];

    [Fact]
    public void Predictors_of_sampled_problems_split_layers_about_as_well_as_an_exhaustive_search()
    {
        using MeasurementLog log = MeasurementLog.InMemory("toy", 1);
        KnownDevice cpu = Cpu, gpu = Gpu;
        Sample(log, Products(20, 1), cpu, gpu);
        LatencyPredictor[] onCpu = Trained(cpu, 0.5), onGpu = Trained(gpu, 8);
        Assert.Equal([OpClass.Dense, OpClass.Convolution, OpClass.Depthwise], onCpu.Select(p => p.Kind));
        foreach (LatencyPredictor predictor in onCpu.Concat(onGpu))
        {
            double most = predictor.Kind == OpClass.Convolution ? 0.3 : 0.2; // convolutions are the hardest
            Assert.InRange(predictor.Accuracy.Mape, 0, most);
            Assert.InRange(predictor.Accuracy.P90, predictor.Accuracy.Mape / 4, 2.2 * most);
        }

        var regrets = new List<double>();
        foreach (LatencyProblem problem in Products(6, 2))
        {
            Graph graph = problem.Build();
            StepWork work = StepWork.Of(graph, graph.Nodes.Single());
            if (work.Extents.Groups > 1) continue;
            double best = double.PositiveInfinity, least = double.PositiveInfinity, chosen = 0;
            for (long columns = 0; columns <= work.Extents.Columns; columns = columns == work.Extents.Columns ? columns + 1 : Math.Min(columns + 8, work.Extents.Columns))
            {
                double truth = Us(work, columns, part => cpu.Us(part, 4) + 0.5, part => gpu.Us(part, 8) + 8);
                double predicted = Us(work, columns, part => Predict(onCpu, part, 4), part => Predict(onGpu, part, 8));
                best = Math.Min(best, truth);
                if (predicted < least) (least, chosen) = (predicted, truth);
            }
            regrets.Add(Math.Log(chosen / best));
        }
        Assert.InRange(Math.Exp(regrets.Average()), 1, 1.06);

        LatencyPredictor[] Trained(KnownDevice device, double dispatchUs) =>
            [.. PredictorTrainer.Train(log.Samples.Where(s => s.Device == device.Name), dispatchUs, s => s.Work.Macs / 1e4)];

        static double Predict(LatencyPredictor[] predictors, StepWork part, int units) => predictors.Single(p => p.Kind == LatencyPredictor.KindOf(part)).PredictUs(part, units, KnownDevice.Kernel(part));
    }

    /// <summary>The layer with so many of its columns on the CPU, the others on the device.</summary>
    private static double Us(StepWork work, long columns, Func<StepWork, double> onCpu, Func<StepWork, double> onDevice)
    {
        double cpuUs = columns == 0 ? 0 : onCpu(work.Part(columns, work.Extents.Columns)), deviceUs = columns == work.Extents.Columns ? 0 : onDevice(work.Part(work.Extents.Columns - columns, work.Extents.Columns));
        return Math.Max(cpuUs, deviceUs) + (cpuUs > 0 && deviceUs > 0 ? SyncUs : 0);
    }

    [Fact]
    public void An_interrupted_sampling_goes_on_to_the_same_samples()
    {
        IReadOnlyList<LatencyProblem> problems = ProblemSampler.Take(1, 3);
        string path = Path.Combine(folder, "whole.jsonl");
        KnownDevice whole = Cpu;
        string[] lines = Lines(path, log => Sample(log, problems, whole, Gpu));
        Assert.Contains(lines, l => l.Contains("skipped")); // pooling, and more workers than blocks

        for (int i = 0; i < 6; i++)
        {
            path = Path.Combine(folder, $"{i}.jsonl");
            using (MeasurementLog log = Open(path))
                Assert.Throws<OperationCanceledException>(() => Sample(log, problems, new KnownDevice("cpu", [1, 2, 4], 2e4, 1e4) { InterruptAt = whole.Runs * i / 6 }, Gpu));
            Assert.Equal(lines, Lines(path, log => Sample(log, problems, Cpu, Gpu)));
        }

        string text = File.ReadAllText(Path.Combine(folder, "whole.jsonl"));
        for (int i = 0; i < 12; i++)
        {
            path = Path.Combine(folder, $"torn{i}.jsonl");
            File.WriteAllText(path, text[..(text.Length * i / 12)]);
            Assert.Equal(lines, Lines(path, log => Sample(log, problems, Cpu, Gpu)));
        }
    }

    private static MeasurementLog Open(string path, string machine = "toy", int seed = 3, bool fresh = false) => MeasurementLog.Open(path, machine, seed, fresh);

    /// <summary>What is in the file afterwards; sorted, for a group that is torn apart is measured in another order.</summary>
    private static string[] Lines(string path, Action<MeasurementLog> measure)
    {
        using (MeasurementLog log = Open(path)) measure(log);
        return [.. File.ReadAllLines(path).Order(StringComparer.Ordinal)];
    }

    [Fact]
    public void A_shorter_sampling_is_the_beginning_of_a_longer_one_and_seeds_differ()
    {
        string[] few = [.. ProblemSampler.Take(1, 1).Select(p => p.Name)], many = [.. ProblemSampler.Take(3, 1).Select(p => p.Name)];
        Assert.Equal(ProblemSampler.RoundLength, few.Length);
        Assert.Equal(few, many[..few.Length]);
        Assert.Equal(many.Length, many.Distinct().Count());
        Assert.NotEqual(few, ProblemSampler.Take(1, 2).Select(p => p.Name));
        HashSet<OpClass> classes = [.. ProblemSampler.Take(3, 1).Select(p => p.Build()).Select(g => StepWork.ClassOf(g, g.Nodes.Single()))];
        Assert.Equal(Enum.GetValues<OpClass>().Except([OpClass.View, OpClass.ControlFlow]), classes.Order());
    }

    [Fact]
    public void Measurements_of_others_and_damaged_ones_are_refused_in_one_line()
    {
        string path = Path.Combine(folder, "log.jsonl");
        using (MeasurementLog log = Open(path)) log.Add(new Measurement(Cpu: new MeasuredCpu(2, CostModel.Default)), new Measurement(Skipped: new SkippedSample("a", "b", 1)));
        using (MeasurementLog log = Open(path)) Assert.True(log.Has("a", "b", 1) && log.Cpu(2) is not null && log.Cpu(4) is null);
        string text = File.ReadAllText(path);
        Refused(text, "another machine", machine: "other");
        Refused(text, "seed 3", seed: 4);
        Refused(text.Replace($"\"format\":{MeasurementHeader.CurrentFormat}", "\"format\":99"), "format 99");
        Refused(text.Replace("\"workers\":2", "\"workers\":-2"), "line 2");
        Refused("some text\n", "line 1");
        Refused(text[(text.IndexOf('\n') + 1)..], "holds no measurements");
        Assert.Contains("is a folder", Assert.Throws<InvalidInputException>(() => Open(folder)).Message);

        using (MeasurementLog log = Open(path, fresh: true)) Assert.False(log.Has("a", "b", 1));
        Assert.False(File.Exists(path));

        void Refused(string contents, string why, string machine = "toy", int seed = 3)
        {
            File.WriteAllText(path, contents);
            string message = Assert.Throws<InvalidInputException>(() => Open(path, machine, seed)).Message;
            Assert.Contains(why, message);
            Assert.StartsWith(path, message);
            Assert.DoesNotContain('\n', message);
            Assert.Equal(contents, File.ReadAllText(path));
        }
    }

    /// <summary>A device of one kernel, whose time depends on the size of its work-groups alone.</summary>
    /// <param name="us">By size, null for the rule, and by the number of the run.</param>
    private sealed class SizedDevice(Func<WorkGroupSize?, int, double> us) : ITunedDevice
    {
        private static readonly GridClass Grid = new(16, 256, 1);

        internal List<ImmutableArray<TunedWorkGroup>> Tables { get; } = [];

        internal int Live { get; private set; }

        /// <summary>The longest graph.</summary>
        internal int Copies { get; private set; }

        public string Name => "sized";

        public ImmutableArray<TunableLaunch> LaunchesOf(Graph graph) =>
            graph.Nodes.First().Op is Graphs.Ops.Pool ? [] : [new TunableLaunch("kernel", Grid, [.. Enumerable.Range(0, 40).Select(i => new WorkGroupSize(1 << i % 8, 1 << i / 8, 1))])];

        public ITimedGraph? Prepare(Graph graph, ImmutableArray<TunedWorkGroup> workGroups)
        {
            Tables.Add(workGroups);
            Copies = Math.Max(Copies, graph.NodeCount);
            Live++;
            return new Timed(this, workGroups is [.., var last] ? last.Size : null, graph.NodeCount);
        }

        private sealed class Timed(SizedDevice device, WorkGroupSize? size, int copies) : ITimedGraph
        {
            private int runs;

            public double RunUs() => copies * device.Us(size, runs++);

            public void Dispose() => device.Live--;
        }

        private double Us(WorkGroupSize? size, int run) => us(size, run);
    }

    private static ImmutableArray<TunedWorkGroup> Tune(SizedDevice device, double seconds = 1e9)
    {
        ImmutableArray<TunedWorkGroup> table = new WorkGroupTuner(device, _ => { }, default).Tune(WorkGroupTuner.Problems, seconds);
        Assert.Equal(0, device.Live);
        return table;
    }

    [Fact]
    public void A_slow_rule_is_replaced_by_the_fastest_size()
    {
        var device = new SizedDevice((size, run) => (size is { X: 8, Y: 2 } ? 30 : size is { X: 8 } ? 40 : 60) + 5 * (run % 7));
        TunedWorkGroup tuned = Assert.Single(Tune(device));
        Assert.Equal(("kernel", new GridClass(16, 256, 1), new WorkGroupSize(8, 2, 1)), (tuned.Kernel, tuned.Grid, tuned.Size));
        Assert.Equal(2, tuned.Speedup, 6);
        Assert.True(device.Copies > 10); // what is short is run several times at once
        Assert.All(device.Tables, table => Assert.InRange(table.Length, 0, 1));
    }

    [Fact]
    public void Nothing_is_chosen_that_is_not_clearly_and_repeatedly_faster()
    {
        Assert.Empty(Tune(new SizedDevice((size, _) => size is null ? 1000 : 980)));
        Assert.Empty(Tune(new SizedDevice((size, run) => size is null ? 1000 : run < 5 ? 500 : 1000))); // fast while it is tried
        Assert.Empty(Tune(new SizedDevice((size, run) => size is null ? 1000 : run < 15 ? 500 : 1000))); // fast until the last turn
        Assert.Empty(Tune(new SizedDevice((size, run) => size is null ? 1000 : 500 + 100 * (run % 10)))); // hardly ever fast
        Assert.Empty(Tune(new SizedDevice((size, run) => size is null && run > 4 ? 2000 : 1000))); // the rule was slowed down by something else
        Assert.Single(Tune(new SizedDevice((size, run) => size is null ? 1000 : run < 10 ? 960 : 950)));
    }

    [Fact]
    public void Sizes_that_a_device_refuses_are_passed_over_and_without_time_the_rule_stays()
    {
        Assert.Equal(4, Assert.Single(Tune(new SizedDevice((size, _) => size is { X: > 4 } ? throw new DeviceException("too many registers") : size is { X: 4 } ? 500 : 1000))).X);
        Assert.Empty(Tune(new SizedDevice((_, _) => throw new DeviceException("broken"))));
        Assert.Empty(Tune(new SizedDevice((size, _) => size is null ? 1000 : 10), seconds: 0));
        var interrupted = new SizedDevice((size, run) => size is null ? 1000 : run == 2 ? throw new OperationCanceledException() : 10);
        Assert.Throws<OperationCanceledException>(() => Tune(interrupted));
        Assert.Equal(0, interrupted.Live);
    }

    [Fact]
    public void A_profile_at_the_default_place_is_taken_if_it_is_this_machines_and_of_this_version()
    {
        string path = Path.Combine(folder, "profile.json");
        Assert.StartsWith($"assumed constants: no {path}", DeviceProfiles.AtDefault(path).Note);
        Assert.Equal((path, "measured on this machine"), Written(new DeviceProfile(DeviceProfiles.Machine, 2, CostModel.Default, []).ToJson()));
        Assert.Equal((null, $"assumed constants: {path} was measured on another machine and is ignored: other"), Written(new DeviceProfile("other", 2, CostModel.Default, []).ToJson()));
        (string? from, string note) = Written((new DeviceProfile(DeviceProfiles.Machine, 2, CostModel.Default, []) { Version = 1 }).ToJson());
        Assert.Null(from);
        Assert.Contains("version 1", note);
        Assert.Contains("is ignored", note);
        string message = Assert.Throws<InvalidInputException>(() => Written("{\"machine\":")).Message;
        Assert.StartsWith($"{path}: not a device profile", message);
        Assert.DoesNotContain('\n', message);

        (string?, string) Written(string text)
        {
            File.WriteAllText(path, text);
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddSeconds(++writes)); // profiles are known by their times
            LoadedProfile loaded = DeviceProfiles.AtDefault(path);
            return (loaded.Path, loaded.Note);
        }
    }

    private int writes;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_processor_and_a_device_are_measured_and_the_profile_decides_about_regions(bool sharesMemory)
    {
        string path = Path.Combine(folder, "profile.json");
        using var device = new CpuDevice(sharesMemory: sharesMemory);
        using InferenceSession model = Model(new SessionOptions());
        var options = new CalibrationOptions { Workers = 2, Seconds = 0.05, Rounds = 1, Backends = [device], Models = [(model, new() { ["x"] = Tensor.Zeros(DType.Float32, [1, 8, 12, 12]) })] };
        DeviceProfile profile;
        using (MeasurementLog log = MeasurementLog.Open(MeasurementLog.PathFor(path), DeviceProfiles.Machine, 1, fresh: false))
        {
            CalibrationResult result = Calibration.Run(options, log, _ => { });
            Assert.InRange(result.Sampling.Problems, ProblemSampler.RoundLength + 1, ProblemSampler.RoundLength + model.Graph.NodeCount);
            foreach (string name in (string[])["cpu", "device: a thread"]) Assert.Contains(log.Samples, s => s.Device == name);
            profile = result.Profile;
        }
        AcceleratorModel measured = Assert.Single(profile.Accelerators);
        Assert.Equal(("device", "a thread"), (measured.Name, measured.Device));
        Assert.True(measured.LatencyUs > 0 && measured.MacsPerSecond > 0 && measured.BytesPerSecond > 0);
        Assert.InRange(measured.Sync!.ToCpuUs, 0, measured.LatencyUs);
        Assert.True(measured.Sync is { DispatchUs: > 0, ToDeviceUs: 0 });
        Assert.Equal(0, device.Live);

        AcceleratorModel slow = measured with { LatencyUs = 1e9, Sync = measured.Sync with { DispatchUs = 1e9 } };
        File.WriteAllText(path, (profile with { Accelerators = [slow] }).ToJson());
        Assert.DoesNotContain(Plan(path).Branches, b => b.Device == "device");
        File.WriteAllText(path, (profile with { Accelerators = [slow with { Device = "another thread" }] }).ToJson());
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddSeconds(5));
        Assert.Contains(Plan(path).Branches, b => b.Device == "device"); // what was measured of another device says nothing of this one

        PlanReport Plan(string profilePath)
        {
            using InferenceSession session = Model(new SessionOptions { Backends = [device], DeviceProfile = profilePath, Threads = 2 });
            return session.Plan;
        }

        static InferenceSession Model(SessionOptions options) => new(BranchyNetwork.Build(1), options with { Dimensions = new Dictionary<string, long> { ["h"] = 12, ["w"] = 12 } });
    }
}
