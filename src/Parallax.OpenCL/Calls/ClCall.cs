using System.Collections.Immutable;

namespace Parallax.OpenCL.Calls;

/// <summary>How a device computes one node: launches one after another, prepared once for concrete types and shapes. Immutable; it holds no state of a run.</summary>
/// <param name="ScratchBytes">Memory that the launches of one run share; undefined contents at the start.</param>
internal sealed record ClCall(ImmutableArray<ClLaunch> Launches, long ScratchBytes = 0)
{
    /// <summary>A call of one launch.</summary>
    internal static ClCall Of(ClLaunch launch) => new([launch]);
}

/// <summary>One kernel over a grid of work-items.</summary>
/// <param name="Grid">Kernels must do nothing in items outside of what they were asked for: the grid is rounded up to whole work-groups.</param>
internal sealed record ClLaunch(ClKernel Kernel, ClGrid Grid, ImmutableArray<ClArg> Args);
