using System.Collections.Immutable;
using System.Diagnostics;
using Parallax.Graphs;
using Parallax.Graphs.Passes;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Compilation;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Execution;
using Parallax.Runtime.Memory;
using Parallax.Runtime.Reporting;

namespace Parallax;

/// <summary>
/// A model that is ready to run. Thread-safe: many callers may run one session at once, each run with memory of its own.
/// Inputs may have another shape at every run, within what the model declares.
/// </summary>
public sealed class InferenceSession : IDisposable
{
    private readonly ImportedModel model;
    private readonly CompiledGraph compiled;
    private readonly WeightCache weights;
    private readonly string[] inputNames, outputNames;
    private readonly Lock planGate = new();
    private PlanReport? plan;
    private int disposed;

    /// <summary>Loads a model file; its weights are mapped, not read.</summary>
    /// <exception cref="InvalidModelException">The file is missing, damaged, or no ONNX model.</exception>
    /// <exception cref="UnsupportedModelException">The model uses operators that are not supported; all are listed.</exception>
    public InferenceSession(string path, SessionOptions? options = null) : this(MappedFile.OpenModel(path), options)
    {
    }

    /// <summary>Loads a model from memory, which must not change while the session lives. External data is not available.</summary>
    public InferenceSession(byte[] model, SessionOptions? options = null) : this(ModelSource.FromBytes(model), options)
    {
    }

    /// <summary>Loads a model from a stream, read to its end.</summary>
    public InferenceSession(Stream model, SessionOptions? options = null) : this(ModelSource.FromStream(model), options)
    {
    }

    private InferenceSession(ModelSource source, SessionOptions? options) : this(Import(source), options)
    {
    }

    /// <summary>Takes over an imported model.</summary>
    public InferenceSession(ImportedModel model, SessionOptions? options = null)
    {
        this.model = model;
        Options = options ?? new SessionOptions();
        weights = new WeightCache(Options.Precision);
        try
        {
            if (Options.MemoryMargin is not (>= 0 and < 1)) throw new InvalidInputException($"the memory margin must be at least 0 and less than 1, got {Options.MemoryMargin}");
            if (Options.Threads < 0) throw new InvalidInputException($"threads must be 0 (all physical cores) or more, got {Options.Threads}");
            // Beside the graph's passes: reading a profile for the first time takes as long, most of it for code that is compiled.
            var profile = Task.Run(() => DeviceProfiles.Load(Options.DeviceProfile));
            int workers = Options.Threads == 0 ? Processor.PhysicalCores : Options.Threads;
            WorkerPool.Shared.EnsureWorkers(workers - 1);
            RewriteResult rewritten = Rewriter.Run(BindDimensions(model.Graph, Options.Dimensions), StandardPasses.Stages(new ConstantEvaluator()), Options.MaxRewrites);
            Fusions = rewritten.Fired;
            GraphChecker.Check(rewritten.Graph);
            OperatorSupport.Check(rewritten.Graph);
            SessionDevices.CheckNames(Options, [model.Graph, rewritten.Graph]);
            DeviceProfile = profile.GetAwaiter().GetResult();
            var settings = new RunSettings(WorkerPool.Shared, workers, Options.Mode, DeviceProfile.Profile.Cpu, new MemoryBudget(Options.MemoryBudgetBytes, Options.MemoryMargin))
            {
                Policy = Options.Policy, Precision = Options.Precision, PlansJointly = Options.JointPlanning, EachForItself = Options.EachForItself, ArenaCheck = Options.ArenaCheck, Accelerators = Options.Accelerators, Devices = SessionDevices.Of(Options, DeviceProfile.Profile), Splits = Options.Splits,
            };
            compiled = new CompiledGraph(rewritten.Graph, weights, settings);
            Inputs = [.. rewritten.Graph.Inputs.Select(i => Info(rewritten.Graph[i].Name, rewritten.Graph.Fact(i)))];
            Outputs = [.. rewritten.Graph.Outputs.Select(o => Info(o.Name, rewritten.Graph.Fact(o.Value)))];
            inputNames = [.. Inputs.Select(i => i.Name)];
            outputNames = [.. Outputs.Select(o => o.Name)];
        }
        catch
        {
            weights.Dispose();
            model.Dispose();
            throw;
        }
    }

    public SessionOptions Options { get; }

    /// <summary>The constants that predictions rest on, and where they come from.</summary>
    public LoadedProfile DeviceProfile { get; }

    public IReadOnlyList<ValueInfo> Inputs { get; }

    public IReadOnlyList<ValueInfo> Outputs { get; }

    /// <summary>What the file says of itself: producer, version, custom entries.</summary>
    public IReadOnlyDictionary<string, string> Metadata => model.Metadata;

    /// <summary>How often each graph pass fired.</summary>
    public IReadOnlyDictionary<string, int> Fusions { get; }

    /// <summary>What went wrong without failing a run: devices that the session lost, and why. One line each.</summary>
    public IReadOnlyList<string> Warnings => SessionDevices.Warnings(compiled.Settings.Devices);

    /// <summary>The optimized graph.</summary>
    public Graph Graph => compiled.Graph;

    /// <summary>Runs the model and returns its outputs in memory that the result owns.</summary>
    /// <exception cref="InvalidInputException">An input is missing, unknown, or has the wrong type or shape.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; the session stays usable.</exception>
    public RunResult Run(Dictionary<string, Datum> inputs, CancellationToken cancellationToken = default)
    {
        var data = new Datum?[inputNames.Length];
        Collect(inputs, data);
        var outputs = new Datum?[outputNames.Length];
        compiled.Run(data, outputs, cancellationToken);
        return new RunResult(outputNames, outputs!);
    }

    /// <summary>
    /// Runs the model into the caller's buffers, which must have the outputs' types and shapes; outputs that are not named are dropped. Nothing is copied,
    /// and once a plan for the shapes exists nothing is allocated on the managed heap. The buffers must not overlap each other or the inputs.
    /// </summary>
    public void Run(Dictionary<string, Datum> inputs, Dictionary<string, Tensor> outputs, CancellationToken cancellationToken = default)
    {
        CallBuffers call = CallBuffers.Rent(inputNames.Length, outputNames.Length);
        try
        {
            Collect(inputs, call.Inputs);
            CollectBuffers(outputs, call.Outputs);
            compiled.Run(call.Inputs, call.Outputs, cancellationToken);
        }
        finally
        {
            CallBuffers.Return(call);
        }
    }

    /// <summary>Runs the model on a thread of the pool.</summary>
    public Task<RunResult> RunAsync(Dictionary<string, Datum> inputs, CancellationToken cancellationToken = default) =>
        Task.Run(() => Run(inputs, cancellationToken), cancellationToken);

    /// <summary>What is decided for the shapes that the model declares, and why; dims that it leaves open make what depends on them dynamic.</summary>
    /// <exception cref="MemoryBudgetException">Not even the sequential plan fits the memory budget.</exception>
    public PlanReport Plan
    {
        get
        {
            PlanReport made;
            lock (planGate) made = plan ??= Explain();
            return made.Devices.IsEmpty ? made : made with { Devices = PlanReporter.Devices(compiled.Settings) };
        }
    }

    /// <summary>As <see cref="Plan"/>, for another machine where one is given.</summary>
    /// <exception cref="MemoryBudgetException">Not even the sequential plan fits the memory budget.</exception>
    public PlanReport Explain(PlanOptions? machine = null)
    {
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        return Explain([.. compiled.Graph.Inputs.Select(compiled.Graph.Fact)], machine);
    }

    /// <summary>What is decided for inputs of the shapes of these, and why.</summary>
    /// <inheritdoc cref="Explain(PlanOptions?)" path="/exception"/>
    public PlanReport Explain(Dictionary<string, Datum> inputs, PlanOptions? machine = null)
    {
        if (machine is not null)
        {
            var data = new Datum?[inputNames.Length];
            Collect(inputs, data);
            return Explain([.. data.Select((d, i) => d is Tensor t ? new TensorFact(t.DType, t.Shape) : compiled.Graph.Fact(compiled.Graph.Inputs[i]))], machine);
        }
        ExecutionPlan found = PlanFor(inputs);
        return PlanReporter.Describe(compiled.Graph.Name, found, found.ScheduleFor(compiled.Settings), compiled.Settings, Fusions);
    }

    private PlanReport Explain(List<Fact> inputs, PlanOptions? machine)
    {
        RunSettings settings = compiled.Settings with { Workers = machine?.Workers ?? compiled.Settings.Workers, Accelerators = machine?.Accelerators ?? compiled.Settings.Accelerators };
        using ExecutionPlan made = compiled.BuildPlan(inputs, settings);
        return PlanReporter.Describe(compiled.Graph.Name, made, made.ScheduleFor(settings), settings, Fusions);
    }

    /// <summary>Runs the model and measures each of its steps.</summary>
    /// <param name="inputs">Null: zeros, which takes a model whose inputs have known shapes.</param>
    /// <param name="runs">So many runs, one after another; to warm up, run the session before.</param>
    /// <exception cref="InvalidInputException">An input is missing, unknown, or has the wrong type or shape.</exception>
    public RunProfile Profile(Dictionary<string, Datum>? inputs = null, int runs = 1, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(runs, 1);
        var data = new Datum?[inputNames.Length];
        Collect(inputs ?? Inputs.ToDictionary(i => i.Name, Zeros), data);
        var profiler = new Profiler();
        for (int i = 0; i < runs; i++)
        {
            var outputs = new Datum?[outputNames.Length];
            long start = Stopwatch.GetTimestamp();
            StepRecorder recorder = compiled.RunRecorded(data, outputs, cancellationToken);
            profiler.Add(recorder, start, Stopwatch.GetTimestamp());
            new RunResult(outputNames, outputs!).Dispose();
        }
        return profiler.ToProfile();
    }

    private static Datum Zeros(ValueInfo input) => input is { Kind: "tensor", Shape: { } shape } && shape.All(d => d.IsKnown)
        ? Tensor.Zeros(input.DType, shape.ToArray())
        : throw new InvalidInputException($"input '{input.Name}' must be given: its shape is not known");

    /// <summary>What the plan for inputs like these amounts to; makes the plan where there is none yet.</summary>
    public PlanSummary Summarize(Dictionary<string, Datum> inputs)
    {
        ExecutionPlan plan = PlanFor(inputs);
        return PlanSummary.Of(plan, plan.ScheduleFor(compiled.Settings), compiled.Graph, compiled.Settings.CostModel);
    }

    /// <summary>Plans that the session keeps for the shapes met so far, those of loop bodies not counted.</summary>
    internal int PlanCount => compiled.PlanCount;

    internal ExecutionPlan PlanFor(Dictionary<string, Datum> inputs)
    {
        var data = new Datum?[inputNames.Length];
        Collect(inputs, data);
        return compiled.PlanFor(data);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0) return;
        compiled.Dispose();
        compiled.Settings.Outputs.Dispose();
        weights.Dispose();
        model.Dispose();
    }

    private static ImportedModel Import(ModelSource source)
    {
        try
        {
            return Importer.Import(source);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    private static Graph BindDimensions(Graph graph, IReadOnlyDictionary<string, long> dimensions)
    {
        if (dimensions.Count == 0) return graph;
        return Inference.Specialize(graph, [.. graph.Inputs.Select(i => Bind(graph.Fact(i)))]);

        Fact Bind(Fact fact) => fact is TensorFact { Shape: { } shape } tensor
            ? tensor with { Shape = new Shape([.. shape.Dims.Select(d => d.Substitute(dimensions))]) }
            : fact;
    }

    private void Collect(Dictionary<string, Datum> inputs, Datum?[] data)
    {
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        int found = 0;
        for (int i = 0; i < data.Length; i++)
        {
            if (!inputs.TryGetValue(inputNames[i], out Datum? datum))
                throw new InvalidInputException($"input '{inputNames[i]}' is missing; the model takes {string.Join(", ", Inputs)}");
            CheckInput(Inputs[i], datum);
            data[i] = datum;
            found++;
        }
        if (found == inputs.Count) return;
        string unknown = inputs.Keys.First(k => Array.IndexOf(inputNames, k) < 0);
        throw new InvalidInputException($"the model has no input '{unknown}'; it takes {string.Join(", ", Inputs)}");
    }

    private static void CheckInput(ValueInfo declared, Datum datum)
    {
        if (declared.Kind != "tensor") return;
        if (datum is not Tensor tensor) throw new InvalidInputException($"input '{declared.Name}' must be a tensor, got {datum}");
        if (declared.DType != DType.Undefined && tensor.DType != declared.DType)
            throw new InvalidInputException($"input '{declared.Name}' must be {declared.DType}{declared.Shape}, got {tensor}");
        if (declared.Shape is not { } shape) return;
        bool fits = shape.Rank == tensor.Rank;
        for (int i = 0; fits && i < shape.Rank; i++) fits = !shape[i].TryGetValue(out long dim) || dim == tensor.Dims[i];
        if (!fits) throw new InvalidInputException($"input '{declared.Name}' must be {declared.DType}{shape}, got {tensor}");
    }

    private void CollectBuffers(Dictionary<string, Tensor> outputs, Datum?[] data)
    {
        int found = 0;
        for (int i = 0; i < data.Length; i++)
        {
            if (!outputs.TryGetValue(outputNames[i], out Tensor? tensor)) continue;
            ValueInfo declared = Outputs[i];
            if (declared.Kind != "tensor" || (declared.DType != DType.Undefined && declared.DType != tensor.DType))
                throw new InvalidInputException($"the buffer of output '{declared.Name}' must be {declared}, got {tensor}");
            data[i] = tensor;
            found++;
        }
        if (found == outputs.Count) return;
        string unknown = outputs.Keys.First(k => Array.IndexOf(outputNames, k) < 0);
        throw new InvalidInputException($"the model has no output '{unknown}'; its outputs are {string.Join(", ", Outputs)}");
    }

    private static ValueInfo Info(string name, Fact fact) => fact switch
    {
        TensorFact tensor => new ValueInfo(name, tensor.Type, tensor.Shape, "tensor"),
        SequenceFact => new ValueInfo(name, DType.Undefined, null, "sequence"),
        _ => new ValueInfo(name, DType.Undefined, null, "optional"),
    };
}
