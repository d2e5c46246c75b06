using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// Tiles of sums beside one another: two vectors of columns by 1 to 8 rows. Four bytes of factors lie at <c>a + row * rowStep + group * groupStep</c>, in bytes, and at
/// <c>b[tile][group][column]</c>; <c>c[row][column]</c> is written, not added to, <c>stride</c> elements from row to row.
/// </summary>
internal static unsafe class IntegerTiles
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows1<V>(nint groups, byte* a, nint rowStep, nint groupStep, byte* b, int tiles, int* c, nint stride, Prefetcher fetch) where V : struct, IDotLanes<V>
    {
        nint mask = BurstMask(fetch);
        for (int tile = 0; tile < tiles; tile++, c += 2 * V.Count)
        {
            V s00 = default, s01 = default;
            byte* left = a;
            for (nint g = 0; g < groups; g++, left += groupStep, b += 8 * V.Count)
            {
                if ((g & mask) == 0) fetch.FetchBurst();
                V x = V.Broadcast(left);
                s00 = V.Add(s00, x, V.Load(b)); s01 = V.Add(s01, x, V.Load(b + 4 * V.Count));
            }
            Store(c, s00, s01);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows2<V>(nint groups, byte* a, nint rowStep, nint groupStep, byte* b, int tiles, int* c, nint stride, Prefetcher fetch) where V : struct, IDotLanes<V>
    {
        nint mask = BurstMask(fetch);
        for (int tile = 0; tile < tiles; tile++, c += 2 * V.Count)
        {
            V s00 = default, s01 = default, s10 = default, s11 = default;
            byte* left = a;
            for (nint g = 0; g < groups; g++, left += groupStep, b += 8 * V.Count)
            {
                if ((g & mask) == 0) fetch.FetchBurst();
                V b0 = V.Load(b), b1 = V.Load(b + 4 * V.Count), x = V.Broadcast(left);
                s00 = V.Add(s00, x, b0); s01 = V.Add(s01, x, b1);
                x = V.Broadcast(left + rowStep); s10 = V.Add(s10, x, b0); s11 = V.Add(s11, x, b1);
            }
            Store(c, s00, s01); Store(c + stride, s10, s11);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows4<V>(nint groups, byte* a, nint rowStep, nint groupStep, byte* b, int tiles, int* c, nint stride, Prefetcher fetch) where V : struct, IDotLanes<V>
    {
        nint mask = BurstMask(fetch);
        nint third = 3 * rowStep;
        for (int tile = 0; tile < tiles; tile++, c += 2 * V.Count)
        {
            V s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
            byte* left = a;
            for (nint g = 0; g < groups; g++, left += groupStep, b += 8 * V.Count)
            {
                if ((g & mask) == 0) fetch.FetchBurst();
                V b0 = V.Load(b), b1 = V.Load(b + 4 * V.Count), x = V.Broadcast(left);
                s00 = V.Add(s00, x, b0); s01 = V.Add(s01, x, b1);
                x = V.Broadcast(left + rowStep); s10 = V.Add(s10, x, b0); s11 = V.Add(s11, x, b1);
                x = V.Broadcast(left + 2 * rowStep); s20 = V.Add(s20, x, b0); s21 = V.Add(s21, x, b1);
                x = V.Broadcast(left + third); s30 = V.Add(s30, x, b0); s31 = V.Add(s31, x, b1);
            }
            Store(c, s00, s01); Store(c + stride, s10, s11); Store(c + 2 * stride, s20, s21); Store(c + 3 * stride, s30, s31);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows6<V>(nint groups, byte* a, nint rowStep, nint groupStep, byte* b, int tiles, int* c, nint stride, Prefetcher fetch) where V : struct, IDotLanes<V>
    {
        nint mask = BurstMask(fetch);
        nint third = 3 * rowStep, fifth = 5 * rowStep;
        for (int tile = 0; tile < tiles; tile++, c += 2 * V.Count)
        {
            V s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
            V s40 = default, s41 = default, s50 = default, s51 = default;
            byte* left = a;
            for (nint g = 0; g < groups; g++, left += groupStep, b += 8 * V.Count)
            {
                if ((g & mask) == 0) fetch.FetchBurst();
                V b0 = V.Load(b), b1 = V.Load(b + 4 * V.Count), x = V.Broadcast(left);
                s00 = V.Add(s00, x, b0); s01 = V.Add(s01, x, b1);
                x = V.Broadcast(left + rowStep); s10 = V.Add(s10, x, b0); s11 = V.Add(s11, x, b1);
                x = V.Broadcast(left + 2 * rowStep); s20 = V.Add(s20, x, b0); s21 = V.Add(s21, x, b1);
                x = V.Broadcast(left + third); s30 = V.Add(s30, x, b0); s31 = V.Add(s31, x, b1);
                x = V.Broadcast(left + 4 * rowStep); s40 = V.Add(s40, x, b0); s41 = V.Add(s41, x, b1);
                x = V.Broadcast(left + fifth); s50 = V.Add(s50, x, b0); s51 = V.Add(s51, x, b1);
            }
            Store(c, s00, s01); Store(c + stride, s10, s11); Store(c + 2 * stride, s20, s21); Store(c + 3 * stride, s30, s31);
            Store(c + 4 * stride, s40, s41); Store(c + 5 * stride, s50, s51);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows8<V>(nint groups, byte* a, nint rowStep, nint groupStep, byte* b, int tiles, int* c, nint stride, Prefetcher fetch) where V : struct, IDotLanes<V>
    {
        nint mask = BurstMask(fetch);
        nint third = 3 * rowStep, fifth = 5 * rowStep, seventh = 7 * rowStep;
        for (int tile = 0; tile < tiles; tile++, c += 2 * V.Count)
        {
            V s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
            V s40 = default, s41 = default, s50 = default, s51 = default, s60 = default, s61 = default, s70 = default, s71 = default;
            byte* left = a;
            for (nint g = 0; g < groups; g++, left += groupStep, b += 8 * V.Count)
            {
                if ((g & mask) == 0) fetch.FetchBurst();
                V b0 = V.Load(b), b1 = V.Load(b + 4 * V.Count), x = V.Broadcast(left);
                s00 = V.Add(s00, x, b0); s01 = V.Add(s01, x, b1);
                x = V.Broadcast(left + rowStep); s10 = V.Add(s10, x, b0); s11 = V.Add(s11, x, b1);
                x = V.Broadcast(left + 2 * rowStep); s20 = V.Add(s20, x, b0); s21 = V.Add(s21, x, b1);
                x = V.Broadcast(left + third); s30 = V.Add(s30, x, b0); s31 = V.Add(s31, x, b1);
                x = V.Broadcast(left + 4 * rowStep); s40 = V.Add(s40, x, b0); s41 = V.Add(s41, x, b1);
                x = V.Broadcast(left + fifth); s50 = V.Add(s50, x, b0); s51 = V.Add(s51, x, b1);
                x = V.Broadcast(left + 2 * third); s60 = V.Add(s60, x, b0); s61 = V.Add(s61, x, b1);
                x = V.Broadcast(left + seventh); s70 = V.Add(s70, x, b0); s71 = V.Add(s71, x, b1);
            }
            Store(c, s00, s01); Store(c + stride, s10, s11); Store(c + 2 * stride, s20, s21); Store(c + 3 * stride, s30, s31);
            Store(c + 4 * stride, s40, s41); Store(c + 5 * stride, s50, s51); Store(c + 6 * stride, s60, s61); Store(c + 7 * stride, s70, s71);
        }
    }

    /// <summary>At which groups, of so many, a burst is fetched; at the first alone where there are none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint BurstMask(in Prefetcher fetch) => fetch.IsInBursts ? fetch.Steps - 1 : -1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<V>(int* c, V left, V right) where V : struct, IDotLanes<V>
    {
        V.Store(c, left);
        V.Store(c + V.Count, right);
    }
}
