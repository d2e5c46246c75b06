using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// The inner products of the GEMM family: C[h, 2V] = sums[h, 2V] + A[h, depth] B[depth, 2V], for a few heights h and every vector width V, whose vectors are T.
/// A has <c>aStride</c> elements between rows, its columns are contiguous. B has <c>bStride</c> elements between steps of depth, 2V of them read
/// at each. C has <c>cStride</c> elements between rows, the sums <c>sumsStride</c>; they may be C itself, and are zero where they are null. All sums run in the order of depth. At each step of depth, what <c>ahead</c> points
/// at is fetched for later and <c>ahead</c> moves on by <c>aheadStep</c>: memory works while the sums are made. The accumulators are named
/// one by one: that is what makes the JIT keep them in registers. They are plain vectors
/// for the same reason, see <see cref="ISums{T}"/>.
/// </summary>
internal static unsafe class GemmTiles
{
    /// <summary>1 row; 4 partial sums along the depth hide the latency of the multiply-adds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows1<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, float* ahead, nint aheadStep)
        where V : struct, ISums<T> where T : struct
    {
        T c000 = default, c010 = default, c001 = default, c011 = default, c002 = default, c012 = default, c003 = default, c013 = default;
        T b0, b1, x;
        nint k = depth;
        for (; k >= 4; k -= 4)
        {
            Vec.Prefetch(ahead); ahead += aheadStep;
            b0 = V.Load(b); b1 = V.Load(b + V.Count);
            x = V.Create(a[0]); c000 = V.MultiplyAdd(x, b0, c000); c010 = V.MultiplyAdd(x, b1, c010);
            b += bStride;
            Vec.Prefetch(ahead); ahead += aheadStep;
            b0 = V.Load(b); b1 = V.Load(b + V.Count);
            x = V.Create(a[1]); c001 = V.MultiplyAdd(x, b0, c001); c011 = V.MultiplyAdd(x, b1, c011);
            b += bStride;
            Vec.Prefetch(ahead); ahead += aheadStep;
            b0 = V.Load(b); b1 = V.Load(b + V.Count);
            x = V.Create(a[2]); c002 = V.MultiplyAdd(x, b0, c002); c012 = V.MultiplyAdd(x, b1, c012);
            b += bStride;
            Vec.Prefetch(ahead); ahead += aheadStep;
            b0 = V.Load(b); b1 = V.Load(b + V.Count);
            x = V.Create(a[3]); c003 = V.MultiplyAdd(x, b0, c003); c013 = V.MultiplyAdd(x, b1, c013);
            b += bStride;
            a += 4;
        }
        for (; k > 0; k--)
        {
            b0 = V.Load(b); b1 = V.Load(b + V.Count);
            x = V.Create(a[0]); c000 = V.MultiplyAdd(x, b0, c000); c010 = V.MultiplyAdd(x, b1, c010);
            b += bStride;
            a++;
        }
        Finish<V, T>(c, sums, V.Add(V.Add(c000, c001), V.Add(c002, c003)), V.Add(V.Add(c010, c011), V.Add(c012, c013)));
    }

    /// <summary>2 rows; 2 partial sums along the depth hide the latency of the multiply-adds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows2<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, float* ahead, nint aheadStep)
        where V : struct, ISums<T> where T : struct
    {
        T c000 = default, c010 = default, c001 = default, c011 = default;
        T c100 = default, c110 = default, c101 = default, c111 = default;
        T b0, b1, x;
        nint k = depth;
        for (; k >= 2; k -= 2)
        {
            Vec.Prefetch(ahead); ahead += aheadStep;
            b0 = V.Load(b); b1 = V.Load(b + V.Count);
            x = V.Create(a[0]); c000 = V.MultiplyAdd(x, b0, c000); c010 = V.MultiplyAdd(x, b1, c010);
            x = V.Create(a[aStride]); c100 = V.MultiplyAdd(x, b0, c100); c110 = V.MultiplyAdd(x, b1, c110);
            b += bStride;
            Vec.Prefetch(ahead); ahead += aheadStep;
            b0 = V.Load(b); b1 = V.Load(b + V.Count);
            x = V.Create(a[1]); c001 = V.MultiplyAdd(x, b0, c001); c011 = V.MultiplyAdd(x, b1, c011);
            x = V.Create(a[aStride + 1]); c101 = V.MultiplyAdd(x, b0, c101); c111 = V.MultiplyAdd(x, b1, c111);
            b += bStride;
            a += 2;
        }
        for (; k > 0; k--)
        {
            b0 = V.Load(b); b1 = V.Load(b + V.Count);
            x = V.Create(a[0]); c000 = V.MultiplyAdd(x, b0, c000); c010 = V.MultiplyAdd(x, b1, c010);
            x = V.Create(a[aStride]); c100 = V.MultiplyAdd(x, b0, c100); c110 = V.MultiplyAdd(x, b1, c110);
            b += bStride;
            a++;
        }
        Finish<V, T>(c, sums, V.Add(c000, c001), V.Add(c010, c011));
        Finish<V, T>(c + cStride, sums == null ? null : sums + sumsStride, V.Add(c100, c101), V.Add(c110, c111));
    }

    /// <summary>4 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows4<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, float* ahead, nint aheadStep)
        where V : struct, ISums<T> where T : struct
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
        for (nint k = depth; k > 0; k--)
        {
            Vec.Prefetch(ahead); ahead += aheadStep;
            T b0 = V.Load(b), b1 = V.Load(b + V.Count), x;
            x = V.Create(a[0]); c00 = V.MultiplyAdd(x, b0, c00); c01 = V.MultiplyAdd(x, b1, c01);
            x = V.Create(a[aStride]); c10 = V.MultiplyAdd(x, b0, c10); c11 = V.MultiplyAdd(x, b1, c11);
            x = V.Create(a[a2]); c20 = V.MultiplyAdd(x, b0, c20); c21 = V.MultiplyAdd(x, b1, c21);
            x = V.Create(a[a3]); c30 = V.MultiplyAdd(x, b0, c30); c31 = V.MultiplyAdd(x, b1, c31);
            a++;
            b += bStride;
        }
        V.Store(c, c00); V.Store(c + V.Count, c01); c += cStride;
        V.Store(c, c10); V.Store(c + V.Count, c11); c += cStride;
        V.Store(c, c20); V.Store(c + V.Count, c21); c += cStride;
        V.Store(c, c30); V.Store(c + V.Count, c31);
    }

    /// <summary>6 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows6<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, float* ahead, nint aheadStep)
        where V : struct, ISums<T> where T : struct
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
        for (nint k = depth; k > 0; k--)
        {
            Vec.Prefetch(ahead); ahead += aheadStep;
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
        V.Store(c, c00); V.Store(c + V.Count, c01); c += cStride;
        V.Store(c, c10); V.Store(c + V.Count, c11); c += cStride;
        V.Store(c, c20); V.Store(c + V.Count, c21); c += cStride;
        V.Store(c, c30); V.Store(c + V.Count, c31); c += cStride;
        V.Store(c, c40); V.Store(c + V.Count, c41); c += cStride;
        V.Store(c, c50); V.Store(c + V.Count, c51);
    }

    /// <summary>8 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows8<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, float* ahead, nint aheadStep)
        where V : struct, ISums<T> where T : struct
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
        for (nint k = depth; k > 0; k--)
        {
            Vec.Prefetch(ahead); ahead += aheadStep;
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
    internal static void Rows14<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, float* ahead, nint aheadStep)
        where V : struct, ISums<T> where T : struct
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
        for (nint k = depth; k > 0; k--)
        {
            Vec.Prefetch(ahead); ahead += aheadStep;
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<V, T>(float* c, float* sums, T first, T second) where V : struct, ISums<T> where T : struct
    {
        if (sums != null)
        {
            first = V.Add(V.Load(sums), first);
            second = V.Add(V.Load(sums + V.Count), second);
        }
        V.Store(c, first);
        V.Store(c + V.Count, second);
    }
}
