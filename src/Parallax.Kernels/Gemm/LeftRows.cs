namespace Parallax.Kernels;

/// <summary>
/// A left operand as the tiles read it: rows, a fixed number of elements apart. A tile reads one element of each of its rows at every step of depth, so its rows must
/// not fall on one another in a first-level cache.
/// </summary>
internal static unsafe class LeftRows
{
    /// <summary>4 KiB: elements so far apart share a set of most first-level caches.</summary>
    private const int SetElements = 1024;

    /// <summary>So few rows fit one set of a cache, with what else is read.</summary>
    private const int RowsOfSet = 4;

    /// <summary>Whether tiles can read a matrix as it lies: its columns are contiguous, and its rows are few or not such that all share sets of the cache.</summary>
    internal static bool CanRead(MatrixLayout layout, int rows) => layout.ColumnStride == 1 && (rows <= RowsOfSet || layout.RowStride % SetElements != 0);

    /// <summary>Elements from row to row for rows of so many: an odd number of cache lines, by which rows spread over all sets of a cache.</summary>
    internal static nint Stride(int depth) => ((depth + Vec.LineElements - 1) / Vec.LineElements | 1) * Vec.LineElements;

    /// <summary>Copies rows of a strided matrix. Rows from <paramref name="rows"/> to <paramref name="padded"/>, which tiles read as well, become zero.</summary>
    internal static void Copy(float* target, nint stride, float* source, int rows, int padded, int depth, nint rowStride, nint columnStride)
    {
        PanelPacking.Copy(target, stride, source, depth, rows, columnStride, rowStride);
        for (int row = rows; row < padded; row++) new Span<float>(target + row * stride, depth).Clear();
    }
}
