using System.Runtime.CompilerServices;

namespace Parallax.Kernels.Image;

/// <summary>
/// The accurate integer inverse DCT of the Independent JPEG Group ("islow": Loeffler, Ligtenberg and Moschytz, 12 multiplications,
/// 13-bit constants, two more bits kept between the passes). Other transforms differ by a level here and there; this one is the reference.
/// </summary>
internal static class JpegTransform
{
    private const int ConstantBits = 13, PassBits = 2;

    /// <summary>Dequantizes 64 coefficients in natural order and writes 8x8 samples.</summary>
    internal static void Inverse(ReadOnlySpan<short> coefficients, ReadOnlySpan<ushort> quantizer, Span<byte> target, int stride)
    {
        Span<int> work = stackalloc int[64];
        for (int column = 0; column < 8; column++)
            InverseColumn(coefficients[column..], quantizer[column..], work[column..]);
        Span<int> row = stackalloc int[8];
        for (int y = 0; y < 8; y++)
        {
            Span<int> source = work.Slice(y * 8, 8);
            Pass(source[0], source[1], source[2], source[3], source[4], source[5], source[6], source[7], row, 1, ConstantBits + PassBits + 3);
            Span<byte> samples = target.Slice(y * stride, 8);
            for (int x = 0; x < 8; x++) samples[x] = (byte)Math.Clamp(row[x] + 128, 0, 255);
        }
    }

    private static void InverseColumn(ReadOnlySpan<short> c, ReadOnlySpan<ushort> q, Span<int> work)
    {
        if (c[8] == 0 && c[16] == 0 && c[24] == 0 && c[32] == 0 && c[40] == 0 && c[48] == 0 && c[56] == 0)
        {
            int level = (c[0] * q[0]) << PassBits;
            for (int y = 0; y < 64; y += 8) work[y] = level;
            return;
        }
        Pass(c[0] * q[0], c[8] * q[8], c[16] * q[16], c[24] * q[24], c[32] * q[32], c[40] * q[40], c[48] * q[48], c[56] * q[56], work, 8, ConstantBits - PassBits);
    }

    /// <summary>One 8-point transform; the results are rounded and shifted right by <paramref name="shift"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pass(int c0, int c1, int c2, int c3, int c4, int c5, int c6, int c7, Span<int> target, int step, int shift)
    {
        int rounding = 1 << (shift - 1);
        int z1 = (c2 + c6) * 4433;
        int even2 = z1 - c6 * 15137, even3 = z1 + c2 * 6270;
        int even0 = ((c0 + c4) << ConstantBits) + rounding, even1 = ((c0 - c4) << ConstantBits) + rounding;
        int t10 = even0 + even3, t13 = even0 - even3, t11 = even1 + even2, t12 = even1 - even2;

        int z5 = (c7 + c3 + c5 + c1) * 9633;
        int z3 = z5 - (c7 + c3) * 16069, z4 = z5 - (c5 + c1) * 3196;
        int y1 = -(c7 + c1) * 7373, y2 = -(c5 + c3) * 20995;
        int odd0 = c7 * 2446 + y1 + z3, odd1 = c5 * 16819 + y2 + z4, odd2 = c3 * 25172 + y2 + z3, odd3 = c1 * 12299 + y1 + z4;

        target[0] = (t10 + odd3) >> shift;
        target[7 * step] = (t10 - odd3) >> shift;
        target[step] = (t11 + odd2) >> shift;
        target[6 * step] = (t11 - odd2) >> shift;
        target[2 * step] = (t12 + odd1) >> shift;
        target[5 * step] = (t12 - odd1) >> shift;
        target[3 * step] = (t13 + odd0) >> shift;
        target[4 * step] = (t13 - odd0) >> shift;
    }
}
