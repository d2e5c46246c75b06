namespace Parallax.Kernels.Image;

/// <summary>The inverse wavelet transforms of JPEG 2000 (T.800, annex F). Integers are exact in floats: samples have at most 16 bits.</summary>
internal static class Jpeg2000Wavelet
{
    private const float Alpha = -1.586134342059924f, Beta = -0.052980118572961f, Gamma = 0.882911075530934f, Delta = 0.443506852043971f;
    private const float LowGain = 1.230174104914001f;

    /// <summary>Joins a picture of half the resolution and three subbands to one of the full resolution.</summary>
    public static float[] Inverse(
        Jpeg2000Area area, Jpeg2000Area lowArea, float[] low, List<Jpeg2000Subband> bands, Dictionary<Jpeg2000Subband, float[]> samples, bool isReversible)
    {
        var picture = new float[area.Width * area.Height];
        Interleave(picture, area, low, lowArea, 0, 0);
        foreach (Jpeg2000Subband band in bands) Interleave(picture, area, samples[band], band.Area, band.IsHighX ? 1 : 0, band.IsHighY ? 1 : 0);
        var line = new float[Math.Max(area.Width, area.Height)];
        for (int y = 0; y < area.Height; y++) InverseLine(picture.AsSpan(y * area.Width, area.Width), area.X0 & 1, isReversible);
        for (int x = 0; x < area.Width; x++)
        {
            Span<float> column = line.AsSpan(0, area.Height);
            for (int y = 0; y < column.Length; y++) column[y] = picture[y * area.Width + x];
            InverseLine(column, area.Y0 & 1, isReversible);
            for (int y = 0; y < column.Length; y++) picture[y * area.Width + x] = column[y];
        }
        return picture;
    }

    private static void Interleave(float[] picture, Jpeg2000Area area, float[] band, Jpeg2000Area bandArea, int oddX, int oddY)
    {
        for (int y = 0; y < bandArea.Height; y++)
            for (int x = 0; x < bandArea.Width; x++)
            {
                int column = 2 * (bandArea.X0 + x) + oddX - area.X0, row = 2 * (bandArea.Y0 + y) + oddY - area.Y0;
                picture[row * area.Width + column] = band[y * bandArea.Width + x];
            }
    }

    /// <summary>One line of interleaved low and high samples; <paramref name="first"/> is 1 where it begins with a high one.</summary>
    private static void InverseLine(Span<float> line, int first, bool isReversible)
    {
        if (line.Length == 1)
        {
            // A lone high sample was doubled; integers are halved towards zero, as the reference library does.
            if (first == 1) line[0] = isReversible ? MathF.Truncate(line[0] * 0.5f) : line[0] * 0.5f;
            return;
        }
        if (isReversible)
        {
            for (int i = first; i < line.Length; i += 2) line[i] -= MathF.Floor((Neighbours(line, i) + 2) * 0.25f);
            for (int i = 1 - first; i < line.Length; i += 2) line[i] += MathF.Floor(Neighbours(line, i) * 0.5f);
            return;
        }
        for (int i = 0; i < line.Length; i++) line[i] *= (i & 1) == first ? LowGain : 1 / LowGain;
        Lift(line, first, Delta);
        Lift(line, 1 - first, Gamma);
        Lift(line, first, Beta);
        Lift(line, 1 - first, Alpha);
    }

    private static void Lift(Span<float> line, int start, float factor)
    {
        for (int i = start; i < line.Length; i += 2) line[i] -= factor * Neighbours(line, i);
    }

    /// <summary>The sum of the samples on both sides; at an end the line is mirrored.</summary>
    private static float Neighbours(ReadOnlySpan<float> line, int i)
    {
        float before = line[i > 0 ? i - 1 : 1], after = line[i + 1 < line.Length ? i + 1 : i - 1];
        return before + after;
    }
}
