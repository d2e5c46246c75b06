using System.Buffers;

namespace Parallax.Kernels;

/// <summary>Filters in the transformed domain: of each group, left operands of matrix products over the input channels, one for each element that differs.</summary>
public static unsafe class WinogradWeights
{
    /// <summary>From so many filters on, they are transformed by several threads.</summary>
    private const int ParallelFilters = 4096;

    /// <summary>Filters [count, 3, 3] for F(4x4, 3x3), by the transform of the CPU's kernels: element (i, j) of each is written to matrix 6 i + j of [36, count].</summary>
    public static void Transform(ReadOnlySpan<float> filters, Span<float> matrices)
    {
        int count = filters.Length / 9;
        ArgumentOutOfRangeException.ThrowIfNotEqual(matrices.Length, checked(count * WinogradF4.Tile * WinogradF4.Tile));
        fixed (float* from = filters, to = matrices)
        {
            float* taps = from, target = to;
            PlaneFilters<WinogradF4> transform = default;
            Parallel.For(0, (count + ParallelFilters - 1) / ParallelFilters, part =>
            {
                float* scratch = stackalloc float[transform.ScratchVectors];
                for (int filter = part * ParallelFilters; filter < Math.Min(count, (part + 1) * ParallelFilters); filter++)
                    transform.Transform<Vec1>(taps + filter * (nint)9, 1, scratch, target + filter, count);
            });
        }
    }

    /// <summary>Matrix <c>group * e + i</c> holds element i of the transformed filters, of e that differ, [outputs of the group, inputs of the group].</summary>
    internal static PackedMatrix Pack<TFilters>(TFilters filters, ConvProblem problem, float* weights, GemmMicroKernel entry) where TFilters : struct, IFilterTransform
    {
        PackedMatrix packed = PackedMatrix.Allocate(entry, isLeft: true, problem.GroupOutputs, problem.GroupInputs, problem.Groups * filters.Elements);
        int rows = packed.PaddedLanes, all = problem.Groups * rows;
        if ((long)problem.OutputChannels * problem.GroupInputs < ParallelFilters)
            for (int i = 0; i < all; i++) PackRow(filters, problem, weights, packed, i / rows, i % rows);
        else
            Parallel.For(0, all, i => PackRow(filters, problem, weights, packed, i / rows, i % rows));
        return packed;
    }

    /// <summary>An output channel in all matrices of its group. Rows behind the last channel, which tiles read as well, become zero.</summary>
    private static void PackRow<TFilters>(TFilters filters, ConvProblem problem, float* weights, PackedMatrix packed, int group, int row) where TFilters : struct, IFilterTransform
    {
        int inputs = problem.GroupInputs, count = filters.Taps;
        float[] memory = ArrayPool<float>.Shared.Rent(inputs * count + filters.ScratchVectors * Vec128.Count);
        fixed (float* taps = memory)
        {
            float* scratch = taps + inputs * count;
            if (row < problem.GroupOutputs)
                PanelPacking.Copy(taps, inputs, weights + ((nint)group * problem.GroupOutputs + row) * inputs * count, inputs, count, count, 1);
            else new Span<float>(taps, inputs * count).Clear();
            var slabs = new DepthSlabs(inputs, packed.Entry);
            for (int slab = 0; slab < slabs.Count; slab++)
            {
                int length = slabs.Length(slab);
                float* target = packed.Left(group * filters.Elements, slabs.Start(slab), row), from = taps + slabs.Start(slab);
                if (length < Vec128.Count)
                    for (int lane = 0; lane < length; lane++) filters.Transform<Vec1>(from + lane, inputs, scratch, target + lane, packed.MatrixElements);
                else // the last lanes overlap those before them and are written again
                    for (int lane = 0; lane < length; lane += Vec128.Count)
                    {
                        int at = Math.Min(lane, length - Vec128.Count);
                        filters.Transform<Vec128>(from + at, inputs, scratch, target + at, packed.MatrixElements);
                    }
            }
        }
        ArrayPool<float>.Shared.Return(memory);
    }
}

/// <summary>How a filter of one channel gets into a transformed domain.</summary>
internal unsafe interface IFilterTransform
{
    int Taps { get; }

    /// <summary>Elements of a transformed filter that differ.</summary>
    int Elements { get; }

    int ScratchVectors { get; }

    /// <summary>One filter per lane: tap i lies at <c>taps + i * stride</c>, element i goes to <c>target + i * targetStride</c>.</summary>
    void Transform<V>(float* taps, nint stride, float* scratch, float* target, nint targetStride) where V : struct, IVec<V>;
}

/// <summary>G g G' of 3x3 taps: element <c>f i + j</c>, of f x f that differ.</summary>
internal readonly unsafe struct PlaneFilters<TTransform> : IFilterTransform where TTransform : struct, IWinogradTransform
{
    public int Taps => 9;

    public int Elements => TTransform.Filters * TTransform.Filters;

    public int ScratchVectors => 3 * TTransform.Filters;

    public void Transform<V>(float* taps, nint stride, float* scratch, float* target, nint targetStride) where V : struct, IVec<V>
    {
        int filters = TTransform.Filters;
        for (int column = 0; column < 3; column++)
            TTransform.Filter<V>(taps + column * stride, 3 * stride, scratch + column * V.Count, 3 * V.Count);
        for (int i = 0; i < filters; i++)
            TTransform.Filter<V>(scratch + i * 3 * V.Count, V.Count, target + i * filters * targetStride, targetStride);
    }
}
