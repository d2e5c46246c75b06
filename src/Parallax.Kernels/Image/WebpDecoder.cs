namespace Parallax.Kernels.Image;

/// <summary>
/// WebP with lossy (VP8) data, bit for bit what libwebp gives with its default settings: its interpolating chroma upsampling and its
/// fixed-point colour conversion. An alpha channel is not read. Lossless data and animations are refused.
/// </summary>
internal static class WebpDecoder
{
    internal static DecodedImage Decode(ReadOnlySpan<byte> file)
    {
        var cursor = new ByteCursor("WebP", file) { Position = 12 };
        while (cursor.Remaining >= 8)
        {
            string tag = System.Text.Encoding.Latin1.GetString(cursor.Take(4));
            uint size = cursor.U32LittleEndian();
            ReadOnlySpan<byte> chunk = cursor.Take(size);
            if (tag == "VP8 ")
            {
                (Vp8Decoder frame, int width, int height) = Vp8Decoder.Decode(chunk.ToArray());
                return ToRgb(frame, width, height);
            }
            if (tag is "VP8L" or "ANIM" or "ANMF") throw cursor.Fail(tag == "VP8L" ? "lossless WebP is not supported" : "animations are not supported");
            if ((size & 1) != 0 && cursor.Remaining > 0) cursor.Take(1);
        }
        throw cursor.Fail("the file has no VP8 chunk");
    }

    private static DecodedImage ToRgb(Vp8Decoder frame, int width, int height)
    {
        var pixels = new byte[checked(width * height * 3)];
        int chromaWidth = (width + 1) / 2, lastRow = (height + 1) / 2 - 1;
        byte[] blues = new byte[chromaWidth * 2], reds = new byte[chromaWidth * 2];
        for (int y = 0; y < height; y++)
        {
            int near = y / 2, far = Math.Clamp((y & 1) == 0 ? near - 1 : near + 1, 0, lastRow);
            Widen(frame.BlueChroma, near, far, chromaWidth, blues);
            Widen(frame.RedChroma, near, far, chromaWidth, reds);
            ReadOnlySpan<byte> luma = frame.Luma.Samples.AsSpan(frame.Luma.At(0, y), width);
            Span<byte> target = pixels.AsSpan(y * width * 3, width * 3);
            for (int x = 0; x < width; x++) Convert(luma[x], blues[x], reds[x], target.Slice(3 * x, 3));
        }
        return new DecodedImage(width, height, 3, pixels);
    }

    /// <summary>One full row of chroma from the two nearest rows: weights 9/16, 3/16, 3/16 and 1/16, rounded in libwebp's two steps.</summary>
    private static void Widen(Vp8Plane plane, int near, int far, int width, byte[] target)
    {
        ReadOnlySpan<byte> n = plane.Samples.AsSpan(plane.At(0, near), width), f = plane.Samples.AsSpan(plane.At(0, far), width);
        target[0] = (byte)((3 * n[0] + f[0] + 2) >> 2);
        for (int x = 1; x < width; x++)
        {
            int sum = n[x - 1] + n[x] + f[x - 1] + f[x] + 8;
            target[2 * x - 1] = (byte)((((sum + 2 * (n[x] + f[x - 1])) >> 3) + n[x - 1]) >> 1);
            target[2 * x] = (byte)((((sum + 2 * (n[x - 1] + f[x])) >> 3) + n[x]) >> 1);
        }
        target[2 * width - 1] = (byte)((3 * n[width - 1] + f[width - 1] + 2) >> 2);
    }

    /// <summary>ITU-R 601 with the range 16 to 235, in 14 bits of fraction of which 8 are dropped early.</summary>
    private static void Convert(int y, int u, int v, Span<byte> target)
    {
        int luma = (y * 19077) >> 8;
        target[0] = Clamp(luma + ((v * 26149) >> 8) - 14234);
        target[1] = Clamp(luma - ((u * 6419) >> 8) - ((v * 13320) >> 8) + 8708);
        target[2] = Clamp(luma + ((u * 33050) >> 8) - 17685);
    }

    private static byte Clamp(int value) => (byte)Math.Clamp(value >> 6, 0, 255);
}
