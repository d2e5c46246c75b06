using System.Buffers;
using System.Runtime.CompilerServices;

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
                for (int filter = part * ParallelFilters; filter < Math.Min(count, (part + 1) * ParallelFilters); filter++)
                    for (int row = 0; row < WinogradF4.Tile; row++) transform.Transform<Vec1>(row, taps + filter * (nint)9, 1, 1, target + row * WinogradF4.Tile * (nint)count + filter, count);
            });
        }
    }

    /// <summary>
    /// Of filters that are transformed ahead, matrix <c>group * e + i</c> holds element i of those of a group, of e that differ, [outputs of the group, inputs of the group]. Of others
    /// (<see cref="LateFilters"/>), matrix i holds the taps of output channel i, [taps, inputs of the group].
    /// </summary>
    internal static PackedMatrix Pack<TFilters>(TFilters filters, ConvProblem problem, float* weights, GemmMicroKernel entry) where TFilters : struct, IFilterTransform
    {
        bool areLate = LateFilters.Suit(filters, problem);
        int inputs = problem.GroupInputs, outputs = problem.GroupOutputs;
        PackedMatrix packed = areLate
            ? PackedMatrix.Allocate(entry, isLeft: true, 1, filters.Taps * inputs, problem.OutputChannels)
            : PackedMatrix.Allocate(entry, isLeft: true, outputs, inputs, problem.Groups * filters.Elements);
        int rows = areLate ? outputs : packed.LeftLayout.PaddedRows, all = problem.Groups * rows;
        if ((long)problem.OutputChannels * inputs < ParallelFilters)
            for (int i = 0; i < all; i++) PackRow(i);
        else
            Parallel.For(0, all, PackRow);
        return packed;

        void PackRow(int i)
        {
            (int group, int row) = Math.DivRem(i, rows);
            float* source = weights + ((nint)group * outputs + row) * inputs * filters.Taps;
            if (areLate)
            {
                CopyTaps(packed.Left(i, 0, 0), source);
                return;
            }
            float[] memory = ArrayPool<float>.Shared.Rent(inputs * filters.Taps);
            fixed (float* taps = memory)
            {
                if (row < outputs) CopyTaps(taps, source);
                for (int part = 0; part < filters.Parts; part++)
                    TransformRow<TFilters, Vec128>(filters, part, row < outputs ? taps : null, inputs, packed.Left(group * filters.Elements + part * filters.PartElements, 0, row), packed.LeftLayout);
            }
            ArrayPool<float>.Shared.Return(memory);
        }

        void CopyTaps(float* target, float* source) => PanelPacking.Copy(target, inputs, source, inputs, filters.Taps, filters.Taps, 1);
    }

    /// <summary>An output channel in the matrices of a part of the elements.</summary>
    /// <param name="taps">[taps, inputs]; null for a row behind the last channel, which tiles read as well: it becomes zero.</param>
    /// <param name="target">The channel's row in the first of the matrices.</param>
    internal static void TransformRow<TFilters, V>(TFilters filters, int part, float* taps, int inputs, float* target, in LeftLayout layout)
        where TFilters : struct, IFilterTransform where V : struct, IVec<V>
    {
        DepthSlabs slabs = layout.Slabs;
        nint stride = layout.MatrixElements;
        for (int slab = 0; slab < slabs.Count; slab++, target += layout.SlabElements)
        {
            int length = slabs.Length(slab);
            float* from = taps + slabs.Start(slab);
            if (taps == null)
                for (int element = 0; element < filters.PartElements; element++) new Span<float>(target + element * stride, length).Clear();
            else if (length < V.Count) filters.Transform<Vec1>(part, from, inputs, length, target, stride);
            else filters.Transform<V>(part, from, inputs, length, target, stride);
        }
    }
}

/// <summary>How a filter of one channel gets into a transformed domain.</summary>
internal unsafe interface IFilterTransform
{
    int Taps { get; }

    /// <summary>Elements of a transformed filter that differ.</summary>
    int Elements { get; }

    /// <summary>Parts of the elements, one behind the other, each of which can be made without the others.</summary>
    int Parts { get; }

    int PartElements { get; }

    /// <summary>
    /// The elements of a part, of a vector of filters or more that lie side by side: their taps i from <c>taps + i * stride</c> on, their elements i of the part from <c>target + i * targetStride</c>
    /// on. The last vector overlaps the one before it.
    /// </summary>
    void Transform<V>(int part, float* taps, nint stride, int count, float* target, nint targetStride) where V : struct, IVec<V>;
}

/// <summary>G g G' of 3x3 taps: element <c>f i + j</c>, of f x f that differ; row i is a part.</summary>
internal readonly unsafe struct PlaneFilters<TTransform> : IFilterTransform where TTransform : struct, IWinogradTransform
{
    /// <summary>The rows of G that differ, three elements each.</summary>
    private static readonly float[] Rows = FindRows();

    public int Taps => 9;

    public int Elements => Parts * PartElements;

    public int Parts => TTransform.Filters;

    public int PartElements => TTransform.Filters;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Transform<V>(int part, float* taps, nint stride, int count, float* target, nint targetStride) where V : struct, IVec<V>
    {
        V a = V.Create(Rows[3 * part]), b = V.Create(Rows[3 * part + 1]), c = V.Create(Rows[3 * part + 2]);
        float* row1 = taps + 3 * stride, row2 = taps + 6 * stride;
        for (int lane = 0; lane < count; lane += V.Count)
        {
            int at = Math.Min(lane, count - V.Count);
            V g0 = V.MultiplyAdd(c, V.Load(row2 + at), V.MultiplyAdd(b, V.Load(row1 + at), a * V.Load(taps + at)));
            V g1 = V.MultiplyAdd(c, V.Load(row2 + stride + at), V.MultiplyAdd(b, V.Load(row1 + stride + at), a * V.Load(taps + stride + at)));
            V g2 = V.MultiplyAdd(c, V.Load(row2 + 2 * stride + at), V.MultiplyAdd(b, V.Load(row1 + 2 * stride + at), a * V.Load(taps + 2 * stride + at)));
            TTransform.Filter(g0, g1, g2, target + at, targetStride);
        }
    }

    /// <summary>Unit vectors become the columns of G.</summary>
    private static float[] FindRows()
    {
        var rows = new float[3 * TTransform.Filters];
        fixed (float* to = rows)
            for (int tap = 0; tap < 3; tap++) TTransform.Filter(Unit(tap == 0), Unit(tap == 1), Unit(tap == 2), to + tap, 3);
        return rows;

        static Vec1 Unit(bool isOne) => Vec1.Create(isOne ? 1 : 0);
    }
}
