using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>A branch as <c>parallax inspect</c> shows it.</summary>
/// <param name="Nodes">Names of the nodes, in the order in which they run.</param>
public sealed record InspectBranch(int Id, ImmutableArray<string> Nodes, long Macs, long PeakBytes, bool Dynamic, string Device, string Why, double PredictedUs);

/// <summary>A delegate region that was grown, kept or not.</summary>
/// <param name="Nodes">N, the operators that do any work.</param>
public sealed record InspectRegion(int Nodes, long Macs, long BoundaryBytes, bool Kept, string Why, double PredictedCpuUs, double PredictedOffloadUs, string Backend);

/// <summary>One plan of the ladder.</summary>
public sealed record InspectRung(int Width, long Bytes, int ControlEdges, double PredictedUs, string Why);

/// <param name="PlannedBytes">What the chosen schedule's plan takes.</param>
public sealed record InspectMemory(long NoReuseBytes, long PlannedBytes, long LowerBoundBytes, ImmutableArray<InspectRung> Ladder);

/// <summary>When a branch is predicted to run.</summary>
public sealed record InspectSlot(int Branch, double StartUs, double EndUs, int Workers);

public sealed record InspectSchedule(ScheduleMode Mode, double PredictedUs, string Why, ImmutableArray<Alternative> Alternatives, ImmutableArray<InspectSlot> Timeline);

/// <summary>Everything that the planner decided about a graph, and why: the contents of <c>parallax inspect --json</c>.</summary>
public sealed record InspectReport
{
    public required string Model { get; init; }

    public required int Nodes { get; init; }

    public required NodeClassCounts Classes { get; init; }

    public required ImmutableArray<InspectBranch> Branches { get; init; }

    public required ImmutableArray<ImmutableArray<int>> Layers { get; init; }

    public required int ParallelLayers { get; init; }

    public required int MaxBranches { get; init; }

    public required ImmutableArray<InspectRegion> Regions { get; init; }

    public required InspectMemory Memory { get; init; }

    public required InspectSchedule Schedule { get; init; }

    /// <summary>Per accelerator and reason, how many nodes it cannot run.</summary>
    public required ImmutableSortedDictionary<string, int> Unsupported { get; init; }

    /// <summary>Per graph pass, how often it fired.</summary>
    public required ImmutableSortedDictionary<string, int> Fusions { get; init; }

    public static InspectReport Of(string model, Partition partition, MemoryLadder ladder, Schedule schedule, IReadOnlyDictionary<string, int> fusions) => new()
    {
        Model = model,
        Nodes = partition.Graph.NodeCount,
        Classes = partition.Classes,
        Branches = [.. partition.Branches.Select(b => OfBranch(partition.Graph, b))],
        Layers = [.. partition.Layers.Select(l => l.Select(b => b.Index).ToImmutableArray())],
        ParallelLayers = partition.ParallelLayers,
        MaxBranches = partition.MaxBranches,
        Regions = [.. partition.Regions.Select(r => new InspectRegion(r.NodeCount, r.Macs, r.BoundaryBytes, r.Kept, r.Why, r.PredictedCpuUs, r.PredictedOffloadUs, r.Backend))],
        Memory = new InspectMemory(schedule.Memory.NoReuseBytes, schedule.Memory.ArenaBytes, schedule.Memory.LowerBoundBytes,
            [.. ladder.Rungs.Select(r => new InspectRung(r.Width, r.ArenaBytes, r.ControlEdges.Length, r.MakespanUs, r.Why))]),
        Schedule = new InspectSchedule(schedule.Mode, schedule.PredictedUs, schedule.Why, schedule.Alternatives,
            [.. schedule.Timeline.Entries.Select(e => new InspectSlot(e.Branch.Index, e.StartUs, e.EndUs, e.Workers))]),
        Unsupported = partition.Unsupported,
        Fusions = fusions.ToImmutableSortedDictionary(StringComparer.Ordinal),
    };

    public string ToJson() => JsonSerializer.Serialize(this, InspectJson.Default.InspectReport);

    private static InspectBranch OfBranch(Graph graph, Branch branch) =>
        new(branch.Id.Index, [.. branch.Nodes.Select(n => graph[n].Name)], branch.Macs, branch.PeakBytes, branch.IsDynamic, branch.Placement.Backend, branch.Placement.Why, branch.Placement.PredictedUs);
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(InspectReport))]
internal sealed partial class InspectJson : JsonSerializerContext;
