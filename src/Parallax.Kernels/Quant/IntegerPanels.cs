using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>Packs panels of integer factors: <c>panel[group][lane]</c>, four bytes each. Depths behind the last become zero.</summary>
internal static unsafe class IntegerPanels
{
    /// <summary>One panel from a strided matrix of bytes. Lanes from <paramref name="lanes"/> to <paramref name="width"/> become zero.</summary>
    internal static void Pack(
        IntegerMicroKernel entry, bool isLeft, byte* target, int width, byte* source, int lanes, int depth, nint laneStride, nint depthStride, int flip)
    {
        int groups = entry.Groups(depth);
        new Span<byte>(target, groups * width * 4).Clear();
        for (int lane = 0; lane < lanes; lane++, source += laneStride, target += 4)
        {
            if (entry.Group == 4 && depthStride == 1) CopyQuads(target, width, source, depth, flip);
            else if (entry.Group == 4) GatherQuads(target, width, source, depth, depthStride, flip);
            else GatherPairs(entry, isLeft, target, width, source, depth, depthStride, flip);
        }
    }

    /// <summary>The sum of the factors of each lane of a panel that <see cref="Pack"/> made.</summary>
    internal static void SumLanes(IntegerMicroKernel entry, bool isLeft, byte* panel, int width, int lanes, int groups, int* sums)
    {
        for (int lane = 0; lane < lanes; lane++)
        {
            int sum = 0;
            byte* group = panel + lane * 4;
            for (int g = 0; g < groups; g++, group += width * 4)
                sum += entry.Group == 2
                    ? ((short*)group)[0] + ((short*)group)[1]
                    : entry.Factor(isLeft, group[0]) + entry.Factor(isLeft, group[1]) + entry.Factor(isLeft, group[2]) + entry.Factor(isLeft, group[3]);
            sums[lane] = sum;
        }
    }

    private static void CopyQuads(byte* target, int width, byte* source, int depth, int flip)
    {
        int k = 0, flips = flip * 0x01010101;
        for (; k <= depth - 4; k += 4, target += 4 * width) *(int*)target = *(int*)(source + k) ^ flips;
        for (int i = 0; k < depth; k++, i++) target[i] = (byte)(source[k] ^ flip);
    }

    private static void GatherQuads(byte* target, int width, byte* source, int depth, nint depthStride, int flip)
    {
        for (int k = 0; k < depth; k++) target[(nint)(k / 4) * width * 4 + k % 4] = (byte)(source[k * depthStride] ^ flip);
    }

    private static void GatherPairs(IntegerMicroKernel entry, bool isLeft, byte* target, int width, byte* source, int depth, nint depthStride, int flip)
    {
        var pairs = (short*)target;
        for (int k = 0; k < depth; k++) pairs[(nint)(k / 2) * width * 2 + k % 2] = (short)entry.Factor(isLeft, (byte)(source[k * depthStride] ^ flip));
    }

    /// <summary>One group of right factors of all columns of a tile from <see cref="IntegerMicroKernel.Group"/> rows of bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Interleave(IntegerMicroKernel entry, byte* target, byte** rows, int flip)
    {
        if (entry.Group == 4) Interleave4(target, rows[0], rows[1], rows[2], rows[3], entry.NR, flip);
        else Interleave2((short*)target, rows[0], rows[1], entry.NR, flip);
    }

    /// <summary>All right factors of a tile from rows of bytes at equal distances. Left factors behind the last depth are zero: any row will do.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Interleave(IntegerMicroKernel entry, byte* target, byte* row, nint stride, int depth, int flip)
    {
        int columns = entry.NR;
        if (entry.Group == 2)
        {
            for (int k = 0; k < depth; k += 2, target += 4 * columns, row += 2 * stride)
                Interleave2((short*)target, row, k + 1 < depth ? row + stride : row, columns, flip);
            return;
        }
        int whole = depth / 4 * 4;
        for (int k = 0; k < whole; k += 4, target += 4 * columns, row += 4 * stride) Interleave4(target, row, row + stride, row + 2 * stride, row + 3 * stride, columns, flip);
        if (whole < depth) Interleave4(target, row, row + Math.Min(1, depth - whole - 1) * stride, row + (depth - whole - 1) * stride, row, columns, flip);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave2(short* target, byte* even, byte* odd, int columns, int flip)
    {
        int j = 0;
        Vector128<byte> flips = Vector128.Create((byte)flip);
        for (; j <= columns - 8; j += 8) ByteLanes.Widen(Lanes128.ZipLower(Load8(even + j), Load8(odd + j)) ^ flips, target + 2 * j);
        for (; j < columns; j++)
        {
            target[2 * j] = (short)(even[j] ^ flip);
            target[2 * j + 1] = (short)(odd[j] ^ flip);
        }
    }

    /// <summary>Entries of four have eight columns, or a multiple of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave4(byte* target, byte* row0, byte* row1, byte* row2, byte* row3, int columns, int flip)
    {
        Vector128<byte> flips = Vector128.Create((byte)flip);
        if (columns < 16)
        {
            Store4(target, Lanes128.ZipLower(Load8(row0), Load8(row1)) ^ flips, Lanes128.ZipLower(Load8(row2), Load8(row3)) ^ flips);
            return;
        }
        for (int j = 0; j < columns; j += 16)
        {
            Vector128<byte> a = Vector128.Load(row0 + j) ^ flips, b = Vector128.Load(row1 + j) ^ flips, c = Vector128.Load(row2 + j) ^ flips, d = Vector128.Load(row3 + j) ^ flips;
            Store4(target + 4 * j, Lanes128.ZipLower(a, b), Lanes128.ZipLower(c, d));
            Store4(target + 4 * j + 32, Lanes128.ZipUpper(a, b), Lanes128.ZipUpper(c, d));
        }
    }

    /// <summary>Fours of bytes from the pairs of eight columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store4(byte* target, Vector128<byte> low, Vector128<byte> high)
    {
        Vector128.Store(Lanes128.ZipLower(low.AsUInt16(), high.AsUInt16()).AsByte(), target);
        Vector128.Store(Lanes128.ZipUpper(low.AsUInt16(), high.AsUInt16()).AsByte(), target + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Load8(byte* source) => Vector128.CreateScalarUnsafe(*(ulong*)source).AsByte();
}
