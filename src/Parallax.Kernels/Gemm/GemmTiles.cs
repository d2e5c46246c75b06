using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// The inner products of the GEMM family: C[h, 2V] = sums[h, 2V] + A[h, depth] B[depth, 2V], for a few heights h and every vector width V, whose vectors are T.
/// A has <c>aStride</c> elements between rows, its columns are contiguous. B has <c>bStride</c> elements between steps of depth, 2V of them read
/// at each. C has <c>cStride</c> elements between rows, the sums <c>sumsStride</c>; they may be C itself, and are zero where they are null. All sums run in the order of depth, one
/// after another: an element has the same bits whatever the height of its tile. The accumulators are named one by one: that is what makes the JIT keep them in registers. They are plain vectors
/// for the same reason, see <see cref="ISums{T}"/>.
/// </summary>
internal static unsafe class GemmTiles
{
    /// <summary>1 row by 4 panels of B at once: as many streams come from memory faster than one.</summary>
    /// <param name="panelStride">Bytes.</param>
    /// <param name="scale">As <see cref="IElements{V, T}.Load"/> wants it.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Wide4<V, T, E>(nint depth, float* a, byte* b, nint panelStride, float scale, float* c, float* sums)
        where V : struct, ISums<T> where T : struct where E : struct, IElements<V, T>
    {
        T c00 = default, c01 = default;
        T c10 = default, c11 = default;
        T c20 = default, c21 = default;
        T c30 = default, c31 = default;
        if (sums != null)
        {
            float* at = sums;
            c00 = V.Load(at); c01 = V.Load(at + V.Count); at += 2 * V.Count;
            c10 = V.Load(at); c11 = V.Load(at + V.Count); at += 2 * V.Count;
            c20 = V.Load(at); c21 = V.Load(at + V.Count); at += 2 * V.Count;
            c30 = V.Load(at); c31 = V.Load(at + V.Count);
        }
        T scales = V.Create(scale);
        nint vector = E.Bytes * V.Count, two = 2 * panelStride;
        byte* b3 = b + 3 * panelStride;
        for (nint k = depth; k > 0; k--)
        {
            T x = V.Create(a[0]);
            c00 = V.MultiplyAdd(x, E.Load(b, scales), c00); c01 = V.MultiplyAdd(x, E.Load(b + vector, scales), c01);
            c10 = V.MultiplyAdd(x, E.Load(b + panelStride, scales), c10); c11 = V.MultiplyAdd(x, E.Load(b + panelStride + vector, scales), c11);
            c20 = V.MultiplyAdd(x, E.Load(b + two, scales), c20); c21 = V.MultiplyAdd(x, E.Load(b + two + vector, scales), c21);
            c30 = V.MultiplyAdd(x, E.Load(b3, scales), c30); c31 = V.MultiplyAdd(x, E.Load(b3 + vector, scales), c31);
            a++;
            b += 2 * vector; b3 += 2 * vector;
        }
        V.Store(c, c00); V.Store(c + V.Count, c01); c += 2 * V.Count;
        V.Store(c, c10); V.Store(c + V.Count, c11); c += 2 * V.Count;
        V.Store(c, c20); V.Store(c + V.Count, c21); c += 2 * V.Count;
        V.Store(c, c30); V.Store(c + V.Count, c31);
    }

    /// <summary>1 row by 8 panels of B at once: as many streams come from memory faster than one.</summary>
    /// <param name="panelStride">Bytes.</param>
    /// <param name="scale">As <see cref="IElements{V, T}.Load"/> wants it.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Wide8<V, T, E>(nint depth, float* a, byte* b, nint panelStride, float scale, float* c, float* sums)
        where V : struct, ISums<T> where T : struct where E : struct, IElements<V, T>
    {
        T c00 = default, c01 = default;
        T c10 = default, c11 = default;
        T c20 = default, c21 = default;
        T c30 = default, c31 = default;
        T c40 = default, c41 = default;
        T c50 = default, c51 = default;
        T c60 = default, c61 = default;
        T c70 = default, c71 = default;
        if (sums != null)
        {
            float* at = sums;
            c00 = V.Load(at); c01 = V.Load(at + V.Count); at += 2 * V.Count;
            c10 = V.Load(at); c11 = V.Load(at + V.Count); at += 2 * V.Count;
            c20 = V.Load(at); c21 = V.Load(at + V.Count); at += 2 * V.Count;
            c30 = V.Load(at); c31 = V.Load(at + V.Count); at += 2 * V.Count;
            c40 = V.Load(at); c41 = V.Load(at + V.Count); at += 2 * V.Count;
            c50 = V.Load(at); c51 = V.Load(at + V.Count); at += 2 * V.Count;
            c60 = V.Load(at); c61 = V.Load(at + V.Count); at += 2 * V.Count;
            c70 = V.Load(at); c71 = V.Load(at + V.Count);
        }
        T scales = V.Create(scale);
        nint vector = E.Bytes * V.Count, two = 2 * panelStride;
        byte* b3 = b + 3 * panelStride, b6 = b + 6 * panelStride;
        for (nint k = depth; k > 0; k--)
        {
            T x = V.Create(a[0]);
            c00 = V.MultiplyAdd(x, E.Load(b, scales), c00); c01 = V.MultiplyAdd(x, E.Load(b + vector, scales), c01);
            c10 = V.MultiplyAdd(x, E.Load(b + panelStride, scales), c10); c11 = V.MultiplyAdd(x, E.Load(b + panelStride + vector, scales), c11);
            c20 = V.MultiplyAdd(x, E.Load(b + two, scales), c20); c21 = V.MultiplyAdd(x, E.Load(b + two + vector, scales), c21);
            c30 = V.MultiplyAdd(x, E.Load(b3, scales), c30); c31 = V.MultiplyAdd(x, E.Load(b3 + vector, scales), c31);
            c40 = V.MultiplyAdd(x, E.Load(b3 + panelStride, scales), c40); c41 = V.MultiplyAdd(x, E.Load(b3 + panelStride + vector, scales), c41);
            c50 = V.MultiplyAdd(x, E.Load(b3 + two, scales), c50); c51 = V.MultiplyAdd(x, E.Load(b3 + two + vector, scales), c51);
            c60 = V.MultiplyAdd(x, E.Load(b6, scales), c60); c61 = V.MultiplyAdd(x, E.Load(b6 + vector, scales), c61);
            c70 = V.MultiplyAdd(x, E.Load(b6 + panelStride, scales), c70); c71 = V.MultiplyAdd(x, E.Load(b6 + panelStride + vector, scales), c71);
            a++;
            b += 2 * vector; b3 += 2 * vector; b6 += 2 * vector;
        }
        V.Store(c, c00); V.Store(c + V.Count, c01); c += 2 * V.Count;
        V.Store(c, c10); V.Store(c + V.Count, c11); c += 2 * V.Count;
        V.Store(c, c20); V.Store(c + V.Count, c21); c += 2 * V.Count;
        V.Store(c, c30); V.Store(c + V.Count, c31); c += 2 * V.Count;
        V.Store(c, c40); V.Store(c + V.Count, c41); c += 2 * V.Count;
        V.Store(c, c50); V.Store(c + V.Count, c51); c += 2 * V.Count;
        V.Store(c, c60); V.Store(c + V.Count, c61); c += 2 * V.Count;
        V.Store(c, c70); V.Store(c + V.Count, c71);
    }

    /// <summary>1 row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows1<V, T, F>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct where F : struct, IFetching
    {
        T c00 = default, c01 = default;
        if (sums != null)
        {
            float* row = sums;
            c00 = V.Load(row); c01 = V.Load(row + V.Count);
        }
        Prefetcher fetch = *ahead;
        for (nint left = depth, steps = F.IsInBursts ? fetch.Steps : depth; left > 0; left -= steps)
        {
            if (F.IsInBursts) fetch.FetchBurst();
            for (nint k = Math.Min(left, steps); k > 0; k--)
            {
                if (!F.IsInBursts) fetch.FetchLine();
                T b0 = V.Load(b), b1 = V.Load(b + V.Count), x;
                x = V.Create(a[0]); c00 = V.MultiplyAdd(x, b0, c00); c01 = V.MultiplyAdd(x, b1, c01);
                a++;
                b += bStride;
            }
        }
        V.Store(c, c00); V.Store(c + V.Count, c01);
    }

    /// <summary>2 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows2<V, T, F>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct where F : struct, IFetching
    {
        T c00 = default, c01 = default;
        T c10 = default, c11 = default;
        if (sums != null)
        {
            float* row = sums;
            c00 = V.Load(row); c01 = V.Load(row + V.Count); row += sumsStride;
            c10 = V.Load(row); c11 = V.Load(row + V.Count);
        }
        Prefetcher fetch = *ahead;
        for (nint left = depth, steps = F.IsInBursts ? fetch.Steps : depth; left > 0; left -= steps)
        {
            if (F.IsInBursts) fetch.FetchBurst();
            for (nint k = Math.Min(left, steps); k > 0; k--)
            {
                if (!F.IsInBursts) fetch.FetchLine();
                T b0 = V.Load(b), b1 = V.Load(b + V.Count), x;
                x = V.Create(a[0]); c00 = V.MultiplyAdd(x, b0, c00); c01 = V.MultiplyAdd(x, b1, c01);
                x = V.Create(a[aStride]); c10 = V.MultiplyAdd(x, b0, c10); c11 = V.MultiplyAdd(x, b1, c11);
                a++;
                b += bStride;
            }
        }
        V.Store(c, c00); V.Store(c + V.Count, c01); c += cStride;
        V.Store(c, c10); V.Store(c + V.Count, c11);
    }

    /// <summary>4 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows4<V, T, F>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct where F : struct, IFetching
    {
        T c00 = default, c01 = default;
        T c10 = default, c11 = default;
        T c20 = default, c21 = default;
        T c30 = default, c31 = default;
        if (sums != null)
        {
            float* row = sums;
            c00 = V.Load(row); c01 = V.Load(row + V.Count); row += sumsStride;
            c10 = V.Load(row); c11 = V.Load(row + V.Count); row += sumsStride;
            c20 = V.Load(row); c21 = V.Load(row + V.Count); row += sumsStride;
            c30 = V.Load(row); c31 = V.Load(row + V.Count);
        }
        nint a2 = 2 * aStride, a3 = 3 * aStride;
        Prefetcher fetch = *ahead;
        for (nint left = depth, steps = F.IsInBursts ? fetch.Steps : depth; left > 0; left -= steps)
        {
            if (F.IsInBursts) fetch.FetchBurst();
            for (nint k = Math.Min(left, steps); k > 0; k--)
            {
                if (!F.IsInBursts) fetch.FetchLine();
                T b0 = V.Load(b), b1 = V.Load(b + V.Count), x;
                x = V.Create(a[0]); c00 = V.MultiplyAdd(x, b0, c00); c01 = V.MultiplyAdd(x, b1, c01);
                x = V.Create(a[aStride]); c10 = V.MultiplyAdd(x, b0, c10); c11 = V.MultiplyAdd(x, b1, c11);
                x = V.Create(a[a2]); c20 = V.MultiplyAdd(x, b0, c20); c21 = V.MultiplyAdd(x, b1, c21);
                x = V.Create(a[a3]); c30 = V.MultiplyAdd(x, b0, c30); c31 = V.MultiplyAdd(x, b1, c31);
                a++;
                b += bStride;
            }
        }
        V.Store(c, c00); V.Store(c + V.Count, c01); c += cStride;
        V.Store(c, c10); V.Store(c + V.Count, c11); c += cStride;
        V.Store(c, c20); V.Store(c + V.Count, c21); c += cStride;
        V.Store(c, c30); V.Store(c + V.Count, c31);
    }

    /// <summary>6 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows6<V, T, F>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct where F : struct, IFetching
    {
        T c00 = default, c01 = default;
        T c10 = default, c11 = default;
        T c20 = default, c21 = default;
        T c30 = default, c31 = default;
        T c40 = default, c41 = default;
        T c50 = default, c51 = default;
        if (sums != null)
        {
            float* row = sums;
            c00 = V.Load(row); c01 = V.Load(row + V.Count); row += sumsStride;
            c10 = V.Load(row); c11 = V.Load(row + V.Count); row += sumsStride;
            c20 = V.Load(row); c21 = V.Load(row + V.Count); row += sumsStride;
            c30 = V.Load(row); c31 = V.Load(row + V.Count); row += sumsStride;
            c40 = V.Load(row); c41 = V.Load(row + V.Count); row += sumsStride;
            c50 = V.Load(row); c51 = V.Load(row + V.Count);
        }
        nint a2 = 2 * aStride, a3 = 3 * aStride, a4 = 4 * aStride;
        float* a5 = a + 5 * aStride;
        Prefetcher fetch = *ahead;
        for (nint left = depth, steps = F.IsInBursts ? fetch.Steps : depth; left > 0; left -= steps)
        {
            if (F.IsInBursts) fetch.FetchBurst();
            for (nint k = Math.Min(left, steps); k > 0; k--)
            {
                if (!F.IsInBursts) fetch.FetchLine();
                T b0 = V.Load(b), b1 = V.Load(b + V.Count), x;
                x = V.Create(a[0]); c00 = V.MultiplyAdd(x, b0, c00); c01 = V.MultiplyAdd(x, b1, c01);
                x = V.Create(a[aStride]); c10 = V.MultiplyAdd(x, b0, c10); c11 = V.MultiplyAdd(x, b1, c11);
                x = V.Create(a[a2]); c20 = V.MultiplyAdd(x, b0, c20); c21 = V.MultiplyAdd(x, b1, c21);
                x = V.Create(a[a3]); c30 = V.MultiplyAdd(x, b0, c30); c31 = V.MultiplyAdd(x, b1, c31);
                x = V.Create(a[a4]); c40 = V.MultiplyAdd(x, b0, c40); c41 = V.MultiplyAdd(x, b1, c41);
                x = V.Create(a5[0]); c50 = V.MultiplyAdd(x, b0, c50); c51 = V.MultiplyAdd(x, b1, c51);
                a++; a5++;
                b += bStride;
            }
        }
        V.Store(c, c00); V.Store(c + V.Count, c01); c += cStride;
        V.Store(c, c10); V.Store(c + V.Count, c11); c += cStride;
        V.Store(c, c20); V.Store(c + V.Count, c21); c += cStride;
        V.Store(c, c30); V.Store(c + V.Count, c31); c += cStride;
        V.Store(c, c40); V.Store(c + V.Count, c41); c += cStride;
        V.Store(c, c50); V.Store(c + V.Count, c51);
    }

    /// <summary>8 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows8<V, T, F>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct where F : struct, IFetching
    {
        T c00 = default, c01 = default;
        T c10 = default, c11 = default;
        T c20 = default, c21 = default;
        T c30 = default, c31 = default;
        T c40 = default, c41 = default;
        T c50 = default, c51 = default;
        T c60 = default, c61 = default;
        T c70 = default, c71 = default;
        if (sums != null)
        {
            float* row = sums;
            c00 = V.Load(row); c01 = V.Load(row + V.Count); row += sumsStride;
            c10 = V.Load(row); c11 = V.Load(row + V.Count); row += sumsStride;
            c20 = V.Load(row); c21 = V.Load(row + V.Count); row += sumsStride;
            c30 = V.Load(row); c31 = V.Load(row + V.Count); row += sumsStride;
            c40 = V.Load(row); c41 = V.Load(row + V.Count); row += sumsStride;
            c50 = V.Load(row); c51 = V.Load(row + V.Count); row += sumsStride;
            c60 = V.Load(row); c61 = V.Load(row + V.Count); row += sumsStride;
            c70 = V.Load(row); c71 = V.Load(row + V.Count);
        }
        nint a2 = 2 * aStride, a3 = 3 * aStride, a4 = 4 * aStride;
        float* a5 = a + 5 * aStride;
        Prefetcher fetch = *ahead;
        for (nint left = depth, steps = F.IsInBursts ? fetch.Steps : depth; left > 0; left -= steps)
        {
            if (F.IsInBursts) fetch.FetchBurst();
            for (nint k = Math.Min(left, steps); k > 0; k--)
            {
                if (!F.IsInBursts) fetch.FetchLine();
                T b0 = V.Load(b), b1 = V.Load(b + V.Count), x;
                x = V.Create(a[0]); c00 = V.MultiplyAdd(x, b0, c00); c01 = V.MultiplyAdd(x, b1, c01);
                x = V.Create(a[aStride]); c10 = V.MultiplyAdd(x, b0, c10); c11 = V.MultiplyAdd(x, b1, c11);
                x = V.Create(a[a2]); c20 = V.MultiplyAdd(x, b0, c20); c21 = V.MultiplyAdd(x, b1, c21);
                x = V.Create(a[a3]); c30 = V.MultiplyAdd(x, b0, c30); c31 = V.MultiplyAdd(x, b1, c31);
                x = V.Create(a[a4]); c40 = V.MultiplyAdd(x, b0, c40); c41 = V.MultiplyAdd(x, b1, c41);
                x = V.Create(a5[0]); c50 = V.MultiplyAdd(x, b0, c50); c51 = V.MultiplyAdd(x, b1, c51);
                x = V.Create(a5[aStride]); c60 = V.MultiplyAdd(x, b0, c60); c61 = V.MultiplyAdd(x, b1, c61);
                x = V.Create(a5[a2]); c70 = V.MultiplyAdd(x, b0, c70); c71 = V.MultiplyAdd(x, b1, c71);
                a++; a5++;
                b += bStride;
            }
        }
        V.Store(c, c00); V.Store(c + V.Count, c01); c += cStride;
        V.Store(c, c10); V.Store(c + V.Count, c11); c += cStride;
        V.Store(c, c20); V.Store(c + V.Count, c21); c += cStride;
        V.Store(c, c30); V.Store(c + V.Count, c31); c += cStride;
        V.Store(c, c40); V.Store(c + V.Count, c41); c += cStride;
        V.Store(c, c50); V.Store(c + V.Count, c51); c += cStride;
        V.Store(c, c60); V.Store(c + V.Count, c61); c += cStride;
        V.Store(c, c70); V.Store(c + V.Count, c71);
    }

    /// <summary>14 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows14<V, T, F>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct where F : struct, IFetching
    {
        T c00 = default, c01 = default;
        T c10 = default, c11 = default;
        T c20 = default, c21 = default;
        T c30 = default, c31 = default;
        T c40 = default, c41 = default;
        T c50 = default, c51 = default;
        T c60 = default, c61 = default;
        T c70 = default, c71 = default;
        T c80 = default, c81 = default;
        T c90 = default, c91 = default;
        T cA0 = default, cA1 = default;
        T cB0 = default, cB1 = default;
        T cC0 = default, cC1 = default;
        T cD0 = default, cD1 = default;
        if (sums != null)
        {
            float* row = sums;
            c00 = V.Load(row); c01 = V.Load(row + V.Count); row += sumsStride;
            c10 = V.Load(row); c11 = V.Load(row + V.Count); row += sumsStride;
            c20 = V.Load(row); c21 = V.Load(row + V.Count); row += sumsStride;
            c30 = V.Load(row); c31 = V.Load(row + V.Count); row += sumsStride;
            c40 = V.Load(row); c41 = V.Load(row + V.Count); row += sumsStride;
            c50 = V.Load(row); c51 = V.Load(row + V.Count); row += sumsStride;
            c60 = V.Load(row); c61 = V.Load(row + V.Count); row += sumsStride;
            c70 = V.Load(row); c71 = V.Load(row + V.Count); row += sumsStride;
            c80 = V.Load(row); c81 = V.Load(row + V.Count); row += sumsStride;
            c90 = V.Load(row); c91 = V.Load(row + V.Count); row += sumsStride;
            cA0 = V.Load(row); cA1 = V.Load(row + V.Count); row += sumsStride;
            cB0 = V.Load(row); cB1 = V.Load(row + V.Count); row += sumsStride;
            cC0 = V.Load(row); cC1 = V.Load(row + V.Count); row += sumsStride;
            cD0 = V.Load(row); cD1 = V.Load(row + V.Count);
        }
        nint a2 = 2 * aStride, a3 = 3 * aStride, a4 = 4 * aStride;
        float* a5 = a + 5 * aStride, a10 = a + 10 * aStride;
        Prefetcher fetch = *ahead;
        for (nint left = depth, steps = F.IsInBursts ? fetch.Steps : depth; left > 0; left -= steps)
        {
            if (F.IsInBursts) fetch.FetchBurst();
            for (nint k = Math.Min(left, steps); k > 0; k--)
            {
                if (!F.IsInBursts) fetch.FetchLine();
                T b0 = V.Load(b), b1 = V.Load(b + V.Count), x;
                x = V.Create(a[0]); c00 = V.MultiplyAdd(x, b0, c00); c01 = V.MultiplyAdd(x, b1, c01);
                x = V.Create(a[aStride]); c10 = V.MultiplyAdd(x, b0, c10); c11 = V.MultiplyAdd(x, b1, c11);
                x = V.Create(a[a2]); c20 = V.MultiplyAdd(x, b0, c20); c21 = V.MultiplyAdd(x, b1, c21);
                x = V.Create(a[a3]); c30 = V.MultiplyAdd(x, b0, c30); c31 = V.MultiplyAdd(x, b1, c31);
                x = V.Create(a[a4]); c40 = V.MultiplyAdd(x, b0, c40); c41 = V.MultiplyAdd(x, b1, c41);
                x = V.Create(a5[0]); c50 = V.MultiplyAdd(x, b0, c50); c51 = V.MultiplyAdd(x, b1, c51);
                x = V.Create(a5[aStride]); c60 = V.MultiplyAdd(x, b0, c60); c61 = V.MultiplyAdd(x, b1, c61);
                x = V.Create(a5[a2]); c70 = V.MultiplyAdd(x, b0, c70); c71 = V.MultiplyAdd(x, b1, c71);
                x = V.Create(a5[a3]); c80 = V.MultiplyAdd(x, b0, c80); c81 = V.MultiplyAdd(x, b1, c81);
                x = V.Create(a5[a4]); c90 = V.MultiplyAdd(x, b0, c90); c91 = V.MultiplyAdd(x, b1, c91);
                x = V.Create(a10[0]); cA0 = V.MultiplyAdd(x, b0, cA0); cA1 = V.MultiplyAdd(x, b1, cA1);
                x = V.Create(a10[aStride]); cB0 = V.MultiplyAdd(x, b0, cB0); cB1 = V.MultiplyAdd(x, b1, cB1);
                x = V.Create(a10[a2]); cC0 = V.MultiplyAdd(x, b0, cC0); cC1 = V.MultiplyAdd(x, b1, cC1);
                x = V.Create(a10[a3]); cD0 = V.MultiplyAdd(x, b0, cD0); cD1 = V.MultiplyAdd(x, b1, cD1);
                a++; a5++; a10++;
                b += bStride;
            }
        }
        V.Store(c, c00); V.Store(c + V.Count, c01); c += cStride;
        V.Store(c, c10); V.Store(c + V.Count, c11); c += cStride;
        V.Store(c, c20); V.Store(c + V.Count, c21); c += cStride;
        V.Store(c, c30); V.Store(c + V.Count, c31); c += cStride;
        V.Store(c, c40); V.Store(c + V.Count, c41); c += cStride;
        V.Store(c, c50); V.Store(c + V.Count, c51); c += cStride;
        V.Store(c, c60); V.Store(c + V.Count, c61); c += cStride;
        V.Store(c, c70); V.Store(c + V.Count, c71); c += cStride;
        V.Store(c, c80); V.Store(c + V.Count, c81); c += cStride;
        V.Store(c, c90); V.Store(c + V.Count, c91); c += cStride;
        V.Store(c, cA0); V.Store(c + V.Count, cA1); c += cStride;
        V.Store(c, cB0); V.Store(c + V.Count, cB1); c += cStride;
        V.Store(c, cC0); V.Store(c + V.Count, cC1); c += cStride;
        V.Store(c, cD0); V.Store(c + V.Count, cD1);
    }
}
