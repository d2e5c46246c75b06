namespace Parallax.Kernels;

/// <summary>Filters of 3x3 taps in the transformed domain: of each group, left operands of matrix products over the input channels, one for each pair of elements of G g that differ.</summary>
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
            Parallel.For(0, (count + ParallelFilters - 1) / ParallelFilters, part =>
            {
                float* scratch = stackalloc float[3 * WinogradF4.Filters];
                for (int filter = part * ParallelFilters; filter < Math.Min(count, (part + 1) * ParallelFilters); filter++)
                    Transform<WinogradF4, Vec1>(taps + filter * (nint)9, scratch, 1, target + filter, count);
            });
        }
    }

    /// <summary>Matrix <c>(group * f + i) * f + j</c> holds element (i, j) of the transformed filters, of f x f that differ, [outputs of the group, inputs of the group].</summary>
    internal static PackedMatrix Pack<TTransform>(ConvProblem problem, float* weights, GemmMicroKernel entry) where TTransform : struct, IWinogradTransform
    {
        int filters = TTransform.Filters, outputs = problem.GroupOutputs;
        PackedMatrix packed = PackedMatrix.Allocate(entry, isLeft: true, outputs, problem.GroupInputs, problem.Groups * filters * filters);
        int rows = packed.PaddedLanes, all = problem.Groups * rows;
        if ((long)problem.OutputChannels * problem.GroupInputs < ParallelFilters)
            for (int i = 0; i < all; i++) PackRow<TTransform>(problem, weights, packed, i / rows, i % rows);
        else
            Parallel.For(0, all, i => PackRow<TTransform>(problem, weights, packed, i / rows, i % rows));
        return packed;
    }

    /// <summary>An output channel in all matrices of its group. Rows behind the last channel, which tiles read as well, become zero.</summary>
    private static void PackRow<TTransform>(ConvProblem problem, float* weights, PackedMatrix packed, int group, int row) where TTransform : struct, IWinogradTransform
    {
        int inputs = problem.GroupInputs, filters = TTransform.Filters;
        var memory = new float[inputs * 9 + 3 * filters * Vec128.Count];
        fixed (float* taps = memory)
        {
            float* scratch = taps + inputs * 9;
            if (row < problem.GroupOutputs)
                PanelPacking.Copy(taps, inputs, weights + ((nint)group * problem.GroupOutputs + row) * inputs * 9, inputs, 9, 9, 1);
            var slabs = new DepthSlabs(inputs, packed.Entry);
            for (int slab = 0; slab < slabs.Count; slab++)
            {
                int length = slabs.Length(slab);
                float* target = packed.Left(group * filters * filters, slabs.Start(slab), row), from = taps + slabs.Start(slab);
                if (length < Vec128.Count)
                    for (int lane = 0; lane < length; lane++) Transform<TTransform, Vec1>(from + lane, scratch, inputs, target + lane, packed.MatrixElements);
                else // the last lanes overlap those before them and are written again
                    for (int lane = 0; lane < length; lane += Vec128.Count)
                    {
                        int at = Math.Min(lane, length - Vec128.Count);
                        Transform<TTransform, Vec128>(from + at, scratch, inputs, target + at, packed.MatrixElements);
                    }
            }
        }
    }

    /// <summary>G g G' of one filter per lane.</summary>
    private static void Transform<TTransform, V>(float* taps, float* scratch, int stride, float* target, nint matrixElements)
        where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        int filters = TTransform.Filters;
        for (int column = 0; column < 3; column++)
            TTransform.Filter<V>(taps + column * stride, 3 * stride, scratch + column * V.Count, 3 * V.Count);
        for (int i = 0; i < filters; i++)
            TTransform.Filter<V>(scratch + i * 3 * V.Count, V.Count, target + i * filters * matrixElements, matrixElements);
    }
}
