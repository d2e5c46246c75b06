using System.Collections.Immutable;
using Parallax.Planning;

namespace Parallax;

/// <summary>A machine to plan for that is not this one. What is left out is as in the session.</summary>
public sealed record PlanOptions
{
    /// <summary>Cores that work on one run.</summary>
    public int? Workers { get; init; }

    /// <summary>Imagined accelerators that regions of the graph may be placed on, asked in this order; their times are predicted.</summary>
    public ImmutableArray<IRegionBackend>? Accelerators { get; init; }
}
