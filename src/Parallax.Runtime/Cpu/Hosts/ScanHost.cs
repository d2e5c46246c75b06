using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Runs the body of Scan along its inputs.</summary>
internal static class ScanHost
{
    internal static Datum?[] Run(Scan op, HostContext context)
    {
        Datum?[] inputs = ControlFlowHost.Inputs(context, op.FirstState);
        return op.Batched ? RunBatch(op, context, inputs) : RunOne(op, context, inputs, steps: null, length: null);
    }

    /// <param name="inputs">States, scan inputs and captured values; changed.</param>
    /// <param name="steps">Steps to run where fewer than the inputs have.</param>
    /// <param name="length">Steps that the scan outputs have room for; zeros where none was run.</param>
    private static Datum?[] RunOne(Scan op, HostContext context, Datum?[] inputs, long? steps, long? length)
    {
        int states = op.StateCount;
        var walked = new AxisSlices[op.ScanInputCount];
        for (int i = 0; i < walked.Length; i++)
            walked[i] = new AxisSlices((Tensor)inputs[states + i]!, ShapeRules.Axis(op.InputAxes[i], ((Tensor)inputs[states + i]!).Rank));
        long available = walked[0].Count, run = steps ?? available;
        foreach (AxisSlices slices in walked)
            if (slices.Count != available) throw new InvalidInputException($"scan inputs have {available} and {slices.Count} steps");
        var outputs = new AxisSlices?[op.ScanOutputCount];
        for (long step = 0; step < run; step++)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            for (int i = 0; i < walked.Length; i++) inputs[states + i] = walked[i].Read(op.InputReverse[i] ? run - 1 - step : step);
            Datum[] results = context.RunBody(0, inputs);
            foreach (Datum? old in inputs.AsSpan(0, states)) context.Release(old);
            Array.Copy(results, inputs, states);
            for (int i = 0; i < outputs.Length; i++)
            {
                var part = (Tensor)results[states + i];
                outputs[i] ??= AxisSlices.For(context, part, op.OutputAxes[i], length ?? run);
                outputs[i]!.Write(op.OutputReverse[i] ? run - 1 - step : step, part);
                context.Release(part);
            }
        }
        var all = new Datum?[op.Body.Outputs.Count];
        for (int i = 0; i < all.Length; i++)
            all[i] = i < states ? context.Keep(inputs[i]!) : outputs[i - states]?.Whole ?? AxisSlices.NoSteps(op, context, i, length ?? 0);
        return all;
    }

    private static Datum?[] RunBatch(Scan op, HostContext context, Datum?[] inputs)
    {
        int own = op.StateCount + op.ScanInputCount;
        AxisSlices[] items = [.. inputs.Take(own).Select(input => new AxisSlices((Tensor)input!, axis: 0))];
        long batch = items[0].Count, length = ((Tensor)inputs[op.StateCount]!).Dims[1 + ShapeRules.Axis(op.InputAxes[0], ((Tensor)inputs[op.StateCount]!).Rank - 1)];
        var results = new AxisSlices?[op.Body.Outputs.Count];
        for (long item = 0; item < batch; item++)
        {
            Datum?[] one = [.. items.Select(slices => slices.Read(item)), .. inputs.Skip(own)];
            long steps = context.Input(0) is Tensor lengths ? Math.Clamp(lengths.Span<long>()[(int)item], 0, length) : length;
            Datum?[] parts = RunOne(op, context, one, steps, length);
            for (int i = 0; i < parts.Length; i++)
            {
                var part = (Tensor)parts[i]!;
                results[i] ??= AxisSlices.For(context, part, axis: 0, batch);
                results[i]!.Write(item, part);
            }
        }
        return [.. results.Select(r => r?.Whole ?? throw new InvalidInputException("a batched scan needs at least one item"))];
    }
}
