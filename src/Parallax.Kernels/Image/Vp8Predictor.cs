namespace Parallax.Kernels.Image;

/// <summary>
/// One colour plane of a VP8 frame, of whole macroblocks, with a border: the row above is 127, the column to the left 129 (RFC 6386,
/// section 12.2), so that prediction needs no special cases but the averages.
/// </summary>
internal sealed class Vp8Plane
{
    public Vp8Plane(int width, int height)
    {
        Stride = width + 8;
        Samples = new byte[checked(Stride * (height + 1))];
        Samples.AsSpan(0, Stride).Fill(127);
        for (int y = 0; y < height; y++) Samples[At(-1, y)] = 129;
        (Width, Height) = (width, height);
    }

    public byte[] Samples { get; }

    public int Stride { get; }

    public int Width { get; }

    public int Height { get; }

    public int At(int x, int y) => (y + 1) * Stride + x + 1;

    /// <summary>Predicts a square of <paramref name="size"/> samples by one of the four modes of macroblocks.</summary>
    public void PredictSquare(Vp8Mode mode, int x, int y, int size)
    {
        int origin = At(x, y), above = origin - Stride;
        int average = mode == Vp8Mode.Dc ? Average(x, y, size) : 0;
        for (int row = 0; row < size; row++)
        {
            Span<byte> target = Samples.AsSpan(origin + row * Stride, size);
            byte left = Samples[origin + row * Stride - 1];
            switch (mode)
            {
                case Vp8Mode.Dc:
                    target.Fill((byte)average);
                    break;
                case Vp8Mode.Vertical:
                    Samples.AsSpan(above, size).CopyTo(target);
                    break;
                case Vp8Mode.Horizontal:
                    target.Fill(left);
                    break;
                default:
                    int slope = left - Samples[above - 1];
                    for (int i = 0; i < size; i++) target[i] = (byte)Math.Clamp(Samples[above + i] + slope, 0, 255);
                    break;
            }
        }
    }

    /// <summary>Of the samples above and to the left that lie in the frame; 128 where none do.</summary>
    private int Average(int x, int y, int size)
    {
        int origin = At(x, y), sum = 0, count = 0;
        if (y > 0)
        {
            for (int i = 0; i < size; i++) sum += Samples[origin - Stride + i];
            count += size;
        }
        if (x > 0)
        {
            for (int i = 0; i < size; i++) sum += Samples[origin + i * Stride - 1];
            count += size;
        }
        return count == 0 ? 128 : (sum + count / 2) / count;
    }

    /// <summary>Predicts 4x4 samples (RFC 6386, section 12.3). <paramref name="beyond"/> are the four samples above and to the right.</summary>
    public void PredictSubblock(Vp8Mode mode, int x, int y, ReadOnlySpan<byte> beyond)
    {
        if (mode is Vp8Mode.TrueMotion)
        {
            PredictSquare(mode, x, y, 4);
            return;
        }
        int origin = At(x, y);
        // The edge from the lowest sample at the left, over the corner (4), to the right end above.
        Span<byte> e = stackalloc byte[13];
        for (int i = 0; i < 4; i++) e[i] = Samples[origin + (3 - i) * Stride - 1];
        Samples.AsSpan(origin - Stride - 1, 5).CopyTo(e[4..]);
        beyond.CopyTo(e[9..]);
        int sum = 4;
        for (int i = 0; i < 4; i++) sum += e[i] + e[5 + i];
        for (int row = 0; row < 4; row++)
            for (int column = 0; column < 4; column++)
                Samples[origin + row * Stride + column] = mode == Vp8Mode.Dc ? (byte)(sum >> 3) : Directed(mode, e, column, row);
    }

    private static byte Directed(Vp8Mode mode, ReadOnlySpan<byte> e, int x, int y) => mode switch
    {
        Vp8Mode.Vertical => Mean3(e, 5 + x),
        Vp8Mode.Horizontal => y == 3 ? Mean(e[1], e[0], e[0]) : Mean3(e, 3 - y),
        Vp8Mode.RightDown => Mean3(e, 4 + x - y),
        Vp8Mode.LeftDown => x + y == 6 ? Mean(e[11], e[12], e[12]) : Mean3(e, 6 + x + y),
        Vp8Mode.VerticalRight => VerticalRight(e, x, y),
        Vp8Mode.VerticalLeft => VerticalLeft(e, x, y),
        Vp8Mode.HorizontalDown => HorizontalDown(e, x, y),
        _ => HorizontalUp(e, 2 * y + x),
    };

    private static byte VerticalRight(ReadOnlySpan<byte> e, int x, int y)
    {
        int slope = 2 * x - y; // twice the distance from the diagonal through the corner
        return slope < -1 ? Mean3(e, 5 - y) : (slope & 1) == 0 ? Mean2(e, 4 + slope / 2) : Mean3(e, 4 + (slope + 1) / 2);
    }

    private static byte VerticalLeft(ReadOnlySpan<byte> e, int x, int y)
    {
        // The two last samples of the right column leave the pattern.
        if (x == 3 && y >= 2) return Mean3(e, y == 2 ? 10 : 11);
        return (y & 1) == 0 ? Mean2(e, 5 + x + y / 2) : Mean3(e, 6 + x + y / 2);
    }

    private static byte HorizontalDown(ReadOnlySpan<byte> e, int x, int y)
    {
        int slope = 2 * y - x;
        return slope < -1 ? Mean3(e, 3 + x) : (slope & 1) == 0 ? Mean2(e, 3 - slope / 2) : Mean3(e, 4 - (slope + 1) / 2);
    }

    private static byte HorizontalUp(ReadOnlySpan<byte> e, int step) => step switch
    {
        > 5 => e[0],
        5 => Mean(e[1], e[0], e[0]),
        _ when (step & 1) == 0 => Mean2(e, 2 - step / 2),
        _ => Mean3(e, 2 - step / 2),
    };

    private static byte Mean2(ReadOnlySpan<byte> e, int first) => (byte)((e[first] + e[first + 1] + 1) >> 1);

    private static byte Mean3(ReadOnlySpan<byte> e, int middle) => Mean(e[middle - 1], e[middle], e[middle + 1]);

    private static byte Mean(int a, int b, int c) => (byte)((a + 2 * b + c + 2) >> 2);
}
