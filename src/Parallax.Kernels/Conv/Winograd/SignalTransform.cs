using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// F(9 - r, r) along one axis, r taps from 2 to 7: eight multiplications for 9 - r results, 1.75 to 2.5 times fewer than there are products of taps. Points 0, ±1, ±½, ±2, infinity, for all r: in one
/// dimension their powers cost little accuracy (measured: 2e-6 to 3e-6 of the largest result, sums of products 1e-6), and the transform of inputs is the same for all.
/// </summary>
/// <remarks>The formulas are those of <see cref="IWinogradTransform"/>.</remarks>
internal static unsafe class SignalTransform
{
    internal const string Name = "winograd_1d";

    internal const int Tile = 8;

    /// <summary>Multiply-adds that take as long as transforming one element of a tile, there or back with its epilogue.</summary>
    internal const double Cost = 36;

    /// <summary>The positive points p beside 0 and infinity, and prod(p - p_l) over all others; that of -p is the same.</summary>
    internal static ReadOnlySpan<float> Points => [1f, 0.5f, 2f];

    internal static ReadOnlySpan<float> Products => [-4.5f, 1.40625f, 90f];

    internal static bool HasTaps(long taps) => taps is >= 2 and < Tile;

    /// <summary>Results of a tile.</summary>
    internal static int ResultsOf(long taps) => Tile + 1 - (int)taps;

    /// <summary>The axis that has the taps, if all others are passed through element by element and none behind it has more than one element; otherwise -1.</summary>
    internal static int AxisOf(ConvProblem problem)
    {
        int axis = Array.FindLastIndex(problem.Axes, a => !a.IsTrivial);
        if (axis < 0 || problem.Axes[axis] is not { Stride: 1, Dilation: 1 } taps || !HasTaps(taps.Kernel)) return -1;
        return problem.Axes.Take(axis).All(a => a.PassesThrough) ? axis : -1;
    }

    /// <summary>B' d in place of d.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Input<V>(ref V d0, ref V d1, ref V d2, ref V d3, ref V d4, ref V d5, ref V d6, ref V d7) where V : struct, IVec<V>
    {
        V outer = V.Create(5.25f);
        V first = V.MultiplyAdd(outer, d2 - d4, d6 - d0), last = V.MultiplyAdd(outer, d3 - d5, d7 - d1);
        // Rows of p and -p are the even powers plus and minus the odd ones.
        V even1 = V.MultiplyAdd(V.Create(-4.25f), d4, d2 + d6), odd1 = V.MultiplyAdd(V.Create(-4.25f), d3, d1 + d5);
        V evenHalf = V.MultiplyAdd(V.Create(4f), d2, V.MultiplyAdd(V.Create(-5f), d4, d6));
        V oddHalf = V.MultiplyAdd(V.Create(2f), d1, V.MultiplyAdd(V.Create(-2.5f), d3, V.Create(0.5f) * d5));
        V even2 = V.MultiplyAdd(V.Create(0.25f), d2, V.MultiplyAdd(V.Create(-1.25f), d4, d6));
        V odd2 = V.MultiplyAdd(V.Create(0.5f), d1, V.MultiplyAdd(V.Create(-2.5f), d3, V.Create(2f) * d5));
        (d0, d1, d2, d3, d4, d5, d6, d7) = (first, even1 + odd1, even1 - odd1, evenHalf + oddHalf, evenHalf - oddHalf, even2 + odd2, even2 - odd2, last);
    }

    /// <summary>A' x: result i of each lane is stored at <c>to + i * toStride</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Results<V>(float* from, nint stride, int results, float* to, nint toStride) where V : struct, IVec<V>
    {
        V x1 = V.Load(from + stride), x2 = V.Load(from + 2 * stride), x3 = V.Load(from + 3 * stride), x4 = V.Load(from + 4 * stride);
        V x5 = V.Load(from + 5 * stride), x6 = V.Load(from + 6 * stride);
        V even1 = x1 + x2, odd1 = x1 - x2, evenHalf = x3 + x4, oddHalf = x3 - x4, even2 = x5 + x6, odd2 = x5 - x6;
        V.Store(to, V.Load(from) + even1 + (evenHalf + even2));
        V half = V.Create(0.5f), low = half, high = V.Create(2f), two = high;
        int last = results - 1;
        for (int i = 1; i < last; i++)
        {
            bool isOdd = (i & 1) != 0;
            V.Store(to + i * toStride, isOdd ? V.MultiplyAdd(low, oddHalf, V.MultiplyAdd(high, odd2, odd1)) : V.MultiplyAdd(low, evenHalf, V.MultiplyAdd(high, even2, even1)));
            low *= half;
            high *= two;
        }
        V end = V.Load(from + 7 * stride);
        V.Store(to + last * toStride, (last & 1) != 0
            ? V.MultiplyAdd(low, oddHalf, V.MultiplyAdd(high, odd2, odd1 + end))
            : V.MultiplyAdd(low, evenHalf, V.MultiplyAdd(high, even2, even1 + end)));
    }
}

/// <summary>G g of a filter along one axis.</summary>
internal readonly unsafe struct SignalFilters(int taps) : IFilterTransform
{
    public int Taps => taps;

    public int Elements => PartElements;

    public int Parts => 1;

    public int PartElements => SignalTransform.Tile;

    public void Transform<V>(int part, float* filter, nint stride, int count, float* target, nint targetStride) where V : struct, IVec<V>
    {
        for (int lane = 0; lane < count; lane += V.Count)
        {
            int at = Math.Min(lane, count - V.Count);
            Transform<V>(filter + at, stride, target + at, targetStride);
        }
    }

    private void Transform<V>(float* filter, nint stride, float* target, nint targetStride) where V : struct, IVec<V>
    {
        V.Store(target, Vec.Negate(V.Load(filter)));
        for (int point = 0; point < SignalTransform.Points.Length; point++)
        {
            float power = 1 / SignalTransform.Products[point];
            V even = default, odd = default;
            for (int tap = 0; tap < taps; tap++, power *= SignalTransform.Points[point])
            {
                V term = V.Create(power) * V.Load(filter + tap * stride);
                if (tap % 2 == 0) even += term;
                else odd += term;
            }
            V.Store(target + (2 * point + 1) * targetStride, even + odd);
            V.Store(target + (2 * point + 2) * targetStride, even - odd);
        }
        V.Store(target + 7 * targetStride, V.Load(filter + (taps - 1) * stride));
    }
}
