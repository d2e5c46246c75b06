namespace Parallax.Kernels;

/// <summary>Filters of 3x3 taps in the transformed domain: of each group, left operands of matrix products over the input channels, one for each pair of elements of G g that differ.</summary>
internal static unsafe class WinogradWeights
{
    /// <summary>From so many filters on, panels are made by several threads.</summary>
    private const int ParallelFilters = 4096;

    /// <summary>Matrix <c>(group * f + i) * f + j</c> holds element (i, j) of the transformed filters, of f x f that differ, [outputs of the group, inputs of the group].</summary>
    internal static PackedMatrix Pack<TTransform>(ConvProblem problem, float* weights, GemmMicroKernel entry) where TTransform : struct, IWinogradTransform
    {
        int filters = TTransform.Filters, outputs = problem.GroupOutputs;
        PackedMatrix packed = PackedMatrix.Allocate(entry, isLeft: true, outputs, problem.GroupInputs, problem.Groups * filters * filters);
        int panels = (outputs + entry.MR - 1) / entry.MR;
        if ((long)problem.OutputChannels * problem.GroupInputs < ParallelFilters)
            for (int i = 0; i < problem.Groups * panels; i++) PackPanel<TTransform>(problem, weights, packed, i / panels, i % panels * entry.MR);
        else
            Parallel.For(0, problem.Groups * panels, i => PackPanel<TTransform>(problem, weights, packed, i / panels, i % panels * entry.MR));
        return packed;
    }

    private static void PackPanel<TTransform>(ConvProblem problem, float* weights, PackedMatrix packed, int group, int row) where TTransform : struct, IWinogradTransform
    {
        int inputs = problem.GroupInputs, filters = TTransform.Filters, depth = inputs * 9;
        int rows = Math.Min(packed.Entry.MR, problem.GroupOutputs - row), height = packed.Entry.HeightFor(rows);
        var memory = new float[(depth + 3 * filters) * height];
        fixed (float* taps = memory)
        {
            PanelPacking.Pack(taps, height, weights + ((nint)group * problem.GroupOutputs + row) * depth, rows, depth, depth, 1);
            var slabs = new DepthSlabs(inputs, packed.Entry);
            for (int slab = 0; slab < slabs.Count; slab++)
                for (int i = 0; i < slabs.Length(slab); i++)
                {
                    float* target = packed.Slab(group * filters * filters, slabs.Start(slab)) + (nint)row * slabs.Length(slab) + (nint)i * height;
                    float* from = taps + (nint)(slabs.Start(slab) + i) * 9 * height;
                    if (height < Vec128.Count)
                        for (int lane = 0; lane < height; lane++) Transform<TTransform, Vec1>(from + lane, taps + depth * height, height, target + lane, packed.MatrixElements);
                    else // the last lanes overlap those before them and are written again
                        for (int lane = 0; lane < height; lane += Vec128.Count)
                        {
                            int at = Math.Min(lane, height - Vec128.Count);
                            Transform<TTransform, Vec128>(from + at, taps + depth * height, height, target + at, packed.MatrixElements);
                        }
                }
        }
    }

    /// <summary>G g G' of one filter per lane.</summary>
    private static void Transform<TTransform, V>(float* taps, float* scratch, int height, float* target, nint matrixElements)
        where TTransform : struct, IWinogradTransform where V : struct, IVec<V>
    {
        int filters = TTransform.Filters;
        for (int column = 0; column < 3; column++)
            TTransform.Filter<V>(taps + column * height, 3 * height, scratch + column * V.Count, 3 * V.Count);
        for (int i = 0; i < filters; i++)
            TTransform.Filter<V>(scratch + i * 3 * V.Count, V.Count, target + i * filters * matrixElements, matrixElements);
    }
}
