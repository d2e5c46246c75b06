using System.Collections.Immutable;

namespace Parallax.OpenCL.Calls;

/// <summary>Collects the launches of a call and the scratch memory between them.</summary>
internal sealed class ClSteps
{
    private readonly ImmutableArray<ClLaunch>.Builder launches = ImmutableArray.CreateBuilder<ClLaunch>();
    private long scratchBytes;

    internal void Add(ClLaunch launch) => launches.Add(launch);

    /// <summary>Scratch memory of so many bytes that nothing else of the call uses.</summary>
    internal ClArg Scratch(long byteCount)
    {
        ClArg part = ClArg.Scratch(scratchBytes);
        scratchBytes += (byteCount + Storage.Alignment - 1) / Storage.Alignment * Storage.Alignment;
        return part;
    }

    internal ClCall ToCall() => new(launches.ToImmutable(), scratchBytes);
}
