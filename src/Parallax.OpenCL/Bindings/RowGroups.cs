using Parallax.OpenCL.Calls;

namespace Parallax.OpenCL.Bindings;

/// <summary>Work-groups that share a row of elements each: the grid of the <c>_groups</c> kernels of reduction.cl.</summary>
internal static class RowGroups
{
    internal const string Family = "reduction";

    /// <summary>Items of a group; more leave most of them idle in the last steps of a fold.</summary>
    private const int Items = 128;

    /// <summary>Contiguous rows that are shorter than this have an item each.</summary>
    internal const int ShortRow = 32;

    /// <summary>A group for each row.</summary>
    internal static ClGrid Over(ClDevice device, long rows)
    {
        int items = Items;
        while (items > device.MaxWorkGroup) items /= 2;
        return ClGrid.Of(rows * items, 1, 1, items, 1, 1);
    }

    /// <summary>The memory that the items of a group fold in.</summary>
    internal static ClArg Shared(ClGrid grid) => ClArg.Local(grid.LocalX * sizeof(float));
}
