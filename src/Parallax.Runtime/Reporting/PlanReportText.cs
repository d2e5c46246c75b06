using System.Globalization;
using System.Text;
using Parallax.Planning;

namespace Parallax.Runtime.Reporting;

/// <summary>A plan report as text.</summary>
internal static class PlanReportText
{
    internal static string Of(PlanReport plan)
    {
        var text = new Lines();
        text.Add($"plan {plan.Model}: {plan.Nodes} nodes, {plan.Branches.Length} branches, {plan.Layers.Length} layers, {plan.ParallelLayers} of them parallel, at most {plan.MaxBranches} branches");
        text.Add($"classes: {plan.Classes.Sequential} sequential, {plan.Classes.Splitter} splitter, {plan.Classes.Merger} merger, {plan.Classes.SplitMerge} split-merge, {plan.Classes.ControlFlow} control flow");
        if (plan.Fusions.Any(f => f.Value > 0)) text.Add($"fusions: {string.Join(", ", plan.Fusions.Where(f => f.Value > 0).Select(f => $"{f.Key} {f.Value}"))}");
        Schedule(text, plan.Schedule);
        Memory(text, plan.Memory);
        Regions(text, plan);
        foreach (PlanBranch branch in plan.Branches) Branch(text, branch, plan.Schedule.Timeline[branch.Id]);
        return text.ToString();
    }

    private static void Schedule(Lines text, PlanSchedule schedule)
    {
        text.Add($"schedule: {schedule.Mode} on {schedule.Workers} workers, {schedule.PredictedUs:0.#} us; {schedule.Why}");
        foreach (Planning.Alternative a in schedule.Alternatives)
            text.Add($"  {a.Mode} width {a.Width}: {a.PredictedUs:0.#} us, {a.ArenaBytes} bytes{(a.FitsBudget ? "" : ", above the budget")}");
    }

    private static void Memory(Lines text, PlanMemory memory)
    {
        text.Add($"memory: {memory.PlannedBytes} bytes; without reuse {memory.NoReuseBytes}, sequential {memory.SequentialGreedyBytes}, lower bound {memory.LowerBoundBytes}");
        foreach (PlanRung rung in memory.Ladder) text.Add($"  width {rung.Width}: {rung.Bytes} bytes, {rung.ControlEdges} control edges, {rung.PredictedUs:0.#} us; {rung.Why}");
    }

    private static void Regions(Lines text, PlanReport plan)
    {
        if (plan.Joint is { } joint)
        {
            text.Add($"joint plan with {joint.Device}: {joint.PredictedUs:0.#} us; {joint.Why}");
            foreach (PlanOperator o in joint.Operators) text.Add($"  {o.StartUs:0.#} .. {o.EndUs:0.#}  {o.Name}: {o.Why}");
        }
        foreach (PlanRegion r in plan.Regions)
            text.Add($"region {r.Device}: N={r.Nodes} F={r.Macs} B={r.BoundaryBytes} cpu {r.PredictedCpuUs:0.#} us, offload {r.PredictedOffloadUs:0.#} us, {(r.Kept ? "kept" : "refused")}: {r.Why}");
        foreach (PlanDevice d in plan.Devices) text.Add($"device {d.Name}: {d.Description}; {d.Costs}{(d.Lost is null ? "" : $"; lost: {d.Lost}")}");
        foreach (PlanArithmetic a in plan.Arithmetic) text.Add($"{a}");
        foreach ((string reason, int count) in plan.Unsupported) text.Add($"not supported: {count} x {reason}");
    }

    private static void Branch(Lines text, PlanBranch branch, PlanSlot slot)
    {
        string after = branch.Predecessors.IsEmpty ? "" : $" after {string.Join(' ', branch.Predecessors.Select(p => $"B{p}"))}";
        text.Add($"B{branch.Id} layer {branch.Layer}{after}: {branch.Device}, {branch.Macs} macs, {branch.PeakBytes} bytes, {branch.PredictedUs:0.#} us{(branch.MeasuredUs is { } us ? $" (measured {us:0.#})" : "")}{(branch.Dynamic ? ", dynamic" : "")}; {branch.Why}");
        if (branch.Split is { } split)
            text.Add($"  split: {split.Cut} of {split.Extent} {OutputAxes.NameOf(split.Axis)} on the CPU, the rest on the device, {split.PredictedDeviceUs:0.#} us{(split.MeasuredCpuUs is { } cpuUs ? $"; measured {cpuUs:0.#} us on the CPU and {split.MeasuredWaitUs:0.#} us of waiting" : "")}");
        text.Add($"  {slot.StartUs:0.#} .. {slot.EndUs:0.#} us on {(slot.Workers == 0 ? branch.Device : $"{slot.Workers} workers")}");
        for (int i = 0; i < branch.Nodes.Length; i++) text.Add($"  {branch.Nodes[i]}: {branch.Operators[i]}, {branch.Prices[i]}");
    }

    private sealed class Lines
    {
        private readonly StringBuilder text = new();

        internal void Add(FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');

        public override string ToString() => text.ToString();
    }
}
