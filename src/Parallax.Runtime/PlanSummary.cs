using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Planning;
using Parallax.Runtime.Execution;
using Parallax.Runtime.Reporting;

namespace Parallax;

/// <summary>What the plan for one set of input shapes amounts to. Bodies of control flow count in the weights, not in the rest.</summary>
/// <param name="Steps">Units of work that a run goes through.</param>
/// <param name="Mode">How the branches are run.</param>
/// <param name="Workers">So many workers at most work on one run.</param>
/// <param name="Width">So many branches run at once at most.</param>
/// <param name="ArenaBytes">Memory of one run for values of known size between inputs and outputs.</param>
/// <param name="ArenaBytesNoReuse">The same, were no byte used twice.</param>
/// <param name="ArenaBytesLowerBound">No layout for the same order of branches can be smaller.</param>
/// <param name="WeightBytes">Constants of the model, as they are in the file.</param>
/// <param name="Macs">Multiply-accumulates of one run, as far as shapes are known.</param>
public sealed record PlanSummary(
    int Steps, ScheduleMode Mode, int Workers, int Width, long ArenaBytes, long ArenaBytesNoReuse, long ArenaBytesLowerBound, long WeightBytes, long Macs)
{
    /// <summary>How the work is shared with a device, and why; null where nothing was planned jointly.</summary>
    public PlanJoint? Joint { get; init; }

    /// <summary>Layers that the CPU and a device compute together, and what each side took.</summary>
    public ImmutableArray<PlanSplit> Splits { get; init; } = [];

    /// <summary>
    /// The most bytes that values whose size is known only at run time, and the arenas of the bodies of control flow, took at once in the runs so far; null before
    /// the first run, and where there are none.
    /// </summary>
    public long? DynamicBytes { get; init; }

    internal static PlanSummary Of(ExecutionPlan plan, Schedule schedule, Graph graph, CostModel cpu) => new(
        plan.Steps.Count(), schedule.Mode, schedule.Workers, schedule.Memory.Width, schedule.Memory.ArenaBytes, schedule.Memory.NoReuseBytes, schedule.Memory.LowerBoundBytes,
        ConstantBytes(graph), plan.Macs)
    {
        DynamicBytes = plan.RegionPeak,
        Joint = PlanJoint.Of(plan.Partition.Joint),
        Splits = [.. plan.Partition.Branches.Select(b => PlanReporter.SplitOf(plan.Partition, b, plan.Branches[b.Id.Index], cpu)).OfType<PlanSplit>()],
    };

    private static long ConstantBytes(Graph graph) =>
        graph.Values.Sum(v => v.Constant?.ByteCount ?? 0) + graph.Nodes.SelectMany(n => n.Op.Bodies).Sum(ConstantBytes);
}
