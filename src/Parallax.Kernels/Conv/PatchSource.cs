using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// The right operand of a convolution as a matrix product: row k is one tap of one channel, column j one result. It is read from padded
/// channels (<see cref="PaddedInput"/>), where element [k, j] lies at <c>tapOffsets[k] + place(j)</c>; nothing but the panels exists in memory.
/// </summary>
internal sealed unsafe class PatchSource : RightSource
{
    private readonly int[] tapOffsets;
    private readonly int nr, rows, rowLength, rowStride, planeStride;
    private readonly delegate*<float*, float*, int*, int, int, int*, int, void> copy;

    /// <param name="tapOffsets">One per row of the matrix, from the first result's place.</param>
    /// <param name="rows">Results along y.</param>
    /// <param name="rowLength">Results along x.</param>
    internal PatchSource(GemmMicroKernel entry, int[] tapOffsets, int rows, int rowLength, int rowStride, int planeStride)
    {
        this.tapOffsets = tapOffsets;
        (nr, this.rows, this.rowLength, this.rowStride, this.planeStride) = (entry.NR, rows, rowLength, rowStride, planeStride);
        copy = entry.Width switch
        {
            VecWidth.V512 => &CopyRuns<Vec512>,
            VecWidth.V256 => &CopyRuns<Vec256>,
            VecWidth.V128 => &CopyRuns<Vec128>,
            _ => &CopyRuns<Vec1>,
        };
    }

    internal override void PackPanel(float* target, float* data, int depthStart, int depth, int column, int columns)
    {
        int* runs = stackalloc int[3 * nr];
        int count = FindRuns(runs, column, columns);
        fixed (int* offsets = tapOffsets) copy(target, data, offsets + depthStart, depth, nr, runs, count);
    }

    /// <summary>Cuts columns into runs within one row of results: lane, distance from the first result's place, length.</summary>
    private int FindRuns(int* runs, int column, int columns)
    {
        int count = 0;
        for (int lane = 0; lane < columns; count++, runs += 3)
        {
            (int row, int x) = Math.DivRem(column + lane, rowLength);
            (int plane, int y) = Math.DivRem(row, rows);
            int length = Math.Min(rowLength - x, columns - lane);
            runs[0] = lane;
            runs[1] = plane * planeStride + y * rowStride + x;
            runs[2] = length;
            lane += length;
        }
        return count;
    }

    /// <summary>
    /// Whole vectors: what a run writes too far is overwritten by the next run, the next row, or lies in the
    /// space behind the panel; what it reads too far lies in the slack behind the padded channels.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyRuns<V>(float* target, float* data, int* offsets, int depth, int nr, int* runs, int count) where V : struct, IVec<V>
    {
        if (count == 1)
        {
            float* from = data + runs[1];
            for (int k = 0; k < depth; k++, target += 2 * V.Count)
            {
                V.Store(target, V.Load(from + offsets[k]));
                V.Store(target + V.Count, V.Load(from + offsets[k] + V.Count));
            }
            return;
        }
        for (int k = 0; k < depth; k++, target += nr)
        {
            float* from = data + offsets[k];
            for (int* run = runs, end = runs + 3 * count; run < end; run += 3)
            {
                float* to = target + run[0], source = from + run[1];
                for (int i = 0; i < run[2]; i += V.Count)
                    V.Store(to + i, V.Load(source + i));
            }
        }
    }
}
