using System.Collections.Immutable;
using Parallax.Planning;

namespace Parallax.OpenCL.Calls;

/// <summary>Sizes of work-groups that were measured to be better on a device than those that the rule gives, by kernel and class of grid. Immutable.</summary>
/// <param name="device">Sizes that it cannot take are passed over.</param>
internal sealed class ClWorkGroups(ClDevice device, ImmutableArray<TunedWorkGroup> tuned)
{
    private readonly Dictionary<(string Kernel, GridClass Grid), WorkGroupSize> sizes =
        tuned.Where(entry => device.Takes(entry.Size)).ToDictionary(entry => (entry.Kernel, entry.Grid), entry => entry.Size);

    /// <summary>A call with its launches in work-groups of the sizes that are known to be better; the results are the same bits.</summary>
    internal ClCall Of(ClCall call) => sizes.Count == 0 ? call : call with { Launches = [.. call.Launches.Select(Of)] };

    private ClLaunch Of(ClLaunch launch) =>
        launch.IsTunable && sizes.TryGetValue((launch.Name, launch.Grid.Class), out WorkGroupSize size) ? launch with { Grid = launch.Grid.In(size) } : launch;
}
