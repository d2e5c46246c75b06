using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>The tiles of <see cref="GemmTiles"/> for panels that are at most half full: of one vector of columns, which fetch steadily. The sums have the same bits.</summary>
internal static unsafe class GemmHalfTiles
{
    /// <summary>1 row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows1<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct
    {
        T c0 = default;
        if (sums != null)
        {
            float* row = sums;
            c0 = V.Load(row);
        }
        Prefetcher fetch = *ahead;
        for (nint k = depth; k > 0; k--)
        {
            fetch.FetchLine();
            T right = V.Load(b);
            c0 = V.MultiplyAdd(V.Create(a[0]), right, c0);
            a++;
            b += bStride;
        }
        V.Store(c, c0);
    }

    /// <summary>2 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows2<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct
    {
        T c0 = default, c1 = default;
        if (sums != null)
        {
            float* row = sums;
            c0 = V.Load(row); row += sumsStride; c1 = V.Load(row);
        }
        Prefetcher fetch = *ahead;
        for (nint k = depth; k > 0; k--)
        {
            fetch.FetchLine();
            T right = V.Load(b);
            c0 = V.MultiplyAdd(V.Create(a[0]), right, c0); c1 = V.MultiplyAdd(V.Create(a[aStride]), right, c1);
            a++;
            b += bStride;
        }
        V.Store(c, c0); c += cStride; V.Store(c, c1);
    }

    /// <summary>4 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows4<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct
    {
        T c0 = default, c1 = default, c2 = default, c3 = default;
        if (sums != null)
        {
            float* row = sums;
            c0 = V.Load(row); row += sumsStride; c1 = V.Load(row); row += sumsStride;
            c2 = V.Load(row); row += sumsStride; c3 = V.Load(row);
        }
        nint a2 = 2 * aStride, a3 = 3 * aStride;
        Prefetcher fetch = *ahead;
        for (nint k = depth; k > 0; k--)
        {
            fetch.FetchLine();
            T right = V.Load(b);
            c0 = V.MultiplyAdd(V.Create(a[0]), right, c0); c1 = V.MultiplyAdd(V.Create(a[aStride]), right, c1);
            c2 = V.MultiplyAdd(V.Create(a[a2]), right, c2); c3 = V.MultiplyAdd(V.Create(a[a3]), right, c3);
            a++;
            b += bStride;
        }
        V.Store(c, c0); c += cStride; V.Store(c, c1); c += cStride;
        V.Store(c, c2); c += cStride; V.Store(c, c3);
    }

    /// <summary>6 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows6<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct
    {
        T c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default;
        if (sums != null)
        {
            float* row = sums;
            c0 = V.Load(row); row += sumsStride; c1 = V.Load(row); row += sumsStride;
            c2 = V.Load(row); row += sumsStride; c3 = V.Load(row); row += sumsStride;
            c4 = V.Load(row); row += sumsStride; c5 = V.Load(row);
        }
        nint a2 = 2 * aStride, a3 = 3 * aStride, a4 = 4 * aStride;
        float* a5 = a + 5 * aStride;
        Prefetcher fetch = *ahead;
        for (nint k = depth; k > 0; k--)
        {
            fetch.FetchLine();
            T right = V.Load(b);
            c0 = V.MultiplyAdd(V.Create(a[0]), right, c0); c1 = V.MultiplyAdd(V.Create(a[aStride]), right, c1);
            c2 = V.MultiplyAdd(V.Create(a[a2]), right, c2); c3 = V.MultiplyAdd(V.Create(a[a3]), right, c3);
            c4 = V.MultiplyAdd(V.Create(a[a4]), right, c4); c5 = V.MultiplyAdd(V.Create(a5[0]), right, c5);
            a++; a5++;
            b += bStride;
        }
        V.Store(c, c0); c += cStride; V.Store(c, c1); c += cStride;
        V.Store(c, c2); c += cStride; V.Store(c, c3); c += cStride;
        V.Store(c, c4); c += cStride; V.Store(c, c5);
    }

    /// <summary>8 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows8<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct
    {
        T c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default;
        T c7 = default;
        if (sums != null)
        {
            float* row = sums;
            c0 = V.Load(row); row += sumsStride; c1 = V.Load(row); row += sumsStride;
            c2 = V.Load(row); row += sumsStride; c3 = V.Load(row); row += sumsStride;
            c4 = V.Load(row); row += sumsStride; c5 = V.Load(row); row += sumsStride;
            c6 = V.Load(row); row += sumsStride; c7 = V.Load(row);
        }
        nint a2 = 2 * aStride, a3 = 3 * aStride, a4 = 4 * aStride;
        float* a5 = a + 5 * aStride;
        Prefetcher fetch = *ahead;
        for (nint k = depth; k > 0; k--)
        {
            fetch.FetchLine();
            T right = V.Load(b);
            c0 = V.MultiplyAdd(V.Create(a[0]), right, c0); c1 = V.MultiplyAdd(V.Create(a[aStride]), right, c1);
            c2 = V.MultiplyAdd(V.Create(a[a2]), right, c2); c3 = V.MultiplyAdd(V.Create(a[a3]), right, c3);
            c4 = V.MultiplyAdd(V.Create(a[a4]), right, c4); c5 = V.MultiplyAdd(V.Create(a5[0]), right, c5);
            c6 = V.MultiplyAdd(V.Create(a5[aStride]), right, c6); c7 = V.MultiplyAdd(V.Create(a5[a2]), right, c7);
            a++; a5++;
            b += bStride;
        }
        V.Store(c, c0); c += cStride; V.Store(c, c1); c += cStride;
        V.Store(c, c2); c += cStride; V.Store(c, c3); c += cStride;
        V.Store(c, c4); c += cStride; V.Store(c, c5); c += cStride;
        V.Store(c, c6); c += cStride; V.Store(c, c7);
    }

    /// <summary>14 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows14<V, T>(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, float* sums, nint sumsStride, Prefetcher* ahead)
        where V : struct, ISums<T> where T : struct
    {
        T c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default;
        T c7 = default, c8 = default, c9 = default, cA = default, cB = default, cC = default, cD = default;
        if (sums != null)
        {
            float* row = sums;
            c0 = V.Load(row); row += sumsStride; c1 = V.Load(row); row += sumsStride;
            c2 = V.Load(row); row += sumsStride; c3 = V.Load(row); row += sumsStride;
            c4 = V.Load(row); row += sumsStride; c5 = V.Load(row); row += sumsStride;
            c6 = V.Load(row); row += sumsStride; c7 = V.Load(row); row += sumsStride;
            c8 = V.Load(row); row += sumsStride; c9 = V.Load(row); row += sumsStride;
            cA = V.Load(row); row += sumsStride; cB = V.Load(row); row += sumsStride;
            cC = V.Load(row); row += sumsStride; cD = V.Load(row);
        }
        nint a2 = 2 * aStride, a3 = 3 * aStride, a4 = 4 * aStride;
        float* a5 = a + 5 * aStride, a10 = a + 10 * aStride;
        Prefetcher fetch = *ahead;
        for (nint k = depth; k > 0; k--)
        {
            fetch.FetchLine();
            T right = V.Load(b);
            c0 = V.MultiplyAdd(V.Create(a[0]), right, c0); c1 = V.MultiplyAdd(V.Create(a[aStride]), right, c1);
            c2 = V.MultiplyAdd(V.Create(a[a2]), right, c2); c3 = V.MultiplyAdd(V.Create(a[a3]), right, c3);
            c4 = V.MultiplyAdd(V.Create(a[a4]), right, c4); c5 = V.MultiplyAdd(V.Create(a5[0]), right, c5);
            c6 = V.MultiplyAdd(V.Create(a5[aStride]), right, c6); c7 = V.MultiplyAdd(V.Create(a5[a2]), right, c7);
            c8 = V.MultiplyAdd(V.Create(a5[a3]), right, c8); c9 = V.MultiplyAdd(V.Create(a5[a4]), right, c9);
            cA = V.MultiplyAdd(V.Create(a10[0]), right, cA); cB = V.MultiplyAdd(V.Create(a10[aStride]), right, cB);
            cC = V.MultiplyAdd(V.Create(a10[a2]), right, cC); cD = V.MultiplyAdd(V.Create(a10[a3]), right, cD);
            a++; a5++; a10++;
            b += bStride;
        }
        V.Store(c, c0); c += cStride; V.Store(c, c1); c += cStride;
        V.Store(c, c2); c += cStride; V.Store(c, c3); c += cStride;
        V.Store(c, c4); c += cStride; V.Store(c, c5); c += cStride;
        V.Store(c, c6); c += cStride; V.Store(c, c7); c += cStride;
        V.Store(c, c8); c += cStride; V.Store(c, c9); c += cStride;
        V.Store(c, cA); c += cStride; V.Store(c, cB); c += cStride;
        V.Store(c, cC); c += cStride; V.Store(c, cD);
    }
}
