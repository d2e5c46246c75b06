using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Compilation;

/// <summary>Gives every arena slot of a sequential plan an offset: largest first, at the lowest place that is free during its lifetime.</summary>
internal static class ArenaLayout
{
    internal static long Assign(List<Step> steps, List<Slot> slots)
    {
        var life = new (int First, int Last)[slots.Count];
        Array.Fill(life, (int.MaxValue, -1));
        for (int i = 0; i < steps.Count; i++)
        {
            foreach (Operand? operand in steps[i].Inputs.Concat(steps[i].Outputs))
                if (operand is { } o) Extend(o.Slot, i);
            if (steps[i] is KernelStep { Scratch: { } scratch }) Extend(scratch, i);
        }
        var placed = new List<Slot>();
        long total = 0;
        foreach (Slot slot in slots.Where(s => s.Kind == SlotKind.Arena).OrderByDescending(s => s.ByteCount))
        {
            long offset = 0;
            foreach (Slot other in placed.Where(p => Overlap(slot, p)).OrderBy(p => p.Offset))
            {
                if (offset + slot.ByteCount <= other.Offset) break;
                offset = Math.Max(offset, PlanBuilder.Align(other.Offset + other.ByteCount));
            }
            slot.Offset = offset;
            placed.Add(slot);
            total = Math.Max(total, PlanBuilder.Align(offset + slot.ByteCount));
        }
        return total;

        void Extend(Slot slot, int step) => life[slot.Index] = (Math.Min(life[slot.Index].First, step), Math.Max(life[slot.Index].Last, step));

        bool Overlap(Slot a, Slot b) => life[a.Index].First <= life[b.Index].Last && life[b.Index].First <= life[a.Index].Last;
    }
}
