using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using Parallax.Graphs;
using Parallax.OpenCL;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Calibration;
using Parallax.Runtime.Cpu;

namespace Parallax.Bench.CoExecution;

/// <summary>
/// Layers of the zoo's networks on one worker of the CPU, on an OpenCL device, and split between both: at every tenth of the channels and of the rows, and where the planner splits them by
/// predictors that were trained on other layers. All ways to run a layer take turns. POCL_MAX_PTHREAD_COUNT=1 makes PoCL a device as large as one worker.
/// </summary>
internal sealed class CoExecutionEvaluation : IDisposable
{
    private const int GridParts = 10, MinRounds = 7, MaxRounds = 400, WarmingRounds = 2;
    private static readonly TimeSpan Warming = TimeSpan.FromSeconds(10);

    private readonly CoExecutionOptions options;
    private readonly LoadedProfile profile;
    private readonly ClBackend backend = ClBackend.Open();
    private readonly AcceleratorModel device;
    private readonly IRegionBackend planned;
    private readonly HashSet<WorkShape> trained;
    private readonly CacheSweep sweep;

    private CoExecutionEvaluation(CoExecutionOptions options)
    {
        this.options = options;
        profile = DeviceProfiles.Load(options.Profile);
        device = profile.Profile.Accelerator(backend.Name, backend.Description)
            ?? throw new InvalidInputException($"{profile.Note}: {backend.Description} was not calibrated; 'parallax calibrate --device opencl' does that");
        planned = new SessionDevice(backend, device, new HashSet<string>()).For(_ => null);
        trained = Trained(profile.Path!);
        sweep = new CacheSweep(backend);
    }

    /// <exception cref="InvalidInputException">The call is wrong, or the device was not calibrated.</exception>
    internal static void Run(ReadOnlySpan<string> args)
    {
        using var evaluation = new CoExecutionEvaluation(CoExecutionOptions.Read(args));
        evaluation.Run();
    }

    private void Run()
    {
        Console.WriteLine($"one worker of {DeviceProfiles.Machine}; {backend.Description}");
        Console.WriteLine($"profile {profile.Path}, {trained.Count} problems measured for it");
        PrintMissing("the CPU", profile.Profile.Cpu.Predictors);
        PrintMissing(backend.Name, device.Predictors);
        SharingCosts[] sharing = SharingCosts.MeasureAll(backend.Device);
        SharingCosts.Print(Console.Out, sharing);
        LayerShape[] shapes = Select();
        MakeWarm(shapes);
        var results = new List<LayerTimes>();
        var all = Stopwatch.StartNew();
        foreach (LayerShape shape in shapes)
        {
            Progress($"{results.Count} of {shapes.Length} layers, {all.Elapsed.TotalSeconds:0} s: {shape.Network} {shape}");
            results.Add(Measure(shape, options.Seconds));
        }
        Progress("");
        CoExecutionReport.Print(Console.Out, results);
        if (options.Json is { } path) WriteJson(path, sharing, results);
    }

    private static void PrintMissing(string side, ImmutableArray<LatencyPredictor> predictors)
    {
        foreach (OpClass kind in (OpClass[])[OpClass.Dense, OpClass.Convolution])
            if (!predictors.Any(p => p.Kind == kind)) Console.WriteLine($"no predictor of {kind} on {side}: constants speak there; calibrate for longer, or on a quieter machine");
    }

    /// <summary>Of each family, layers that can be split and that no predictor was trained on, evenly over the amount of work.</summary>
    private LayerShape[] Select()
    {
        IReadOnlyList<LayerShape> all = LayerShape.OfTheZoo();
        LayerShape[] splittable = [.. all.Where(IsSplittable)], unseen = [.. splittable.Where(l => !trained.Contains(l.Work.Extents))];
        if (options.Layers is { } named) return [.. named.Select(n => splittable.FirstOrDefault(l => l.ToString() == n) ?? throw new InvalidInputException($"--layers {n}: no network has such a layer that can be split; they are\n{string.Join('\n', splittable.Select(l => l.ToString()))}"))];
        var chosen = new List<LayerShape>();
        foreach (LayerFamily family in Enum.GetValues<LayerFamily>())
        {
            LayerShape[] of = [.. unseen.Where(l => l.Family == family)];
            int count = Math.Min(of.Length, options.Shapes);
            chosen.AddRange(Enumerable.Range(0, count).Select(i => of[count == 1 ? of.Length - 1 : i * (of.Length - 1) / (count - 1)]));
            Console.WriteLine($"{family}: {all.Count(l => l.Family == family)} distinct layers, {splittable.Count(l => l.Family == family)} can be split, {of.Length} of them were not trained on, {count} are measured");
        }
        return [.. chosen];
    }

    private bool IsSplittable(LayerShape shape)
    {
        (Graph graph, Node node) = LayerOf(shape);
        return planned.WhyNot(graph, node) is null && OutputAxes.Of(graph, node).Any(axis => planned.SplitGranule(graph, node, axis) is { } granule && granule < OutputAxes.ExtentOf(graph, node, axis));
    }

    private static (Graph Graph, Node Node) LayerOf(LayerShape shape)
    {
        Graph graph = shape.Build();
        return (graph, graph.Nodes.Single(n => n.Name == LayerShape.Layer));
    }

    /// <summary>What a predictor can tell of the problems that were measured for the profile, whether they trained it or told its accuracy.</summary>
    private static HashSet<WorkShape> Trained(string profile)
    {
        string path = MeasurementLog.PathFor(profile);
        if (!File.Exists(path)) throw new InvalidInputException($"{path}: missing; without it nobody knows which layers the predictors were trained on");
        return [.. File.ReadLines(path).Select(l => Measurement.FromLine(l)?.Sample?.Work.Extents).OfType<WorkShape>()];
    }

    /// <summary>The runtime compiles what is called often, late and behind the program's back.</summary>
    private void MakeWarm(LayerShape[] shapes)
    {
        Progress("warming up");
        var all = Stopwatch.StartNew();
        for (int i = 0; all.Elapsed < Warming && i < shapes.Length; i++) Measure(shapes[^(1 + i * 7 % shapes.Length)], seconds: 0.5);
    }

    private LayerTimes Measure(LayerShape shape, double seconds)
    {
        var common = new SessionOptions { Threads = 1, DeviceProfile = options.Profile, Exclude = [LayerShape.Beside] };
        SessionOptions both = common with { Backends = [backend] };
        var ways = new List<(LayerCut Cut, LayerRun Run, bool OnGrid)>();
        try
        {
            Add(LayerCut.OnDevice, new LayerRun(shape, both with { OffloadAll = true }), onGrid: true);
            foreach (OutputAxis axis in Enum.GetValues<OutputAxis>())
                for (int part = 1; part < GridParts; part++)
                {
                    var run = new LayerRun(shape, both with { Splits = [new LayerSplit(LayerShape.Layer, part / (double)GridParts) { Axis = axis }] });
                    Add(run.Cut, run, onGrid: true);
                }
            var own = new LayerRun(shape, both with { EachForItself = true });
            LayerCut chosen = own.Cut ?? (own.Plan.Joint!.Operators.Single(o => o.Name == LayerShape.Layer).Side == Side.Device ? LayerCut.OnDevice : LayerCut.OnCpu);
            if (own.Cut is null) own.Dispose();
            else Add(chosen, own, onGrid: false);
            Add(LayerCut.OnCpu, new LayerRun(shape, common with { Exclude = [] }), onGrid: true);
            int rounds = TakeTurns([.. ways.Select(w => w.Run)], CacheSweep.Matters(shape.Work) ? sweep : null, seconds);
            (Graph graph, Node node) = LayerOf(shape);
            CutTimes[] cuts = [.. ways.Select(w => new CutTimes(w.Cut, w.Run.Times, PredictCpuUs(shape.Work, graph, node, w.Cut), PredictDeviceUs(shape.Work, graph, node, w.Cut)))];
            return new LayerTimes(shape.Network, shape.Family, shape.ToString(), shape.Work.Macs, chosen, cuts, [.. ways.Select(w => w.OnGrid)], rounds);
        }
        finally
        {
            foreach ((_, LayerRun run, _) in ways) run.Dispose();
        }

        void Add(LayerCut? cut, LayerRun run, bool onGrid)
        {
            if (cut is not { } known || ways.Any(w => w.Cut == known)) run.Dispose();
            else ways.Add((known, run, onGrid));
        }
    }

    /// <returns>How often each ran.</returns>
    private static int TakeTurns(LayerRun[] runs, CacheSweep? sweep, double seconds)
    {
        for (int round = 0; round < WarmingRounds; round++)
            foreach (LayerRun run in runs) run.Run();
        foreach (LayerRun run in runs) run.Forget();
        int rounds = 0;
        for (var all = Stopwatch.StartNew(); rounds < MaxRounds && (rounds < MinRounds || all.Elapsed.TotalSeconds < seconds); rounds++)
            for (int i = 0; i < runs.Length; i++)
            {
                sweep?.Run(1); // a network reads its weights once
                runs[(rounds + i) % runs.Length].Run(); // nobody always follows the same other
            }
        foreach (LayerRun run in runs) run.CheckDevice();
        return rounds;
    }

    private double PredictCpuUs(StepWork work, Graph graph, Node node, LayerCut cut)
    {
        if (cut == LayerCut.OnDevice) return 0;
        if (!cut.IsSplit) return profile.Profile.Cpu.PredictUs(work, kernel: CpuKernels.FactsOf(graph, node, strict: false));
        return device.Sync!.HandOverUs(planned.KernelOf(graph, node, cut.OfDevice)) + profile.Profile.Cpu.PredictUs(work.Part(cut.Cut, cut.Extent, cut.Axis), kernel: CpuKernels.FactsOf(graph, node, strict: false, cut.OfCpu));
    }

    private double PredictDeviceUs(StepWork work, Graph graph, Node node, LayerCut cut)
    {
        if (cut == LayerCut.OnCpu) return 0;
        double us = cut.IsSplit
            ? device.StepUs(work.Part(cut.Extent - cut.Cut, cut.Extent, cut.Axis), planned.KernelOf(graph, node, cut.OfDevice))
            : device.StepUs(work, planned.KernelOf(graph, node));
        return device.Sync!.DispatchUs + us + device.Sync.ToCpuUs;
    }

    private void WriteJson(string path, SharingCosts[] sharing, List<LayerTimes> results)
    {
        using FileStream stream = File.Create(path);
        JsonSerializer.Serialize(stream, new { Machine = DeviceProfiles.Machine, Device = backend.Description, Profile = profile.Path, Sharing = sharing, Layers = results }, JsonForm);
    }

    private static JsonSerializerOptions JsonForm { get; } = new()
    {
        WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase, Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private static void Progress(string text)
    {
        if (!Console.IsErrorRedirected) Console.Error.Write($"\r{(text.Length > 110 ? text[..110] : text),-110}{(text.Length == 0 ? "\r" : "")}");
    }

    public void Dispose()
    {
        sweep.Dispose();
        backend.Dispose();
    }
}
