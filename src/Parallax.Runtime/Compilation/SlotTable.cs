using Parallax.Graphs;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Compilation;

/// <summary>Where the values of a plan live, while it is built.</summary>
internal sealed class SlotTable(Graph graph)
{
    private readonly Slot?[] slotOf = new Slot?[graph.ValueIdBound];
    private readonly long[] offsetOf = new long[graph.ValueIdBound];

    internal List<Slot> Slots { get; } = [];

    internal BufferTable Buffers { get; } = new();

    /// <summary>Entries of the table of addresses that kernels get.</summary>
    internal int TableLength { get; private set; }

    internal Slot? this[ValueId id]
    {
        get => slotOf[id.Index];
        set => slotOf[id.Index] = value;
    }

    /// <summary>Puts a value at an offset, in bytes, from where another one begins.</summary>
    internal void Place(ValueId id, ValueId beside, long offset)
    {
        slotOf[id.Index] = slotOf[beside.Index];
        offsetOf[id.Index] = offsetOf[beside.Index] + offset;
    }

    internal Slot Add(SlotKind kind) => Add(new Slot(Slots.Count, kind));

    internal Slot Add(SlotKind kind, int position, long bytes = 0) => Add(new Slot(Slots.Count, kind) { Position = position, ByteCount = bytes });

    internal Slot AddConstant(Tensor constant) => Add(new Slot(Slots.Count, SlotKind.Constant) { Constant = constant });

    internal Slot AddArena(long bytes) => Add(new Slot(Slots.Count, SlotKind.Arena) { ByteCount = bytes, Buffer = Buffers.Add(bytes) });

    /// <summary>A value as the graph's facts describe it, wherever it lives.</summary>
    internal Operand? OperandOf(ValueId id) => id.IsNone ? null : OperandOf(id, this[id]!, offsetOf[id.Index]);

    /// <summary>The value in a slot that is not its own.</summary>
    internal Operand OperandOf(ValueId id, Slot slot, long offset = 0)
    {
        TensorFact? fact = graph.TensorFact(id);
        return new Operand(slot, fact?.Type ?? DType.Undefined, fact is { IsStatic: true } ? fact.Shape!.Value.ToArray() : null, offset);
    }

    /// <summary>Makes entries for the addresses of these operands, in this order; returns the first.</summary>
    internal int AddTableEntries(Operand?[] operands)
    {
        int start = TableLength;
        foreach (Operand? operand in operands)
        {
            if (operand is { } placed) placed.Slot.TablePositions.Add((TableLength, placed.Offset));
            TableLength++;
        }
        return start;
    }

    private Slot Add(Slot slot)
    {
        Slots.Add(slot);
        return slot;
    }
}
