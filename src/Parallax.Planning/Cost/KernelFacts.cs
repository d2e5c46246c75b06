namespace Parallax.Planning;

/// <summary>What a device's choice of kernel tells about its time. Zero stands for what is not known.</summary>
/// <param name="Implementation">The kernel's name; null where it is not known.</param>
/// <param name="Groups">Work-groups, or blocks on a CPU: parts that run at the same time where there are units for them.</param>
/// <param name="GroupSize">Work-items of a work-group.</param>
/// <param name="TileRows">Rows of results that are computed together; results are padded to whole tiles.</param>
/// <param name="TileColumns">Columns likewise.</param>
/// <param name="Macs">Multiply-adds of its products as they are carried out, with whole tiles and in the transformed domain where there is one.</param>
/// <param name="Moves">What is padded, packed or transformed around the products, in units of the kernel's own.</param>
/// <param name="Launches">Of a device's kernels, one after another.</param>
public readonly record struct KernelFacts(string? Implementation, long Groups, long GroupSize = 0, long TileRows = 0, long TileColumns = 0, long Macs = 0, long Moves = 0, int Launches = 0)
{
    /// <summary>Of a node that has nothing to do: its result lies where it was computed in the first place.</summary>
    public static KernelFacts None { get; } = new("none", 0) { IsNone = true };

    public bool IsNone { get; private init; }
}
