using Parallax.Graphs;
using Parallax.Runtime.Compilation;
using Parallax.Runtime.Execution;

namespace Parallax;

/// <summary>What the plan for one set of input shapes amounts to. Bodies of control flow count in the weights, not in the steps.</summary>
/// <param name="Steps">Units of work that a run goes through.</param>
/// <param name="ArenaBytes">Memory of one run for values of known size between inputs and outputs.</param>
/// <param name="ArenaBytesNoReuse">The same, were no byte used twice.</param>
/// <param name="ArenaBytesLowerBound">The most bytes that any one step needs alive at once: no layout of this order of steps can be smaller.</param>
/// <param name="WeightBytes">Constants of the model, as they are in the file.</param>
/// <param name="Macs">Multiply-accumulates of one run, as far as shapes are known.</param>
public sealed record PlanSummary(int Steps, long ArenaBytes, long ArenaBytesNoReuse, long ArenaBytesLowerBound, long WeightBytes, long Macs)
{
    internal static PlanSummary Of(ExecutionPlan plan, Graph graph) =>
        new(plan.Steps.Length, plan.ArenaBytes, plan.ArenaBytesNoReuse, LowerBound(plan), ConstantBytes(graph), plan.Macs);

    private static long LowerBound(ExecutionPlan plan)
    {
        var life = new (int First, int Last)[plan.Slots.Count];
        Array.Fill(life, (int.MaxValue, -1));
        for (int i = 0; i < plan.Steps.Length; i++)
        {
            foreach (Operand? operand in plan.Steps[i].Inputs.Concat(plan.Steps[i].Outputs))
                if (operand is { } o) Extend(o.Slot, i);
            if (plan.Steps[i] is KernelStep { Scratch: { } scratch }) Extend(scratch, i);
        }
        var change = new long[plan.Steps.Length + 1];
        foreach (Slot slot in plan.Slots.Where(s => s.Kind == SlotKind.Arena && life[s.Index].Last >= 0))
        {
            change[life[slot.Index].First] += PlanBuilder.Align(slot.ByteCount);
            change[life[slot.Index].Last + 1] -= PlanBuilder.Align(slot.ByteCount);
        }
        long live = 0, most = 0;
        foreach (long bytes in change) most = Math.Max(most, live += bytes);
        return most;

        void Extend(Slot slot, int step) => life[slot.Index] = (Math.Min(life[slot.Index].First, step), Math.Max(life[slot.Index].Last, step));
    }

    private static long ConstantBytes(Graph graph) =>
        graph.Values.Sum(v => v.Constant?.ByteCount ?? 0) + graph.Nodes.SelectMany(n => n.Op.Bodies).Sum(ConstantBytes);
}
