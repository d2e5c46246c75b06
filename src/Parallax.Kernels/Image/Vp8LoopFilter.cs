namespace Parallax.Kernels.Image;

/// <summary>VP8's loop filter (RFC 6386, section 15), applied to a whole frame after it is decoded.</summary>
/// <param name="segmentLevels">By segment; null where the frame is not filtered.</param>
internal sealed class Vp8LoopFilter(bool isSimple, int sharpness, int[]? segmentLevels, int frameDelta, int subblockDelta, int units)
{
    private readonly (byte Level, bool HasInner)[] perUnit = new (byte, bool)[units];

    /// <summary>Keeps what is needed to filter a macroblock. Inside it there is nothing to filter where it was predicted whole and got no coefficients.</summary>
    public void Note(int unit, int segment, bool isWhole, bool hasCoefficients)
    {
        if (segmentLevels is null) return;
        int level = segmentLevels[segment] + frameDelta + (isWhole ? 0 : subblockDelta);
        perUnit[unit] = ((byte)Math.Clamp(level, 0, 63), !isWhole || hasCoefficients);
    }

    public void Apply(Vp8Decoder frame, int unitsWide, int unitsHigh)
    {
        if (segmentLevels is null) return;
        for (int y = 0; y < unitsHigh; y++)
            for (int x = 0; x < unitsWide; x++)
            {
                (byte level, bool hasInner) = perUnit[y * unitsWide + x];
                if (level == 0) continue;
                FilterUnit(frame.Luma, 16, x, y, level, hasInner);
                if (isSimple) continue;
                FilterUnit(frame.BlueChroma, 8, x, y, level, hasInner);
                FilterUnit(frame.RedChroma, 8, x, y, level, hasInner);
            }
    }

    private void FilterUnit(Vp8Plane plane, int size, int x, int y, int level, bool hasInner)
    {
        int inside = level >> (sharpness > 4 ? 2 : sharpness > 0 ? 1 : 0);
        if (sharpness > 0) inside = Math.Min(inside, 9 - sharpness);
        inside = Math.Max(inside, 1);
        int limit = 2 * level + inside, variance = level >= 40 ? 2 : level >= 15 ? 1 : 0, origin = plane.At(x * size, y * size);
        if (x > 0) FilterEdge(plane, origin, plane.Stride, 1, size, limit + 4, inside, variance, isOuter: true);
        for (int i = 4; hasInner && i < size; i += 4) FilterEdge(plane, origin + i, plane.Stride, 1, size, limit, inside, variance, isOuter: false);
        if (y > 0) FilterEdge(plane, origin, 1, plane.Stride, size, limit + 4, inside, variance, isOuter: true);
        for (int i = 4; hasInner && i < size; i += 4) FilterEdge(plane, origin + i * plane.Stride, 1, plane.Stride, size, limit, inside, variance, isOuter: false);
    }

    /// <param name="along">From one sample of the edge to the next.</param>
    /// <param name="across">From one side of the edge to the other.</param>
    private void FilterEdge(Vp8Plane plane, int origin, int along, int across, int count, int limit, int inside, int variance, bool isOuter)
    {
        byte[] s = plane.Samples;
        for (int i = 0, q0 = origin; i < count; i++, q0 += along)
        {
            int p1 = s[q0 - 2 * across], p0 = s[q0 - across], first = s[q0], second = s[q0 + across];
            if (2 * Math.Abs(p0 - first) + Math.Abs(p1 - second) / 2 > limit) continue;
            if (isSimple)
            {
                FilterPair(s, q0, across);
                continue;
            }
            if (!IsSmooth(s, q0, across, inside)) continue;
            if (Math.Abs(p1 - p0) > variance || Math.Abs(second - first) > variance) FilterPair(s, q0, across);
            else if (isOuter) FilterSix(s, q0, across);
            else FilterFour(s, q0, across);
        }
    }

    private static bool IsSmooth(byte[] s, int q0, int across, int inside)
    {
        for (int i = -4; i < 3; i++)
            if (i != -1 && Math.Abs(s[q0 + i * across] - s[q0 + (i + 1) * across]) > inside) return false;
        return true;
    }

    private static void FilterPair(byte[] s, int q0, int across)
    {
        int a = 3 * (s[q0] - s[q0 - across]) + Math.Clamp(s[q0 - 2 * across] - s[q0 + across], -128, 127);
        Shift(s, q0, across, a);
    }

    private static void FilterFour(byte[] s, int q0, int across)
    {
        int outer = (Shift(s, q0, across, 3 * (s[q0] - s[q0 - across])) + 1) >> 1;
        s[q0 - 2 * across] = Clamp(s[q0 - 2 * across] + outer);
        s[q0 + across] = Clamp(s[q0 + across] - outer);
    }

    /// <summary>Moves the two samples at the edge towards each other; returns by how much the second moved.</summary>
    private static int Shift(byte[] s, int q0, int across, int a)
    {
        int down = Math.Clamp((a + 4) >> 3, -16, 15), up = Math.Clamp((a + 3) >> 3, -16, 15);
        s[q0 - across] = Clamp(s[q0 - across] + up);
        s[q0] = Clamp(s[q0] - down);
        return down;
    }

    private static void FilterSix(byte[] s, int q0, int across)
    {
        int a = Math.Clamp(3 * (s[q0] - s[q0 - across]) + Math.Clamp(s[q0 - 2 * across] - s[q0 + across], -128, 127), -128, 127);
        for (int i = 0, weight = 27; i < 3; i++, weight -= 9)
        {
            int move = (weight * a + 63) >> 7;
            s[q0 - (i + 1) * across] = Clamp(s[q0 - (i + 1) * across] + move);
            s[q0 + i * across] = Clamp(s[q0 + i * across] - move);
        }
    }

    private static byte Clamp(int value) => (byte)Math.Clamp(value, 0, 255);
}
