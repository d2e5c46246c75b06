using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Execution;

/// <summary>
/// A node whose inputs' shapes, or the contents that decide its outputs' shapes, are known only when they are there, or that works on whole data. What is
/// prepared for some shapes is kept for the next time that they come.
/// </summary>
internal sealed class DynamicStep(Node node, Operand?[] inputs, Operand?[] outputs, Binding? binding, CompiledGraph[] bodies, WeightCache weights)
    : Step(node, inputs, outputs)
{
    private readonly PreparedCalls calls = new(node, inputs, outputs, binding, weights);

    internal override string Implementation => binding?.Run is null || binding.Prepare is not null ? "prepared at run time" : "host";

    internal override void Run(StepRun run)
    {
        var data = new Datum?[Inputs.Length];
        for (int i = 0; i < data.Length; i++)
            if (Inputs[i] is { } input) data[i] = run.State.Datum(input);
        if (UsesHost(data)) RunHost(run);
        else if (Node.Op.IsView && data[0] is not Tensor) Store(run, 0, data[0], isHeld: false);
        else RunPrepared(run, data);
    }

    /// <summary>Where there is a kernel and a host function, the types that are there decide.</summary>
    private bool UsesHost(Datum?[] data)
    {
        if (binding is null || binding.Run is null) return false;
        if (binding.Prepare is null || binding.UsesHost(data)) return true;
        foreach (Operand? output in Outputs)
            if (output is { } wanted && Binding.IsForHost(wanted.Type)) return true;
        return false;
    }

    private void RunHost(StepRun run)
    {
        using var context = new StepContext(this, run, bodies);
        Datum?[] results = binding!.Run!(Node.Op, context);
        for (int i = 0; i < Outputs.Length; i++)
            if (Outputs[i] is not null) Store(run, i, results[i], isHeld: false);
    }

    private void RunPrepared(StepRun run, Datum?[] data)
    {
        PreparedCall call = calls.For(data);
        try
        {
            if (call.Kernel is null)
            {
                Store(run, 0, View((Tensor)data[0]!, call.OutputTypes[0], call.OutputDims[0]), isHeld: false);
                return;
            }
            var results = new Datum?[Outputs.Length];
            for (int i = 0; i < results.Length; i++)
                if (Outputs[i] is { } output) results[i] = run.State.Allocate(output.Slot, call.OutputTypes[i], call.OutputDims[i]);
            run.RunKernel<Datum>(call.Kernel, data, results);
            for (int i = 0; i < results.Length; i++)
                if (Outputs[i] is not null) Store(run, i, results[i], isHeld: true);
        }
        finally
        {
            call.LetGo();
        }
    }

    private static Tensor View(Tensor tensor, DType type, long[] dims) =>
        type == tensor.DType ? tensor.Reshape(dims) : new Tensor(type, dims, tensor.Storage!, tensor.ByteOffset);

    private void Store(StepRun run, int output, Datum? datum, bool isHeld)
    {
        Operand operand = Outputs[output]!.Value;
        if (datum is null) throw new InvalidOperationException($"{Node} gave no output {output}");
        if (operand.IsStatic && datum is Tensor tensor && !tensor.Dims.SequenceEqual(operand.Dims))
            throw new InvalidModelException($"gives {tensor}, where the model's shapes make it {operand.Type}{Shape.ToString(operand.Dims!)}");
        run.State.SetDatum(operand.Slot, datum, isHeld);
    }

    public override void Dispose()
    {
        calls.Dispose();
        base.Dispose();
    }
}

/// <summary>The host context of one step of one run; holds what the step allocates and what its bodies give until it ends.</summary>
internal sealed class StepContext(DynamicStep step, StepRun run, CompiledGraph[] bodies) : HostContext, IDisposable
{
    private readonly List<RunBlock> held = [];

    internal override int InputCount => step.Inputs.Length;

    internal override int OutputCount => step.Outputs.Length;

    internal override CancellationToken Cancellation => run.State.Cancellation;

    internal override Datum? Input(int index) => index < step.Inputs.Length && step.Inputs[index] is { } input ? run.State.Datum(input) : null;

    internal override bool Wants(int output) => output < step.Outputs.Length && step.Outputs[output] is not null;

    internal override Tensor Allocate(DType type, ReadOnlySpan<long> dims)
    {
        Tensor tensor = run.State.Region!.Allocate(type, dims);
        Own(tensor);
        return tensor;
    }

    /// <summary>The run holds what becomes an output, and copies what it must not keep, when the output is stored.</summary>
    internal override Datum Keep(Datum datum) => datum;

    internal override Datum[] RunBody(int body, ReadOnlySpan<Datum?> inputs)
    {
        CompiledGraph graph = bodies[body];
        var outputs = new Datum?[graph.OutputCount];
        if (run.State.Recorder is { } recorder) recorder.Add(step, graph.RunRecorded(inputs, outputs, run.State.Cancellation, run.State.Region!));
        else graph.Run(inputs, outputs, run.State.Cancellation, run.State.Region!);
        foreach (Datum? output in outputs) Own(output);
        return outputs!;
    }

    internal override void Release(Datum? datum)
    {
        if (datum is not Tensor { Storage: RunBlock block }) return;
        int at = held.LastIndexOf(block);
        if (at < 0) return;
        held[at] = held[^1];
        held.RemoveAt(held.Count - 1);
        block.LetGo();
    }

    internal override void RunKernel(Kernel kernel, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor?> outputs) => run.RunKernel(kernel, inputs, outputs);

    public void Dispose()
    {
        foreach (RunBlock block in held) block.LetGo();
        held.Clear();
    }

    private void Own(Datum? datum)
    {
        if (datum is Tensor { Storage: RunBlock block }) held.Add(block);
    }
}
