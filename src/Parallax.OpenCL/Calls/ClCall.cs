using System.Collections.Immutable;
using Parallax.OpenCL.Bindings;
using Parallax.Planning;

namespace Parallax.OpenCL.Calls;

/// <summary>How a device computes one node: launches one after another, prepared once for concrete types and shapes. Immutable; it holds no state of a run.</summary>
/// <param name="ScratchBytes">Memory that the launches of one run share; undefined contents at the start.</param>
internal sealed record ClCall(ImmutableArray<ClLaunch> Launches, long ScratchBytes = 0)
{
    /// <summary>A call of one launch.</summary>
    internal static ClCall Of(ClLaunch launch) => new([launch]);

    /// <summary>Names the kernels, each once, in the order of their first launch.</summary>
    internal string Implementation => string.Join(" + ", Launches.Select(launch => launch.Name).Distinct());

    /// <summary>
    /// What its time depends on: the kernels' names, how the product cuts up its result where there is one, else the last launch, and how much all of them do. Tiles are numbers beside the name, for each of them for itself is
    /// seen too seldom to be learned.
    /// </summary>
    internal KernelFacts Facts()
    {
        if (Launches.IsEmpty) return default;
        ClLaunch main = Launches.LastOrDefault(launch => launch.Tile is not null) ?? Launches[^1];
        return new KernelFacts(string.Join(" + ", Launches.Select(launch => launch.Kernel.Name).Distinct()), main.Grid.Groups * Launches.Count(launch => launch.Name == main.Name), main.Grid.GroupSize,
            main.Tile?.Rows ?? 0, main.Tile?.Width ?? 0, Launches.Sum(launch => launch.Macs), Launches.Where(launch => launch.Tile is null).Sum(launch => launch.Grid.Items), Launches.Length);
    }
}

/// <summary>One kernel over a grid of work-items.</summary>
/// <param name="Grid">Kernels must do nothing in items outside of what they were asked for: the grid is rounded up to whole work-groups.</param>
internal sealed record ClLaunch(ClKernel Kernel, ClGrid Grid, ImmutableArray<ClArg> Args)
{
    /// <summary>Of a product.</summary>
    internal ClTile? Tile { get; init; }

    /// <summary>Multiply-adds of a product, whole tiles counted.</summary>
    internal long Macs { get; init; }

    /// <summary>Of a product whose factors are not both float32: what its name ends with.</summary>
    internal string? Factors { get; init; }

    /// <summary>The kernel's name, with the tile and the factors where it has them.</summary>
    internal string Name => (Tile is { } tile ? $"{Kernel.Name}_{tile.Rows}x{tile.Width}" : Kernel.Name) + (Factors is null ? "" : $"_{Factors}");

    /// <summary>Whether its work-groups may have any size: those that share local memory have the size that their kernel was told.</summary>
    internal bool IsTunable => Args.All(arg => arg.Kind != ClArgKind.Local);
}
