using System.Text;

namespace Parallax.Runtime.Execution;

/// <summary>How a graph runs for input shapes that are fixed: its steps in order, and where every value lives. Immutable once built.</summary>
internal sealed class ExecutionPlan : IDisposable
{
    private readonly Stack<RunState> idle = [];

    internal required Step[] Steps { get; init; }

    internal required List<Slot> Slots { get; init; }

    internal required long ArenaBytes { get; init; }

    internal required long ArenaBytesNoReuse { get; init; }

    internal required int TableLength { get; init; }

    internal required Slot[] InputSlots { get; init; }

    /// <summary>Outputs of known size, written where they are wanted.</summary>
    internal required (Slot Slot, DType Type, long[] Dims)[] OutputSlots { get; init; }

    /// <summary>Outputs that are taken as data at the end.</summary>
    internal required (int Position, Slot Slot)[] DatumOutputs { get; init; }

    internal required string[] OutputNames { get; init; }

    /// <summary>Per step, the data that nobody reads afterwards.</summary>
    internal required Slot[][] LetGoAfter { get; init; }

    /// <summary>Multiply-accumulates of one run, as far as shapes are known.</summary>
    internal required long Macs { get; init; }

    internal RunState Rent(WorkerPool pool, int workers)
    {
        lock (idle)
            if (idle.TryPop(out RunState? run)) return run;
        return new RunState(this, pool, workers);
    }

    internal void Return(RunState run)
    {
        lock (idle) idle.Push(run);
    }

    internal string Dump()
    {
        var text = new StringBuilder();
        text.AppendLine($"{Steps.Length} steps, arena {ArenaBytes} bytes ({ArenaBytesNoReuse} without reuse)");
        foreach (Step step in Steps)
            text.AppendLine($"  {step.Node.Name}: {step.Node.Op.Name} [{step.Implementation}] {string.Join(", ", step.Inputs.Select(Show))} -> {string.Join(", ", step.Outputs.Select(Show))}");
        return text.ToString();

        static string Show(Operand? operand) => operand is not { } o
            ? "-"
            : $"{o.Slot.Kind}{(o.Slot.Kind == SlotKind.Arena ? $"+{o.Slot.Offset}" : "")}:{o.Type}{(o.Dims is null ? "[?]" : Shape.ToString(o.Dims))}";
    }

    public void Dispose()
    {
        lock (idle)
            while (idle.TryPop(out RunState? run)) run.Dispose();
        foreach (Step step in Steps)
            if (step is KernelStep kernel) kernel.Kernel.Dispose();
    }
}
