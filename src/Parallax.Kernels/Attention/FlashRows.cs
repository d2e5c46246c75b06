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

    /// <summary>Adds <paramref name="count"/> rows of exactly <paramref name="n"/> elements, each times its factor, in their order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddRows<V>(float* target, float* rows, nint stride, int n, float* factors, int count) where V : struct, IVec<V>
    {
        int i = 0;
        for (; i <= n - 4 * V.Count; i += 4 * V.Count)
        {
            float* at = target + i, row = rows + i;
            V s0 = V.Load(at), s1 = V.Load(at + V.Count), s2 = V.Load(at + 2 * V.Count), s3 = V.Load(at + 3 * V.Count);
            for (int j = 0; j < count; j++, row += stride)
            {
                V f = V.Create(factors[j]);
                s0 = V.MultiplyAdd(f, V.Load(row), s0);
                s1 = V.MultiplyAdd(f, V.Load(row + V.Count), s1);
                s2 = V.MultiplyAdd(f, V.Load(row + 2 * V.Count), s2);
                s3 = V.MultiplyAdd(f, V.Load(row + 3 * V.Count), s3);
            }
            V.Store(at, s0);
            V.Store(at + V.Count, s1);
            V.Store(at + 2 * V.Count, s2);
            V.Store(at + 3 * V.Count, s3);
        }
        for (; i <= n - V.Count; i += V.Count)
        {
            float* row = rows + i;
            V sum = V.Load(target + i);
            for (int j = 0; j < count; j++, row += stride) sum = V.MultiplyAdd(V.Create(factors[j]), V.Load(row), sum);
            V.Store(target + i, sum);
        }
        for (; i < n; i++)
        {
            float sum = target[i];
            for (int j = 0; j < count; j++) sum += factors[j] * rows[j * stride + i];
            target[i] = sum;
        }
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
