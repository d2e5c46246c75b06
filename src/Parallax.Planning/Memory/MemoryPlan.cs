using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Parallax.Planning;

/// <summary>A dependency between branches that no value needs: it keeps their buffers from being alive together.</summary>
public readonly record struct ControlEdge(BranchId From, BranchId To)
{
    public override string ToString() => $"{From}->{To}";
}

/// <summary>
/// A place for every buffer in one arena. It holds for every schedule that respects the dependencies and <see cref="ControlEdges"/>: no byte is
/// overwritten before its last use.
/// </summary>
public sealed record MemoryPlan
{
    /// <summary>By index in <see cref="MemoryProblem.Buffers"/>, in bytes; -1 for a dynamic buffer. A multiple of <see cref="MemoryProblem.Alignment"/>.</summary>
    public required ImmutableArray<long> Offsets { get; init; }

    public required long ArenaBytes { get; init; }

    /// <summary>What the buffers would take side by side.</summary>
    public required long NoReuseBytes { get; init; }

    /// <summary>
    /// No plan for the same order of branches takes fewer bytes: the peak of live bytes where the order is sequential; else the heaviest set found of
    /// buffers that may all be alive in pairs. Sizes are rounded up to the alignment.
    /// </summary>
    public required long LowerBoundBytes { get; init; }

    /// <summary>At most so many branches run at once. 1 where the plan is sequential.</summary>
    public required int Width { get; init; }

    /// <summary>Must be respected in addition to the dependencies of the graph.</summary>
    public required ImmutableArray<ControlEdge> ControlEdges { get; init; }

    /// <summary>All branches in an order that the plan allows; for a sequential plan, the only one.</summary>
    public required ImmutableArray<BranchId> Order { get; init; }

    /// <summary>The time that list scheduling predicts with one worker per branch and <see cref="Width"/> workers; 0 where branch times are unknown.</summary>
    public required double MakespanUs { get; init; }

    /// <summary>How the branches were ordered and the offsets found.</summary>
    public required string Why { get; init; }

    /// <summary>Indices of buffers without an offset.</summary>
    public ImmutableArray<int> Dynamic => [.. Enumerable.Range(0, Offsets.Length).Where(i => Offsets[i] < 0)];

    public string Dump() => string.Create(CultureInfo.InvariantCulture,
        $"width {Width}: {ArenaBytes} bytes (no reuse {NoReuseBytes}, bound {LowerBoundBytes}), {ControlEdges.Length} control edges, {MakespanUs:0.#} us, {Why}");
}

/// <summary>Plans from the freest to the most sequential: each needs fewer bytes than the one before it; the last is sequential, and needs no more.</summary>
public sealed record MemoryLadder(ImmutableArray<MemoryPlan> Rungs)
{
    public MemoryPlan Sequential => Rungs[^1];

    /// <summary>The plan without control edges; it may be the sequential one where the graph is a chain.</summary>
    public MemoryPlan Parallel => Rungs[0];

    /// <summary>The first rung within a budget; null where not even the sequential plan fits.</summary>
    public MemoryPlan? Widest(long budgetBytes) => Rungs.FirstOrDefault(r => r.ArenaBytes <= budgetBytes);

    public string Dump()
    {
        var text = new StringBuilder("memory\n");
        foreach (MemoryPlan rung in Rungs) text.Append("  ").AppendLine(rung.Dump());
        return text.ToString();
    }
}
