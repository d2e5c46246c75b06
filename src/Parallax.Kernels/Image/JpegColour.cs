namespace Parallax.Kernels.Image;

internal enum JpegColourSpace
{
    Grayscale,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// <summary>Upsamples the components of a JPEG frame to full size and converts them to grey or RGB, with libjpeg's integer arithmetic.</summary>
internal static class JpegColour
{
    internal static DecodedImage Assemble(JpegFrame frame, JpegColourSpace space)
    {
        int width = frame.Width, channels = space == JpegColourSpace.Grayscale ? 1 : 3;
        var pixels = new byte[checked(width * frame.Height * channels)];
        var rows = new byte[frame.Components.Length][];
        // Room for the sample pairs of the last column of an odd width.
        for (int i = 0; i < rows.Length; i++) rows[i] = new byte[frame.UnitsWide * frame.MaxHorizontal * 8];
        var sums = new int[frame.UnitsWide * frame.MaxHorizontal * 8];
        for (int y = 0; y < frame.Height; y++)
        {
            for (int i = 0; i < rows.Length; i++) UpsampleRow(frame, frame.Components[i], y, rows[i], sums);
            Convert(space, rows, pixels.AsSpan(y * width * channels, width * channels));
        }
        return new DecodedImage(width, frame.Height, channels, pixels);
    }

    /// <summary>Row <paramref name="y"/> of the full picture. Ratios of 2 are interpolated (weights 3/4 and 1/4), others repeated, as libjpeg does.</summary>
    private static void UpsampleRow(JpegFrame frame, JpegComponent component, int y, byte[] target, int[] sums)
    {
        int across = frame.MaxHorizontal / component.HorizontalFactor, down = frame.MaxVertical / component.VerticalFactor;
        ReadOnlySpan<byte> near = Row(component, y / down);
        bool isWide = component.Width > 2;
        if (across == 1 && down == 1) near.CopyTo(target);
        else if (across == 2 && down == 1 && isWide) WidenSmoothly(near, target);
        else if (down == 2 && (across == 1 || (across == 2 && isWide)))
        {
            bool isUpper = (y & 1) == 0;
            ReadOnlySpan<byte> far = Row(component, y / 2 + (isUpper ? -1 : 1));
            if (across == 1) HeightenSmoothly(near, far, isUpper ? 1 : 2, target);
            else WidenAndHeighten(near, far, target, sums);
        }
        else
        {
            for (int x = 0; x < frame.Width; x++) target[x] = near[x / across];
        }
    }

    /// <summary>A row of real samples; beyond the picture the nearest row stands in.</summary>
    private static ReadOnlySpan<byte> Row(JpegComponent component, int y) =>
        component.Plane.AsSpan(Math.Clamp(y, 0, component.Height - 1) * component.Stride, component.Width);

    private static void WidenSmoothly(ReadOnlySpan<byte> source, Span<byte> target)
    {
        int last = source.Length - 1;
        target[0] = source[0];
        target[2 * last + 1] = source[last];
        for (int x = 0; x < last; x++)
        {
            // Alternating rounding, so that the average level is kept.
            target[2 * x + 1] = (byte)((source[x] * 3 + source[x + 1] + 2) >> 2);
            target[2 * x + 2] = (byte)((source[x + 1] * 3 + source[x] + 1) >> 2);
        }
    }

    private static void HeightenSmoothly(ReadOnlySpan<byte> near, ReadOnlySpan<byte> far, int rounding, Span<byte> target)
    {
        for (int x = 0; x < near.Length; x++) target[x] = (byte)((near[x] * 3 + far[x] + rounding) >> 2);
    }

    private static void WidenAndHeighten(ReadOnlySpan<byte> near, ReadOnlySpan<byte> far, Span<byte> target, Span<int> sums)
    {
        int last = near.Length - 1;
        for (int x = 0; x <= last; x++) sums[x] = near[x] * 3 + far[x];
        target[0] = (byte)((sums[0] * 4 + 8) >> 4);
        target[2 * last + 1] = (byte)((sums[last] * 4 + 7) >> 4);
        for (int x = 0; x < last; x++)
        {
            target[2 * x + 1] = (byte)((sums[x] * 3 + sums[x + 1] + 7) >> 4);
            target[2 * x + 2] = (byte)((sums[x + 1] * 3 + sums[x] + 8) >> 4);
        }
    }

    private static void Convert(JpegColourSpace space, byte[][] rows, Span<byte> target)
    {
        switch (space)
        {
            case JpegColourSpace.Grayscale:
                rows[0].AsSpan(0, target.Length).CopyTo(target);
                break;
            case JpegColourSpace.Rgb:
                for (int x = 0; x * 3 < target.Length; x++) (target[3 * x], target[3 * x + 1], target[3 * x + 2]) = (rows[0][x], rows[1][x], rows[2][x]);
                break;
            case JpegColourSpace.YCbCr:
                ConvertYCbCr(rows, target);
                break;
            case JpegColourSpace.Cmyk:
                for (int x = 0; x * 3 < target.Length; x++) (target[3 * x], target[3 * x + 1], target[3 * x + 2]) = (rows[0][x], rows[1][x], rows[2][x]);
                ApplyBlack(rows[3], target);
                break;
            case JpegColourSpace.Ycck:
                ConvertYCbCr(rows, target);
                for (int i = 0; i < target.Length; i++) target[i] = (byte)(255 - target[i]);
                ApplyBlack(rows[3], target);
                break;
        }
    }

    private static void ConvertYCbCr(byte[][] rows, Span<byte> target)
    {
        byte[] luma = rows[0], blues = rows[1], reds = rows[2];
        const int half = 1 << 15;
        for (int x = 0, i = 0; i < target.Length; x++, i += 3)
        {
            // ITU-R 601 with 16-bit fractions: 1.40200, 0.34414, 0.71414, 1.77200.
            int y = luma[x], cb = blues[x] - 128, cr = reds[x] - 128;
            target[i] = Clamp(y + ((91881 * cr + half) >> 16));
            target[i + 1] = Clamp(y + ((-22554 * cb - 46802 * cr + half) >> 16));
            target[i + 2] = Clamp(y + ((116130 * cb + half) >> 16));
        }
    }

    /// <summary>Inks stored inverted, as all writers of CMYK JPEG do: colour times black over 255, rounded.</summary>
    private static void ApplyBlack(byte[] black, Span<byte> target)
    {
        for (int i = 0; i < target.Length; i++)
        {
            int light = black[i / 3], product = (255 - target[i]) * light + 128;
            target[i] = Clamp(light - ((product + (product >> 8)) >> 8));
        }
    }

    private static byte Clamp(int value) => (byte)Math.Clamp(value, 0, 255);
}
