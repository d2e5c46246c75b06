using Parallax.OpenCL.Calls;

namespace Parallax.OpenCL.Bindings;

/// <summary>
/// Kernels that fold contiguous rows. Where items are the lanes of vectors, a work-group shares a row: the kernels <c>_groups</c> of reduction.cl. Where an item has
/// vectors of its own, it takes the row alone and nobody waits: the kernels <c>_rows</c> of rows.cl, which have the same arguments but for the last.
/// </summary>
internal static class RowFolds
{
    /// <summary>Folds by work-groups.</summary>
    internal const string Groups = "reduction";

    /// <summary>Folds by items: of whole rows, and of columns.</summary>
    internal const string Items = "rows";

    /// <summary>Items of a group; more leave most of them idle in the last steps of a fold.</summary>
    private const int GroupItems = 128;

    /// <summary>Rows that are shorter than this have an item each everywhere.</summary>
    private const int ShortRow = 32;

    /// <summary>Whether [outer, count, inner], folded along the middle, is rows; else it is columns.</summary>
    internal static bool AreRows(ClPrepareContext x, long count, long inner) => inner == 1 && (x.HasVectors || count >= ShortRow);

    /// <summary>A kernel over contiguous rows.</summary>
    /// <param name="name">Without its ending.</param>
    /// <param name="options">Options of its program.</param>
    /// <param name="args">All but the last.</param>
    internal static ClLaunch OverRows(ClPrepareContext x, string name, string options, long rows, params ReadOnlySpan<ClArg> args)
    {
        if (x.HasVectors) return new ClLaunch(x.VectorKernel(Items, $"{name}_rows", options), x.OverVectors(rows), [.. args, ClArg.Int(rows)]);
        int items = GroupItems;
        while (items > x.Context.Device.MaxWorkGroup) items /= 2;
        return new ClLaunch(x.Kernel(Groups, $"{name}_groups", options), ClGrid.Of(rows * items, 1, 1, items, 1, 1), [.. args, ClArg.Local(items * sizeof(float))]);
    }

    /// <summary>A kernel over [outer, count, inner] along the middle, an item to a vector of columns.</summary>
    /// <param name="name">Without its ending.</param>
    /// <param name="options">Options of its program.</param>
    /// <param name="more">Arguments behind tensors and dims.</param>
    internal static ClLaunch OverColumns(ClPrepareContext x, string name, string options, long outer, long count, long inner, params ReadOnlySpan<ClArg> more) =>
        new(x.VectorKernel(Items, $"{name}_columns", options), x.OverVectors((inner + x.Context.Lanes - 1) / x.Context.Lanes, outer),
            [ClArg.Input(0), ClArg.Output(0), ClArg.Int(outer), ClArg.Int(count), ClArg.Int(inner), .. more]);
}
