using System.Diagnostics;
using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime.Calibration;

/// <summary>
/// A device beside the CPU, an operator at a time in a region of its own. As on the CPU, constants are put out of the caches before each run; what the operator reads
/// beside them was last touched by the CPU.
/// </summary>
/// <param name="measured">Its constants: what they say of dispatch and transfer is no part of an operator's time.</param>
internal sealed class BackendTimedDevice(IBackend backend, AcceleratorModel measured) : ITimedDevice, IDisposable
{
    /// <summary>A region cannot take less than its dispatch: what is left when noise says so.</summary>
    private const double LeastUs = 0.05;

    private readonly CacheSweep sweep = new(backend);

    public string Name { get; } = NameOf(measured);

    /// <summary>The device of samples: one that shares memory in another way is another one.</summary>
    internal static string NameOf(AcceleratorModel model) => $"{model.Name}: {model.Device}";

    public IReadOnlyList<int> Units { get; } = [measured.Units];

    public ITimedOperator? Prepare(Graph graph)
    {
        Node node = graph.Nodes.Single();
        if (StepWork.ClassOf(graph, node) == OpClass.View || TimedRegion.TryCompile(backend, graph) is not { } region) return null;
        return new Operator(region, backend.KernelOf(graph, node), measured.LatencyUs + measured.TransferUs(region.BoundaryBytes), CacheSweep.Matters(StepWork.Of(graph, node)) ? sweep : null);
    }

    public void Dispose() => sweep.Dispose();

    private sealed class Operator(TimedRegion region, KernelFacts kernel, double aroundUs, CacheSweep? sweep) : ITimedOperator
    {
        public KernelFacts Kernel => kernel;

        public bool Occupies(int units) => true; // how its units share the work is the device's affair

        public double RunUs(int units)
        {
            if (sweep is not null)
            {
                sweep.Run(1);
                region.TouchInputs();
            }
            return Math.Max(LeastUs, region.Run().AllUs - aroundUs);
        }

        public void Dispose() => region.Dispose();
    }
}

/// <summary>A whole graph as one region of a device, in memory of its own.</summary>
internal sealed class TimedRegion : ITimedGraph
{
    /// <summary>Long enough for a driver to go to sleep: waking it is a part of a dispatch.</summary>
    private static readonly TimeSpan Idle = TimeSpan.FromMicroseconds(100);

    private readonly Cpu.WeightCache weights = new(Precision.Standard);
    private readonly Dictionary<ValueId, int> placeOf = [];
    private readonly List<RegionPlace> places = [];
    private readonly Graph graph;
    private long[] offsets = [];
    private Storage? arena;
    private ICompiledRegion? compiled;
    private IRegionCall? call;

    private TimedRegion(Graph graph) => this.graph = graph;

    /// <summary>Null where the device does not support all of the graph, or cannot compile or hold it.</summary>
    internal static TimedRegion? TryCompile(IBackend backend, Graph graph)
    {
        Node[] nodes = [.. graph.TopologicalOrder()];
        if (nodes.Any(n => n.Inputs.Concat(n.Outputs).Any(v => !v.IsNone && graph.TensorFact(v) is not { IsStatic: true }) || backend.WhyNot(graph, n) is not null)) return null;
        var region = new TimedRegion(graph);
        try
        {
            region.Compile(backend, nodes);
            return region;
        }
        catch (DeviceException)
        {
            region.Dispose();
            return null;
        }
        catch
        {
            region.Dispose();
            throw;
        }
    }

    internal long BoundaryBytes => places.Where(p => p.IsInput || p.IsOutput).Sum(p => p.ByteCount);

    /// <summary>Runs the region once, the CPU asking for its end without pause. The device had nothing to do for a while before, as in a network where the CPU works too.</summary>
    /// <returns>The time to hand it over, and the time from then to its end, which includes that.</returns>
    internal (double SubmitUs, double AllUs) Run()
    {
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < Idle) Thread.SpinWait(8);
        start = Stopwatch.GetTimestamp();
        Begin();
        long handedOver = Stopwatch.GetTimestamp();
        End();
        return (Stopwatch.GetElapsedTime(start, handedOver).TotalMicroseconds, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
    }

    public double RunUs() => Run().AllUs;

    internal void Begin() => call!.Enqueue();

    /// <summary>Waits for the region, asking for its end without pause.</summary>
    internal void End()
    {
        while (!call!.IsDone) Thread.SpinWait(1);
    }

    /// <summary>Brings what the region reads into the CPU's caches, as an operator that wrote it just before would have.</summary>
    internal void TouchInputs()
    {
        for (int i = 0; i < places.Count; i++)
            if (places[i].IsInput) CacheSweep.Touch(arena!.Address + (nint)offsets[i], places[i].ByteCount);
    }

    private void Compile(IBackend backend, Node[] nodes)
    {
        var outputs = graph.Outputs.Select(o => o.Value).ToHashSet();
        foreach (ValueId input in graph.Inputs) AddPlace(input, isInput: true, isOutput: false);
        foreach (ValueId output in nodes.SelectMany(n => n.Outputs))
            if (!output.IsNone) AddPlace(output, isInput: false, outputs.Contains(output));
        var described = nodes.Select(n => new RegionNode(n, [.. n.Inputs.Select(OperandOf)], [.. n.Outputs.Select(OperandOf)]));
        compiled = backend.Compile(new DeviceRegion("calibration", graph, [.. described], [.. places], weights));
        offsets = new long[places.Count];
        long end = 0;
        for (int i = 0; i < offsets.Length; i++, end += MemoryProblem.Align(places[i - 1].ByteCount)) offsets[i] = end;
        arena = backend.Allocator is { } allocator ? allocator.Allocate(end) : new Memory.NativeStorage(end);
        foreach ((ValueId id, Tensor data) in CalibrationProblem.Data(graph))
        {
            data.Bytes.CopyTo(arena.Slice(offsets[placeOf[id]], checked((int)data.ByteCount)));
            data.Dispose();
        }
        call = compiled.CreateCall(arena, offsets);
    }

    private void AddPlace(ValueId id, bool isInput, bool isOutput)
    {
        placeOf.Add(id, places.Count);
        places.Add(new RegionPlace(CostOf.Bytes(graph.Fact(id)).Value, isInput, isOutput));
    }

    private RegionOperand? OperandOf(ValueId id) => id.IsNone ? null : graph.Constant(id) is { } constant ? new RegionOperand(-1, constant) : new RegionOperand(placeOf[id], null);

    public void Dispose()
    {
        call?.Dispose();
        compiled?.Dispose();
        arena?.Dispose();
        weights.Dispose();
    }
}
