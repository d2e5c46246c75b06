using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels.Attention;

/// <summary>What attention does with a row of scores, of a query or of values. Unless a length is said to be exact, rows are padded to whole vectors.</summary>
internal static unsafe class FlashRows
{
    /// <summary>The product of two rows of exactly <paramref name="n"/> elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static float Dot<V>(float* a, float* b, int n) where V : struct, IVec<V>
    {
        V s0 = default, s1 = default;
        int i = 0;
        for (; i <= n - 2 * V.Count; i += 2 * V.Count)
        {
            s0 = V.MultiplyAdd(V.Load(a + i), V.Load(b + i), s0);
            s1 = V.MultiplyAdd(V.Load(a + i + V.Count), V.Load(b + i + V.Count), s1);
        }
        float sum = V.Sum(s0 + s1);
        for (; i < n; i++) sum += a[i] * b[i];
        return sum;
    }

    /// <summary>
    /// Rows are taken from so many parts of them in turns: a processor fetches ahead within a page only, and of several streams at once it gets more from memory than of one.
    /// </summary>
    private const int Streams = 4;

    /// <summary>Rows of each part that are fetched ahead: a processor does not see that short pieces at equal distances are a stream.</summary>
    private const int FetchedRows = 12;

    /// <summary>The products of one row with each of <paramref name="count"/> others, all of exactly <paramref name="n"/> elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Dots<V>(float* row, float* rows, nint stride, int n, float* products, int count) where V : struct, IVec<V>
    {
        int part = count / Streams, whole = n / (2 * V.Count) * (2 * V.Count);
        nint ahead = FetchedRows * stride;
        float* row0 = rows, row1 = rows + part * stride, row2 = row1 + part * stride, row3 = row2 + part * stride;
        for (int j = 0; j < part; j++, row0 += stride, row1 += stride, row2 += stride, row3 += stride)
        {
            V even0 = default, odd0 = default, even1 = default, odd1 = default, even2 = default, odd2 = default, even3 = default, odd3 = default;
            int i = 0;
            for (; i < whole; i += 2 * V.Count)
            {
                V even = V.Load(row + i), odd = V.Load(row + i + V.Count);
                even0 = V.MultiplyAdd(even, V.Load(row0 + i), even0); odd0 = V.MultiplyAdd(odd, V.Load(row0 + i + V.Count), odd0);
                even1 = V.MultiplyAdd(even, V.Load(row1 + i), even1); odd1 = V.MultiplyAdd(odd, V.Load(row1 + i + V.Count), odd1);
                even2 = V.MultiplyAdd(even, V.Load(row2 + i), even2); odd2 = V.MultiplyAdd(odd, V.Load(row2 + i + V.Count), odd2);
                even3 = V.MultiplyAdd(even, V.Load(row3 + i), even3); odd3 = V.MultiplyAdd(odd, V.Load(row3 + i + V.Count), odd3);
            }
            Fetch(row0 + ahead, row1 + ahead, row2 + ahead, row3 + ahead, n);
            float sum0 = V.Sum(even0 + odd0), sum1 = V.Sum(even1 + odd1), sum2 = V.Sum(even2 + odd2), sum3 = V.Sum(even3 + odd3);
            for (; i < n; i++) (sum0, sum1, sum2, sum3) = (sum0 + row[i] * row0[i], sum1 + row[i] * row1[i], sum2 + row[i] * row2[i], sum3 + row[i] * row3[i]);
            products[j] = sum0;
            products[part + j] = sum1;
            products[2 * part + j] = sum2;
            products[3 * part + j] = sum3;
        }
        for (int j = Streams * part; j < count; j++, row3 += stride) products[j] = Dot<V>(row, row3, n);
    }

    /// <summary>Adds <paramref name="count"/> rows of exactly <paramref name="n"/> elements, each times its factor: the first rows of each quarter of them, then the second ones, and so on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddRows<V>(float* target, float* rows, nint stride, int n, float* factors, int count) where V : struct, IVec<V>
    {
        int part = count / Streams;
        nint ahead = FetchedRows * stride;
        float* row0 = rows, row1 = rows + part * stride, row2 = row1 + part * stride, row3 = row2 + part * stride;
        for (int j = 0; j < part; j++, row0 += stride, row1 += stride, row2 += stride, row3 += stride)
        {
            float f0 = factors[j], f1 = factors[part + j], f2 = factors[2 * part + j], f3 = factors[3 * part + j];
            V v0 = V.Create(f0), v1 = V.Create(f1), v2 = V.Create(f2), v3 = V.Create(f3);
            Fetch(row0 + ahead, row1 + ahead, row2 + ahead, row3 + ahead, n);
            int i = 0;
            for (; i <= n - V.Count; i += V.Count)
            {
                V sum = V.MultiplyAdd(v1, V.Load(row1 + i), V.MultiplyAdd(v0, V.Load(row0 + i), V.Load(target + i)));
                V.Store(target + i, V.MultiplyAdd(v3, V.Load(row3 + i), V.MultiplyAdd(v2, V.Load(row2 + i), sum)));
            }
            for (; i < n; i++) target[i] = target[i] + f0 * row0[i] + f1 * row1[i] + f2 * row2[i] + f3 * row3[i];
        }
        for (int j = Streams * part; j < count; j++, row3 += stride) AddRow<V>(target, row3, n, factors[j]);
    }

    /// <summary>Asks for a row of each part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch(float* row0, float* row1, float* row2, float* row3, int n)
    {
        for (int i = 0; i < n; i += Vec.LineElements)
        {
            Vec.Prefetch(row0 + i);
            Vec.Prefetch(row1 + i);
            Vec.Prefetch(row2 + i);
            Vec.Prefetch(row3 + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRow<V>(float* target, float* row, int n, float factor) where V : struct, IVec<V>
    {
        V f = V.Create(factor);
        int i = 0;
        for (; i <= n - V.Count; i += V.Count) V.Store(target + i, V.MultiplyAdd(f, V.Load(row + i), V.Load(target + i)));
        for (; i < n; i++) target[i] += factor * row[i];
    }

    /// <summary>Divides the columns of a panel, one vector of them, by the larger of their lengths and <paramref name="least"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Normalize<V>(float* panel, int depth, int width, float least) where V : struct, IVec<V>
    {
        V sum = default;
        for (int k = 0; k < depth; k++)
        {
            V x = V.Load(panel + k * width);
            sum = V.MultiplyAdd(x, x, sum);
        }
        V length = V.Sqrt(sum), limit = V.Create(least), factor = V.Create(1f) / V.Select(V.Less(length, limit), limit, length);
        for (int k = 0; k < depth; k++) V.Store(panel + k * width, V.Load(panel + k * width) * factor);
    }

    /// <summary>A row of exactly <paramref name="n"/> elements times a factor, in place or into another.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Scale<V>(float* source, float* target, int n, float factor) where V : struct, IVec<V>
    {
        V f = V.Create(factor);
        int i = 0;
        for (; i <= n - V.Count; i += V.Count) V.Store(target + i, V.Load(source + i) * f);
        for (; i < n; i++) target[i] = source[i] * factor;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Cap<V>(float* data, nint stride, int rows, int n, float cap) where V : struct, IVec<V>
    {
        V c = V.Create(cap);
        for (; rows > 0; rows--, data += stride)
            for (int i = 0; i < n; i += V.Count) V.Store(data + i, FloatMath.Tanh(V.Load(data + i) / c) * c);
    }

    /// <summary>Adds rows of a mask of exactly <paramref name="n"/> elements; where it is -infinity, the score becomes that whatever it was.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddMask<V>(float* scores, nint stride, int rows, float* mask, nint maskStride, int n) where V : struct, IVec<V>
    {
        for (; rows > 0; rows--, scores += stride, mask += maskStride)
        {
            int i = 0;
            for (; i <= n - V.Count; i += V.Count) V.Store(scores + i, Masked(V.Load(scores + i), V.Load(mask + i)));
            if (i < n) V.Store(scores + i, Masked(V.Load(scores + i), Vec.LoadPartial<V>(mask + i, n - i)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Masked<V>(V score, V mask) where V : struct, IVec<V> =>
        V.Select(V.Less(V.Create(float.NegativeInfinity), mask), score + mask, mask);

    /// <summary>Makes scores that are not seen <paramref name="hidden"/>. <paramref name="seen"/> has all bits of an element set, or none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Hide<V>(float* scores, float* seen, int n, float hidden) where V : struct, IVec<V>
    {
        V value = V.Create(hidden);
        for (int i = 0; i < n; i += V.Count) V.Store(scores + i, V.Select(V.Load(seen + i), V.Load(scores + i), value));
    }

    /// <summary>Exactly <paramref name="n"/> bytes, each to all bits of an element where it is not 0, and to none where it is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Widen(byte* bytes, float* bits, int n)
    {
        uint* target = (uint*)bits;
        int i = 0;
        for (; i <= n - 16; i += 16)
        {
            (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.Load(bytes + i));
            (Vector128<uint> w0, Vector128<uint> w1) = Vector128.Widen(low);
            (Vector128<uint> w2, Vector128<uint> w3) = Vector128.Widen(high);
            Vector128.Store(Vector128.GreaterThan(w0, default), target + i);
            Vector128.Store(Vector128.GreaterThan(w1, default), target + i + 4);
            Vector128.Store(Vector128.GreaterThan(w2, default), target + i + 8);
            Vector128.Store(Vector128.GreaterThan(w3, default), target + i + 12);
        }
        for (; i < n; i++) target[i] = bytes[i] == 0 ? 0 : uint.MaxValue;
    }

    /// <summary>The largest element of each row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Largest<V>(float* data, nint stride, int rows, int n, float* largest) where V : struct, IVec<V>
    {
        for (int row = 0; row < rows; row++, data += stride)
        {
            V most = V.Load(data);
            for (int i = V.Count; i < n; i += V.Count) most = V.Max(V.Load(data + i), most);
            largest[row] = V.Largest(most);
        }
    }

    /// <summary>Replaces x by e^(x - shift), which must not be above e^88, and adds to the sum of each row. A row whose shift is -infinity has nothing else: it becomes zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Exponentials<V>(float* data, nint stride, int rows, int n, float* shift, float* sums) where V : struct, IVec<V>
    {
        for (int row = 0; row < rows; row++, data += stride)
        {
            V sum = default, by = V.Create(float.IsNegativeInfinity(shift[row]) ? 0 : shift[row]);
            for (int i = 0; i < n; i += V.Count)
            {
                V e = FloatMath.ExpOrZero(V.Load(data + i) - by);
                V.Store(data + i, e);
                sum += e;
            }
            sums[row] += V.Sum(sum);
        }
    }
}
