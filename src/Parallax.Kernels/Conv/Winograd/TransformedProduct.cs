namespace Parallax.Kernels;

/// <summary>The products over the channels that stand for sums over taps in a transformed domain: one for each element of a tile.</summary>
/// <param name="layout">Of the transformed filters.</param>
internal readonly unsafe struct TransformedProduct(GemmMicroKernel entry, LeftLayout layout, int inputs)
{
    /// <summary>Rows of a matrix of filters by columns of a right operand in panels of <c>[channel][NR]</c>; where several slabs of channels are added, the result is read again.</summary>
    /// <param name="resultStride">Elements from row to row of the result, which has space for whole panels.</param>
    internal void Multiply(float* filters, int matrix, int row, int rows, int columns, float* right, float* result, int resultStride)
    {
        DepthSlabs slabs = layout.Slabs;
        nint stride = layout.RowStride;
        for (int slab = 0; slab < slabs.Count; slab++)
        {
            int start = slabs.Start(slab), depth = slabs.Length(slab);
            float* left = filters + layout.Offset(matrix, start, row);
            for (int lane = 0; lane < columns; lane += entry.NR)
            {
                float* panel = right + (nint)lane * inputs + start * entry.NR;
                // All filters come by once for every block of tiles: each tile fetches those of the next.
                for (int i = 0, height; i < rows; i += height)
                {
                    height = Math.Min(entry.NextRows(rows - i), rows - i);
                    float* tile = left + i * stride, sums = result + (nint)i * resultStride + lane;
                    Prefetcher ahead = Prefetcher.Along(tile + height * stride, height);
                    entry.TileFor(height, columns - lane)(
                        depth, tile, stride, panel, entry.NR, sums, resultStride, slab > 0 ? sums : null, resultStride, &ahead);
                }
            }
        }
    }
}
