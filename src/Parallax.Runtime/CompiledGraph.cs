using Parallax.Graphs;
using Parallax.Runtime.Compilation;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Execution;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime;

/// <summary>
/// A graph that can run: a model's, or the body of a control-flow operator. Keeps a bounded number of plans, one per set of input shapes;
/// when shapes keep changing, one plan that leaves the changing dims open serves them all. Thread-safe.
/// </summary>
internal sealed class CompiledGraph : IDisposable
{
    /// <summary>So many sets of shapes get plans of their own before the changing dims are left open; fewer for a body, which meets one set per iteration.</summary>
    private const int MaxExactPlans = 6, MaxExactBodyPlans = 2;

    /// <summary>So many plans are kept; the one that was used least recently goes first.</summary>
    internal const int MaxPlans = 24;

    /// <summary>A new plan is made with no more than so much memory idle in the others.</summary>
    private const long MaxIdleBytes = 128 << 20;

    private readonly Graph graph;
    private readonly WeightCache weights;
    private readonly Dictionary<Graph, CompiledGraph> bodies;
    private readonly RunSettings settings;
    private readonly Lock gate = new();
    private PlanEntry[] entries = [];

    /// <param name="bodies">Compiled bodies of the whole model, shared by all its graphs.</param>
    internal CompiledGraph(Graph graph, WeightCache weights, RunSettings settings, Dictionary<Graph, CompiledGraph>? bodies = null)
    {
        this.graph = graph;
        this.weights = weights;
        this.settings = settings;
        this.bodies = bodies ?? [];
    }

    internal Graph Graph => graph;

    internal int OutputCount => graph.Outputs.Count;

    internal RunSettings Settings => settings;

    /// <summary>Computes the outputs. An output that is not null is a caller's buffer of the right type and shape; the others are allocated.</summary>
    /// <param name="outer">For a body, the region of the run around it: see <see cref="RunState.Run"/>.</param>
    internal void Run(ReadOnlySpan<Datum?> inputs, Span<Datum?> outputs, CancellationToken cancellation, RunRegion? outer = null)
    {
        using ExecutionPlan plan = HoldPlan(inputs);
        RunOn(plan, inputs, outputs, outer, recorder: null, cancellation);
    }

    /// <summary>As <see cref="Run"/>, and notes when each step ran.</summary>
    internal StepRecorder RunRecorded(ReadOnlySpan<Datum?> inputs, Span<Datum?> outputs, CancellationToken cancellation, RunRegion? outer = null)
    {
        using ExecutionPlan plan = HoldPlan(inputs);
        var recorder = new StepRecorder(plan);
        RunOn(plan, inputs, outputs, outer, recorder, cancellation);
        return recorder;
    }

    private void RunOn(ExecutionPlan plan, ReadOnlySpan<Datum?> inputs, Span<Datum?> outputs, RunRegion? outer, StepRecorder? recorder, CancellationToken cancellation)
    {
        RunState run = plan.Rent(settings, outer, cancellation);
        try
        {
            run.Recorder = recorder;
            run.Run(inputs, outputs, outer, cancellation);
        }
        finally
        {
            plan.Return(run, settings, outer);
        }
    }

    private ExecutionPlan HoldPlan(ReadOnlySpan<Datum?> inputs)
    {
        while (true)
        {
            ExecutionPlan plan = PlanFor(inputs);
            if (plan.TryHold()) return plan; // else it was dropped in between
        }
    }

    /// <summary>Plans at hand.</summary>
    internal int PlanCount => Volatile.Read(ref entries).Length;

    internal ExecutionPlan PlanFor(ReadOnlySpan<Datum?> inputs) => Find(inputs) ?? AddPlan(inputs);

    private ExecutionPlan AddPlan(ReadOnlySpan<Datum?> inputs)
    {
        lock (gate)
        {
            if (Find(inputs) is { } other) return other;
            TrimIdle();
            PlanEntry made = MakeEntry(inputs);
            PlanEntry? dropped = entries.Length < MaxPlans ? null : entries.MinBy(e => e.LastUse);
            Volatile.Write(ref entries, [.. entries.Where(e => e != dropped), made]);
            dropped?.Plan.Dispose();
            return made.Plan;
        }
    }

    /// <summary>A plan that no run uses; the caller disposes it.</summary>
    internal ExecutionPlan BuildPlan(IReadOnlyList<Fact> facts, RunSettings planned) => PlanBuilder.Build(graph, facts, planned, weights, CompileBody);

    /// <summary>Frees the idle arenas of the plans that were used least recently.</summary>
    private void TrimIdle()
    {
        long idle = 0;
        foreach (PlanEntry entry in entries.OrderByDescending(e => e.LastUse))
            if ((idle += entry.Plan.IdleBytes()) > MaxIdleBytes) entry.Plan.Trim();
    }

    private ExecutionPlan? Find(ReadOnlySpan<Datum?> inputs)
    {
        foreach (PlanEntry entry in Volatile.Read(ref entries))
        {
            if (!entry.Matches(inputs)) continue;
            entry.LastUse = Environment.TickCount64;
            return entry.Plan;
        }
        return null;
    }

    private PlanEntry MakeEntry(ReadOnlySpan<Datum?> inputs)
    {
        InputPattern[] exact = [.. Patterns(inputs)];
        bool isExact = entries.Length < (settings.IsNested ? MaxExactBodyPlans : MaxExactPlans);
        InputPattern[] patterns = isExact ? exact : [.. exact.Select((p, i) => entries.Aggregate(p, (open, entry) => open.Open(entry.Patterns[i])))];
        ExecutionPlan plan = PlanBuilder.Build(graph, [.. patterns.Select((p, i) => p.Fact(graph, i))], settings, weights, CompileBody);
        return new PlanEntry(patterns, plan);
    }

    private static List<InputPattern> Patterns(ReadOnlySpan<Datum?> inputs)
    {
        var patterns = new List<InputPattern>();
        foreach (Datum? input in inputs)
            patterns.Add(input is Tensor tensor ? new InputPattern(tensor.DType, tensor.Dims.ToArray()) : new InputPattern(DType.Undefined, null));
        return patterns;
    }

    private CompiledGraph CompileBody(Graph body)
    {
        lock (bodies)
        {
            if (!bodies.TryGetValue(body, out CompiledGraph? compiled)) bodies[body] = compiled = new CompiledGraph(body, weights, settings with { IsNested = true }, bodies);
            return compiled;
        }
    }

    public void Dispose()
    {
        foreach (PlanEntry entry in entries) entry.Plan.Dispose();
        entries = [];
        lock (bodies)
        {
            CompiledGraph[] all = [.. bodies.Values];
            bodies.Clear();
            foreach (CompiledGraph body in all) body.Dispose();
        }
    }

    /// <summary>What a plan assumes of one input: its dims, -1 where any size will do; no dims where it is not a tensor.</summary>
    private sealed record InputPattern(DType Type, long[]? Dims)
    {
        internal bool Matches(Datum? datum)
        {
            if (datum is not Tensor tensor) return Dims is null;
            if (Dims is null || tensor.DType != Type || tensor.Rank != Dims.Length) return false;
            for (int i = 0; i < Dims.Length; i++)
                if (Dims[i] >= 0 && Dims[i] != tensor.Dims[i]) return false;
            return true;
        }

        internal InputPattern Open(InputPattern other) =>
            Dims is null || other.Dims is null || Dims.Length != other.Dims.Length ? this : this with { Dims = [.. Dims.Zip(other.Dims, (a, b) => a == b ? a : -1)] };

        internal Fact Fact(Graph graph, int input)
        {
            if (Dims is null) return graph.Fact(graph.Inputs[input]);
            return new TensorFact(Type, new Shape(Dims.Map((d, axis) => d >= 0 ? d : Dim.Symbol($"in{input}_{axis}"))));
        }
    }

    private sealed class PlanEntry(InputPattern[] patterns, ExecutionPlan plan)
    {
        private long lastUse = Environment.TickCount64;

        internal InputPattern[] Patterns => patterns;

        internal ExecutionPlan Plan => plan;

        internal long LastUse
        {
            get => Volatile.Read(ref lastUse);
            set => Volatile.Write(ref lastUse, value);
        }

        internal bool Matches(ReadOnlySpan<Datum?> inputs)
        {
            for (int i = 0; i < Patterns.Length; i++)
                if (!Patterns[i].Matches(inputs[i])) return false;
            return true;
        }
    }
}
