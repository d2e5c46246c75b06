namespace Parallax.Kernels;

/// <summary>The products over the channels that stand for sums over taps in a transformed domain: one for each element of a tile. Takes no reference to the weights.</summary>
internal readonly unsafe struct TransformedProduct(PackedMatrix weights, int inputs)
{
    private readonly GemmMicroKernel entry = weights.Entry;
    private readonly DepthSlabs slabs = new(inputs, weights.Entry);

    /// <summary>Rows of a matrix of weights by columns of a right operand in panels of <c>[channel][NR]</c>; where several slabs of channels are added, the result is read again.</summary>
    /// <param name="resultStride">Elements from row to row of the result, which has space for whole panels.</param>
    internal void Multiply(int matrix, int row, int rows, int columns, float* right, float* result, int resultStride)
    {
        for (int slab = 0; slab < slabs.Count; slab++)
        {
            int start = slabs.Start(slab), depth = slabs.Length(slab);
            float* left = weights.Left(matrix, start, row);
            for (int lane = 0; lane < columns; lane += entry.NR)
            {
                float* panel = right + (nint)lane * inputs + start * entry.NR;
                // All weights come by once for every block of tiles: each tile fetches those of the next.
                for (int i = 0; i < rows; i += entry.MR)
                {
                    float* tile = left + i * weights.RowStride, sums = result + (nint)i * resultStride + lane;
                    Prefetcher ahead = Prefetcher.Along(tile + entry.MR * weights.RowStride, entry.MR);
                    entry.TileFor(Math.Min(entry.MR, rows - i))(
                        depth, tile, weights.RowStride, panel, entry.NR, sums, resultStride, slab > 0 ? sums : null, resultStride, &ahead);
                }
            }
        }
    }
}
