using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Planning;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Reporting;

/// <summary>Describes a plan and one schedule of it.</summary>
internal static class PlanReporter
{
    /// <param name="fusions">How often each pass fired when the model was loaded.</param>
    internal static PlanReport Describe(string model, ExecutionPlan plan, Schedule schedule, RunSettings settings, IReadOnlyDictionary<string, int> fusions)
    {
        Partition partition = plan.Partition;
        int workers = settings.Workers;
        return new PlanReport
        {
            Model = model,
            Nodes = partition.Graph.NodeCount,
            Classes = partition.Classes,
            Branches = [.. partition.Branches.Select(b => OfBranch(partition, b, plan.Branches[b.Id.Index], settings))],
            Layers = [.. partition.Layers.Select(l => l.Select(b => b.Index).ToImmutableArray())],
            ParallelLayers = partition.ParallelLayers,
            MaxBranches = partition.MaxBranches,
            Regions = [.. partition.Regions.Select(r => new PlanRegion(r.NodeCount, r.Macs, r.BoundaryBytes, r.Kept, r.Why, r.PredictedCpuUs, r.PredictedOffloadUs, r.Backend))],
            Memory = OfMemory(plan, schedule, workers, settings.Budget.Room(0)),
            Fusions = fusions.Concat(plan.Fired).GroupBy(f => f.Key).ToImmutableSortedDictionary(f => f.Key, f => f.Sum(of => of.Value), StringComparer.Ordinal),
            Schedule = new PlanSchedule(schedule.Mode, workers, schedule.PredictedUs, schedule.Why, schedule.Alternatives,
                [.. schedule.Timeline.Entries.Select(e => new PlanSlot(e.Branch.Index, e.StartUs, e.EndUs, e.Workers))]),
            Unsupported = partition.Unsupported,
            Joint = PlanJoint.Of(partition.Joint),
            Devices = Devices(settings),
            Arithmetic = settings.Precision == Precision.Half ? Arithmetic(settings) : [],
        };
    }

    internal static ImmutableArray<PlanDevice> Devices(RunSettings settings) => [.. settings.Devices.Select(d => new PlanDevice(d.Name, d.Backend.Description, d.Lost, d.Costs))];

    private static ImmutableArray<PlanArithmetic> Arithmetic(RunSettings settings) =>
    [
        new PlanArithmetic("cpu", "float32", "the CPU's kernels widen 16-bit factors"),
        .. settings.Devices.Select(d => d.Backend.WhyNotHalf is { } why ? new PlanArithmetic(d.Name, "float32", why) : new PlanArithmetic(d.Name, "half", "it has half precision")),
    ];

    private static PlanBranch OfBranch(Partition partition, Branch branch, Step[] steps, RunSettings settings)
    {
        Graph graph = partition.Graph;
        Dictionary<NodeId, string> kernelOf = Kernels(steps).ToDictionary(k => k.Node, k => k.Kernel);
        var region = steps is [RegionStep only] ? only : null;
        NodeSplit? split = branch.Region is { } index ? partition.Regions[index].Split : null;
        string why = region?.Device.Lost is { } lost ? $"{branch.Placement.Backend} was lost: {lost}" : branch.Placement.Why;
        return new PlanBranch(
            branch.Id.Index, [.. branch.Nodes.Select(n => graph[n].Name)], branch.Macs, branch.PeakBytes, branch.IsDynamic, region?.Implementation ?? branch.Placement.Backend, why,
            branch.Placement.PredictedUs, branch.Layer, [.. branch.Predecessors.Select(p => p.Index)],
            [.. branch.Nodes.Select(n => $"{graph[n].Op.Name} {kernelOf.GetValueOrDefault(n, "view")}")],
            branch.Nodes.Select(n => StepWork.Of(graph, graph[n])).MaxBy(w => CostModel.Default.PredictUs(w)).Class)
        {
            Kernels = region is { Device.Lost: null } ? [.. region.Compiled.Kernels.Distinct()] : null,
            MeasuredUs = region?.Fastest?.Us,
            Prices = Prices(graph, branch, steps, split, settings),
            Split = SplitOf(partition, branch, steps, settings.CostModel),
        };
    }

    /// <summary>The split node that a branch is; null where it is none, or the CPU computes all of it.</summary>
    internal static PlanSplit? SplitOf(Partition partition, Branch branch, Step[] steps, CostModel cpu)
    {
        if (steps is not [RegionStep { CpuPart: { } part } step] || partition.Regions[branch.Region!.Value].Split is not { } split) return null;
        double cpuUs = cpu.PredictUs(split.CpuWork(partition.Graph, step.Node), 1, part.Facts);
        return new PlanSplit(step.Node.Name, split.Axis, split.Cut, OutputAxes.ExtentOf(partition.Graph, step.Node, split.Axis)!.Value, part.Implementation, step.Compiled.Kernels[0], cpuUs, split.DeviceUs, split.Why)
        {
            MeasuredCpuUs = step.Fastest?.CpuUs,
            MeasuredWaitUs = step.Fastest is { } time ? time.Us - time.CpuUs : null,
        };
    }

    private static ImmutableArray<PlanPrice> Prices(Graph graph, Branch branch, Step[] steps, NodeSplit? split, RunSettings settings)
    {
        Dictionary<NodeId, KernelFacts> kernels = steps.Select(s => s.OnCpu).OfType<KernelStep>().ToDictionary(s => s.Node.Id, s => s.Facts);
        AcceleratorModel? device = branch.Region is null ? null
            : settings.Devices.FirstOrDefault(d => d.Name == branch.Placement.Backend)?.Model ?? settings.Accelerators.First(a => a.Name == branch.Placement.Backend).Model;
        return [.. branch.Nodes.Select(n => Price(graph[n], StepWork.Of(graph, graph[n]), kernels.TryGetValue(n, out KernelFacts known) ? known : steps.Any(s => s.Node.Id == n) ? null : KernelFacts.None))];

        PlanPrice Price(Node node, StepWork work, KernelFacts? kernel)
        {
            if (device is null) return new PlanPrice(settings.CostModel.PredictUs(work, 1, kernel), By(settings.CostModel.PredictorFor(work)));
            if (split is null) return new PlanPrice(device.StepUs(work), By(device.PredictorFor(work)));
            // The slower side's price is the node's.
            double us = split.Us(settings.CostModel, 1, graph, node, kernel);
            return new PlanPrice(us, By(us > split.DeviceUs ? settings.CostModel.PredictorFor(work) : device.PredictorFor(work)));
        }

        static PriceSource By(LatencyPredictor? predictor) => predictor is null ? PriceSource.Constants : PriceSource.Predictor;
    }

    private static IEnumerable<(NodeId Node, string Kernel)> Kernels(Step[] steps) => steps.SelectMany(s => s is RegionStep region
        ? region.Members.Zip(region.Compiled.Kernels, (n, k) => (n.Id, region.CpuPart is { } part ? $"{part.Implementation} | {k}" : k))
        : [(s.Node.Id, s.Implementation)]);

    private static PlanMemory OfMemory(ExecutionPlan plan, Schedule schedule, int workers, long budgetBytes)
    {
        MemoryLadder ladder = MemoryPlanner.Ladder(plan.Memory, Math.Max(1, workers), budgetBytes);
        return new PlanMemory(
            schedule.Memory.NoReuseBytes, schedule.Memory.ArenaBytes, schedule.Memory.LowerBoundBytes, MemoryPlanner.Sequential(plan.Memory).ArenaBytes,
            [.. ladder.Rungs.Select(r => new PlanRung(r.Width, r.ArenaBytes, r.ControlEdges.Length, r.MakespanUs, r.Why))], Buffers(plan, schedule));
    }

    /// <summary>A branch's steps are taken to last equally long: what matters here is their order.</summary>
    private static ImmutableArray<PlanBuffer> Buffers(ExecutionPlan plan, Schedule schedule)
    {
        var names = new string?[plan.Memory.Buffers.Length];
        foreach (Step step in plan.Branches.SelectMany(b => b))
        {
            foreach (Operand? output in step.Outputs)
                if (output is { Slot: { Kind: SlotKind.Arena } slot }) names[slot.Buffer] ??= step.Node.Name;
            if (step is KernelStep { Scratch: { } scratch }) names[scratch.Buffer] = $"scratch of {step.Node.Name}";
        }
        var buffers = ImmutableArray.CreateBuilder<PlanBuffer>();
        for (int i = 0; i < names.Length; i++)
        {
            ArenaBuffer buffer = plan.Memory.Buffers[i];
            if (schedule.Memory.Offsets[i] < 0 || buffer.Accesses.IsEmpty) continue;
            Access first = buffer.Accesses.MinBy(a => TimeOf(a.Branch, a.First));
            buffers.Add(new PlanBuffer(names[i] ?? $"buffer {i}", first.Branch.Index, schedule.Memory.Offsets[i], buffer.Bytes,
                TimeOf(first.Branch, first.First), buffer.Accesses.Max(a => TimeOf(a.Branch, a.Last + 1))));
        }
        return buffers.ToImmutable();

        double TimeOf(BranchId branch, int step)
        {
            TimelineEntry entry = schedule.Timeline.Entries[branch.Index];
            return entry.StartUs + (entry.EndUs - entry.StartUs) * step / plan.Memory.StepCounts[branch.Index];
        }
    }
}
