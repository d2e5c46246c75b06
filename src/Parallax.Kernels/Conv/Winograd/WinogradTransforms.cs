using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// One-dimensional transforms of a minimal filtering algorithm: m results of a filter of 3 taps from t elements with t multiplications,
/// <c>y = A'(G g * B' d)</c> (Winograd 1980; Lavin and Gray, arXiv 1509.09308). For F(m, r), with interpolation points p (the last one infinity),
/// <c>A'[i][j] = p_j^i</c>, <c>G[j] = [1, p_j, ...] / prod(p_j - p_l)</c>, and row j of B' holds the coefficients of <c>prod(x - p_l), l != j</c>.
/// Every function works on vectors of independent lanes: element i lies <c>i * stride</c> behind the first.
/// </summary>
internal unsafe interface IWinogradTransform
{
    /// <summary>As it stands in the names of kernels.</summary>
    static abstract string Name { get; }

    /// <summary>Elements from the first of one result to the first of the next, 1 or 2.</summary>
    static abstract int Stride { get; }

    /// <summary>m.</summary>
    static abstract int Results { get; }

    /// <summary>t.</summary>
    static abstract int Tile { get; }

    /// <summary>Multiply-adds that take as long as transforming one element of a tile, there or back with its epilogue.</summary>
    static abstract double Cost { get; }

    /// <summary>Elements of G g that differ: those behind the last are the last again.</summary>
    static abstract int Filters { get; }

    /// <summary>
    /// B' d of t rows, element <paramref name="at"/> of each and those behind it; result i is stored at <c>to + i * toStride</c> and, with stride 1, once more
    /// <paramref name="echo"/> elements behind.
    /// </summary>
    static abstract void InputRows<V>(float** from, nint at, float* to, nint toStride, nint echo) where V : struct, IVec<V>;

    /// <summary>
    /// B' d. With stride 1 the first m elements of lane i lie at <c>from + m i</c>, the others at <c>from + next + m i</c>; with stride 2 this is true of every
    /// second element, and those between them lie at <c>from + 2 next + m i</c>.
    /// </summary>
    static abstract void InputColumns<V>(float* from, nint next, float* to, nint toStride) where V : struct, IVec<V>;

    /// <summary>The elements of G g that differ.</summary>
    static abstract void Filter<V>(V g0, V g1, V g2, float* to, nint toStride) where V : struct, IVec<V>;

    /// <summary>A' x.</summary>
    static abstract void ResultRows<V>(float* from, nint fromStride, float* to, nint toStride) where V : struct, IVec<V>;

    /// <summary>A' x; the m results of lane i are stored side by side at <c>to + m i</c>.</summary>
    static abstract void ResultColumns<V>(float* from, nint fromStride, float* to) where V : struct, IVec<V>;
}

/// <summary>F(2, 3): points 0, 1, -1, infinity.</summary>
internal readonly unsafe struct WinogradF2 : IWinogradTransform
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static string Name => "winograd2";
    public static int Stride => 1;
    public static int Results => 2;
    public static int Tile => 4;
    public static double Cost => 30;
    public static int Filters => 4;

    [MethodImpl(Inline)]
    public static void InputRows<V>(float** from, nint at, float* to, nint toStride, nint echo) where V : struct, IVec<V>
    {
        V d0 = V.Load(from[0] + at), d1 = V.Load(from[1] + at), d2 = V.Load(from[2] + at), d3 = V.Load(from[3] + at);
        Input(ref d0, ref d1, ref d2, ref d3);
        WinogradRows.Store4(to, toStride, d0, d1, d2, d3);
        WinogradRows.Store4(to + echo, toStride, d0, d1, d2, d3);
    }

    [MethodImpl(Inline)]
    public static void InputColumns<V>(float* from, nint next, float* to, nint toStride) where V : struct, IVec<V>
    {
        V.LoadColumns(from, out V d0, out V d1);
        V.LoadColumns(from + next, out V d2, out V d3);
        Input(ref d0, ref d1, ref d2, ref d3);
        WinogradRows.Store4(to, toStride, d0, d1, d2, d3);
    }

    [MethodImpl(Inline)]
    public static void Filter<V>(V g0, V g1, V g2, float* to, nint toStride) where V : struct, IVec<V>
    {
        V half = V.Create(0.5f), even = half * (g0 + g2), odd = half * g1;
        WinogradRows.Store4(to, toStride, Vec.Negate(g0), even + odd, even - odd, g2);
    }

    [MethodImpl(Inline)]
    public static void ResultRows<V>(float* from, nint fromStride, float* to, nint toStride) where V : struct, IVec<V>
    {
        Result(from, fromStride, out V y0, out V y1);
        V.Store(to, y0);
        V.Store(to + toStride, y1);
    }

    [MethodImpl(Inline)]
    public static void ResultColumns<V>(float* from, nint fromStride, float* to) where V : struct, IVec<V>
    {
        Result(from, fromStride, out V y0, out V y1);
        V.StoreColumns(to, y0, y1);
    }

    [MethodImpl(Inline)]
    private static void Input<V>(ref V d0, ref V d1, ref V d2, ref V d3) where V : struct, IVec<V> =>
        (d0, d1, d2, d3) = (d2 - d0, d1 + d2, d2 - d1, d3 - d1);

    [MethodImpl(Inline)]
    private static void Result<V>(float* from, nint stride, out V y0, out V y1) where V : struct, IVec<V>
    {
        V x1 = V.Load(from + stride), x2 = V.Load(from + 2 * stride);
        y0 = V.Load(from) + (x1 + x2);
        y1 = (x1 - x2) + V.Load(from + 3 * stride);
    }
}

/// <summary>
/// F(4, 3): points 0, ±√½, ±√2, infinity. Their powers up to the third stay within 2√2 of 1, and so does what rounding errors are multiplied by:
/// a fraction of what the points ±1, ±2 make of them.
/// </summary>
internal readonly unsafe struct WinogradF4 : IWinogradTransform
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private const float A = 0.70710678118654752f, B = 1.41421356237309505f;

    public static string Name => "winograd4";
    public static int Stride => 1;
    public static int Results => 4;
    public static int Tile => 6;
    public static double Cost => 30;
    public static int Filters => 6;

    [MethodImpl(Inline)]
    public static void InputRows<V>(float** from, nint at, float* to, nint toStride, nint echo) where V : struct, IVec<V>
    {
        V d0 = V.Load(from[0] + at), d1 = V.Load(from[1] + at), d2 = V.Load(from[2] + at);
        V d3 = V.Load(from[3] + at), d4 = V.Load(from[4] + at), d5 = V.Load(from[5] + at);
        Input(ref d0, ref d1, ref d2, ref d3, ref d4, ref d5);
        WinogradRows.Store6(to, toStride, d0, d1, d2, d3, d4, d5);
        WinogradRows.Store6(to + echo, toStride, d0, d1, d2, d3, d4, d5);
    }

    [MethodImpl(Inline)]
    public static void InputColumns<V>(float* from, nint next, float* to, nint toStride) where V : struct, IVec<V>
    {
        V.LoadColumns(from, out V d0, out V d1, out V d2, out V d3);
        V.LoadColumns(from + next, out V d4, out V d5, out _, out _);
        Input(ref d0, ref d1, ref d2, ref d3, ref d4, ref d5);
        WinogradRows.Store6(to, toStride, d0, d1, d2, d3, d4, d5);
    }

    [MethodImpl(Inline)]
    public static void Filter<V>(V g0, V g1, V g2, float* to, nint toStride) where V : struct, IVec<V>
    {
        V evenA = V.Create(-1 / 1.5f) * V.MultiplyAdd(V.Create(0.5f), g2, g0), oddA = V.Create(-A / 1.5f) * g1;
        V evenB = V.Create(1 / 6f) * V.MultiplyAdd(V.Create(2f), g2, g0), oddB = V.Create(B / 6f) * g1;
        WinogradRows.Store6(to, toStride, g0, evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, g2);
    }

    [MethodImpl(Inline)]
    public static void ResultRows<V>(float* from, nint fromStride, float* to, nint toStride) where V : struct, IVec<V>
    {
        Result(from, fromStride, out V y0, out V y1, out V y2, out V y3);
        WinogradRows.Store4(to, toStride, y0, y1, y2, y3);
    }

    [MethodImpl(Inline)]
    public static void ResultColumns<V>(float* from, nint fromStride, float* to) where V : struct, IVec<V>
    {
        Result(from, fromStride, out V y0, out V y1, out V y2, out V y3);
        V.StoreColumns(to, y0, y1, y2, y3);
    }

    [MethodImpl(Inline)]
    private static void Input<V>(ref V d0, ref V d1, ref V d2, ref V d3, ref V d4, ref V d5) where V : struct, IVec<V>
    {
        V both = V.Create(-2.5f), minusTwo = V.Create(-2f), minusHalf = V.Create(-0.5f), a = V.Create(A), b = V.Create(B);
        V first = V.MultiplyAdd(both, d2, d0 + d4), last = V.MultiplyAdd(both, d3, d1 + d5);
        V evenA = V.MultiplyAdd(minusTwo, d2, d4), oddA = a * V.MultiplyAdd(minusTwo, d1, d3);
        V evenB = V.MultiplyAdd(minusHalf, d2, d4), oddB = b * V.MultiplyAdd(minusHalf, d1, d3);
        (d0, d1, d2, d3, d4, d5) = (first, evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, last);
    }

    [MethodImpl(Inline)]
    private static void Result<V>(float* from, nint stride, out V y0, out V y1, out V y2, out V y3) where V : struct, IVec<V>
    {
        V x1 = V.Load(from + stride), x2 = V.Load(from + 2 * stride), x3 = V.Load(from + 3 * stride), x4 = V.Load(from + 4 * stride);
        V evenA = x1 + x2, oddA = x1 - x2, evenB = x3 + x4, oddB = x3 - x4;
        y0 = V.Load(from) + (evenA + evenB);
        y1 = V.MultiplyAdd(V.Create(A), oddA, V.Create(B) * oddB);
        y2 = V.MultiplyAdd(V.Create(0.5f), evenA, evenB + evenB);
        y3 = V.MultiplyAdd(V.Create(A / 2), oddA, V.MultiplyAdd(V.Create(2 * B), oddB, V.Load(from + 5 * stride)));
    }
}

/// <summary>
/// Three taps, stride 2. Taps 0 and 2 see the elements of even places, as F(4, 2) with points ±√½, ±√2, infinity; tap 1 sees those of odd places, without
/// a transform. So 9 multiplications make 4 results, instead of 12, and the last four have the same factor.
/// </summary>
internal readonly unsafe struct WinogradF4Stride2 : IWinogradTransform
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private const float A = 0.70710678118654752f, B = 1.41421356237309505f;

    public static string Name => "winograd4s2";
    public static int Stride => 2;
    public static int Results => 4;
    public static int Tile => 9;
    public static double Cost => 24;
    public static int Filters => 6;

    [MethodImpl(Inline)]
    public static void InputRows<V>(float** from, nint at, float* to, nint toStride, nint echo) where V : struct, IVec<V>
    {
        V d0 = V.Load(from[0] + at), d1 = V.Load(from[2] + at), d2 = V.Load(from[4] + at), d3 = V.Load(from[6] + at), d4 = V.Load(from[8] + at);
        Input(ref d0, ref d1, ref d2, ref d3, ref d4);
        V odd0 = V.Load(from[1] + at), odd1 = V.Load(from[3] + at), odd2 = V.Load(from[5] + at), odd3 = V.Load(from[7] + at);
        WinogradRows.Store5(to, toStride, d0, d1, d2, d3, d4);
        WinogradRows.Store4(to + 5 * toStride, toStride, odd0, odd1, odd2, odd3);
    }

    [MethodImpl(Inline)]
    public static void InputColumns<V>(float* from, nint next, float* to, nint toStride) where V : struct, IVec<V>
    {
        V.LoadColumns(from, out V d0, out V d1, out V d2, out V d3);
        V.LoadColumns(from + next, out V d4, out _, out _, out _);
        Input(ref d0, ref d1, ref d2, ref d3, ref d4);
        WinogradRows.Store5(to, toStride, d0, d1, d2, d3, d4);
        V.LoadColumns(from + 2 * next, out d0, out d1, out d2, out d3);
        WinogradRows.Store4(to + 5 * toStride, toStride, d0, d1, d2, d3);
    }

    [MethodImpl(Inline)]
    public static void Filter<V>(V g0, V g1, V g2, float* to, nint toStride) where V : struct, IVec<V>
    {
        V evenA = V.Create(-1 / 3f) * g2, oddA = V.Create(-B / 3f) * g0, evenB = V.Create(1 / 3f) * g2, oddB = V.Create(A / 3f) * g0;
        WinogradRows.Store5(to, toStride, evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, g2);
        V.Store(to + 5 * toStride, g1);
    }

    [MethodImpl(Inline)]
    public static void ResultRows<V>(float* from, nint fromStride, float* to, nint toStride) where V : struct, IVec<V>
    {
        Result(from, fromStride, out V y0, out V y1, out V y2, out V y3);
        WinogradRows.Store4(to, toStride, y0, y1, y2, y3);
    }

    [MethodImpl(Inline)]
    public static void ResultColumns<V>(float* from, nint fromStride, float* to) where V : struct, IVec<V>
    {
        Result(from, fromStride, out V y0, out V y1, out V y2, out V y3);
        V.StoreColumns(to, y0, y1, y2, y3);
    }

    [MethodImpl(Inline)]
    private static void Input<V>(ref V d0, ref V d1, ref V d2, ref V d3, ref V d4) where V : struct, IVec<V>
    {
        V minusTwo = V.Create(-2f), minusHalf = V.Create(-0.5f), last = V.MultiplyAdd(V.Create(-2.5f), d2, d0 + d4);
        V oddA = V.MultiplyAdd(minusTwo, d1, d3), evenA = V.Create(A) * V.MultiplyAdd(minusTwo, d0, d2);
        V oddB = V.MultiplyAdd(minusHalf, d1, d3), evenB = V.Create(B) * V.MultiplyAdd(minusHalf, d0, d2);
        (d0, d1, d2, d3, d4) = (oddA + evenA, oddA - evenA, oddB + evenB, oddB - evenB, last);
    }

    [MethodImpl(Inline)]
    private static void Result<V>(float* from, nint stride, out V y0, out V y1, out V y2, out V y3) where V : struct, IVec<V>
    {
        V x0 = V.Load(from), x1 = V.Load(from + stride), x2 = V.Load(from + 2 * stride), x3 = V.Load(from + 3 * stride);
        V evenA = x0 + x1, oddA = x0 - x1, evenB = x2 + x3, oddB = x2 - x3;
        y0 = (evenA + evenB) + V.Load(from + 5 * stride);
        y1 = V.MultiplyAdd(V.Create(A), oddA, V.MultiplyAdd(V.Create(B), oddB, V.Load(from + 6 * stride)));
        y2 = V.MultiplyAdd(V.Create(0.5f), evenA, V.MultiplyAdd(V.Create(2f), evenB, V.Load(from + 7 * stride)));
        y3 = V.MultiplyAdd(V.Create(A / 2), oddA, V.MultiplyAdd(V.Create(2 * B), oddB, V.Load(from + 4 * stride) + V.Load(from + 8 * stride)));
    }
}

/// <summary>Vectors, each to a row of its own.</summary>
internal static unsafe class WinogradRows
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    [MethodImpl(Inline)]
    internal static void Store4<V>(float* to, nint stride, V v0, V v1, V v2, V v3) where V : struct, IVec<V>
    {
        V.Store(to, v0);
        V.Store(to + stride, v1);
        V.Store(to + 2 * stride, v2);
        V.Store(to + 3 * stride, v3);
    }

    [MethodImpl(Inline)]
    internal static void Store5<V>(float* to, nint stride, V v0, V v1, V v2, V v3, V v4) where V : struct, IVec<V>
    {
        Store4(to, stride, v0, v1, v2, v3);
        V.Store(to + 4 * stride, v4);
    }

    [MethodImpl(Inline)]
    internal static void Store6<V>(float* to, nint stride, V v0, V v1, V v2, V v3, V v4, V v5) where V : struct, IVec<V>
    {
        Store5(to, stride, v0, v1, v2, v3, v4);
        V.Store(to + 5 * stride, v5);
    }
}
