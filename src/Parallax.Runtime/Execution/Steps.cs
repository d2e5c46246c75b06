using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Execution;

/// <summary>One unit of a plan: what a node, or a run-time need such as a copy, does.</summary>
internal abstract class Step(Node node, Operand?[] inputs, Operand?[] outputs)
{
    internal Node Node { get; } = node;

    /// <summary>Its number among the steps of the plan.</summary>
    internal int Index { get; set; }

    /// <summary>Null where an optional input is absent.</summary>
    internal Operand?[] Inputs { get; } = inputs;

    /// <summary>Null where an output is not wanted.</summary>
    internal Operand?[] Outputs { get; } = outputs;

    /// <summary>The slots that hold whole data and are read here, each once.</summary>
    internal Slot[] DatumReads { get; } = [.. inputs.Where(i => i is { Slot.Kind: SlotKind.Datum }).Select(i => i!.Value.Slot).Distinct()];

    /// <summary>What computes the step, for dumps and profiles.</summary>
    internal abstract string Implementation { get; }

    internal abstract void Run(StepRun run);
}

/// <summary>A kernel prepared when the plan was made.</summary>
internal sealed unsafe class KernelStep(Node node, Operand?[] inputs, Operand?[] outputs, Kernel kernel) : Step(node, inputs, outputs)
{
    internal Kernel Kernel { get; } = kernel;

    internal override string Implementation => Kernel.Name;

    /// <summary>Where the addresses of the inputs, then of the outputs, stand in the run's pointer table.</summary>
    internal int TableStart { get; set; }

    /// <summary>Where the kernel's scratch lies; null where it needs none.</summary>
    internal Slot? Scratch { get; set; }

    internal override void Run(StepRun run)
    {
        void** table = run.State.Table + TableStart;
        byte* scratch = Scratch is null ? null : (byte*)run.State.Address(Scratch);
        run.RunKernel(Kernel, new KernelArgs(table, Inputs.Length, table + Inputs.Length, Outputs.Length, scratch, null));
    }
}

/// <summary>A node whose inputs' shapes, or the contents that decide its outputs' shapes, are known only when they are there, or that works on whole data.</summary>
internal sealed unsafe class DynamicStep(Node node, Operand?[] inputs, Operand?[] outputs, Binding? binding, CompiledGraph[] bodies, WeightCache weights)
    : Step(node, inputs, outputs)
{
    internal override string Implementation => binding?.Run is null || binding.Prepare is not null ? "prepared at run time" : "host";

    internal override void Run(StepRun run)
    {
        Datum?[] results = UsesHost(run)
            ? binding!.Run!(Node.Op, new StepContext(this, run, bodies))
            : RunKernel(run);
        for (int i = 0; i < Outputs.Length; i++)
            if (Outputs[i] is { } output) Store(run, output, results[i] ?? throw new InvalidOperationException($"{Node} gave no output {i}"));
    }

    /// <summary>Where there is a kernel and a host function, the types that are there decide.</summary>
    private bool UsesHost(StepRun run)
    {
        if (binding?.Run is null || binding.Prepare is null) return binding?.Run is not null;
        Fact?[] inputs = [.. Inputs.Select(i => i is { } input ? Fact.Of(run.State.Datum(input)) : null)];
        Fact?[] outputs = [.. Outputs.Select(o => o is { } output && output.Type != DType.Undefined ? new TensorFact(output.Type) : null)];
        return binding.UsesHost(inputs, outputs);
    }

    private static void Store(StepRun run, Operand output, Datum datum)
    {
        if (output.IsStatic && datum is Tensor tensor && !tensor.Dims.SequenceEqual(output.Dims))
            throw new InvalidModelException($"gives {tensor}, where the model's shapes make it {output.Type}{Shape.ToString(output.Dims)}");
        run.State.SetDatum(output.Slot, datum);
    }

    private Datum?[] RunKernel(StepRun run)
    {
        var data = new Datum?[Inputs.Length];
        for (int i = 0; i < data.Length; i++)
            if (Inputs[i] is { } input) data[i] = run.State.Datum(input);
        if (Node.Op.IsView && data[0] is not Tensor) return [data[0]];
        ImmutableArray<Fact?> facts = [.. data.Select((d, i) => d is null ? null : FactOf(d, Inputs[i]!.Value))];
        ImmutableArray<Fact> inferred = Node.Op.Infer(new InferContext(facts, Outputs.Length));
        if (Node.Op.IsView && data[0] is Tensor viewed)
            return [View(viewed, (TensorFact)inferred[0])];
        var results = new Datum?[Outputs.Length];
        var outputFacts = new TensorFact?[Outputs.Length];
        for (int i = 0; i < results.Length; i++)
        {
            if (Outputs[i] is null) continue;
            outputFacts[i] = inferred[i] as TensorFact;
            if (outputFacts[i] is not { IsStatic: true } fact) throw UnknownShape(i);
            results[i] = RunMemory.Allocate(fact.Type, fact.Shape!.Value.ToArray());
        }
        using var transient = new TransientWeights(weights);
        using Kernel kernel = binding!.Prepare!(Node.Op, new PrepareContext([.. facts.Select(f => f as TensorFact)], [.. outputFacts], transient));
        run.RunKernel(kernel, data, results);
        return results;
    }

    /// <summary>Small tensors enter inference and preparation with their contents: a shape, an axis, a count of repeats.</summary>
    private static Fact FactOf(Datum datum, Operand operand) => datum is Tensor tensor
        ? operand.Slot.Kind == SlotKind.Constant || (tensor.ElementCount <= TensorFact.MaxKnownElements && tensor.DType != DType.String)
            ? TensorFact.Of(tensor)
            : new TensorFact(tensor.DType, tensor.Shape)
        : Fact.Of(datum);

    private Tensor View(Tensor tensor, TensorFact fact)
    {
        long[] dims = (fact.Shape ?? throw UnknownShape(0)).ToArray();
        return fact.Type == tensor.DType || fact.Type == DType.Undefined ? tensor.Reshape(dims) : new Tensor(fact.Type, dims, tensor.Storage!, tensor.ByteOffset);
    }

    private InvalidModelException UnknownShape(int output) => new($"the shape of output {output} does not follow from {string.Join(", ", Inputs.Select(i => i?.ToString() ?? "-"))}");
}

/// <summary>Copies a value that is a graph output but must live elsewhere too: an input, a constant, a view of another output.</summary>
internal sealed unsafe class CopyStep(Node node, Operand source, Operand target) : Step(node, [source], [target])
{
    internal override string Implementation => "copy";

    internal override void Run(StepRun run)
    {
        var from = (Tensor)run.State.Datum(Inputs[0]!.Value);
        long bytes = Outputs[0]!.Value.Slot.ByteCount;
        Buffer.MemoryCopy((void*)from.Address, (void*)run.State.Address(Outputs[0]!.Value.Slot), bytes, bytes);
    }
}

/// <summary>Derived forms of constants while a node is prepared for one run: those of the model's own constants are kept, others are freed.</summary>
internal sealed class TransientWeights(WeightCache model) : WeightCache
{
    internal override T GetOrAdd<T>(Tensor source, string form, Func<T> make) => model.Owns(source) ? model.GetOrAdd(source, form, make) : base.GetOrAdd(source, form, make);
}

/// <summary>The host context of one step of one run.</summary>
internal sealed class StepContext(DynamicStep step, StepRun run, CompiledGraph[] bodies) : HostContext
{
    internal override int InputCount => step.Inputs.Length;

    internal override int OutputCount => step.Outputs.Length;

    internal override CancellationToken Cancellation => run.State.Cancellation;

    internal override Datum? Input(int index) => index < step.Inputs.Length && step.Inputs[index] is { } input ? run.State.Datum(input) : null;

    internal override bool Wants(int output) => output < step.Outputs.Length && step.Outputs[output] is not null;

    internal override Tensor Allocate(DType type, ReadOnlySpan<long> dims) => RunMemory.Allocate(type, dims);

    internal override Datum Keep(Datum datum) => RunMemory.Keep(datum);

    internal override Datum[] RunBody(int body, IReadOnlyList<Datum?> inputs)
    {
        CompiledGraph graph = bodies[body];
        var outputs = new Datum?[graph.OutputCount];
        graph.Run([.. inputs], outputs, run.State.Cancellation);
        return outputs!;
    }

    internal override void RunKernel(Kernel kernel, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor?> outputs) => run.RunKernel(kernel, inputs.ToArray(), outputs.ToArray());
}
