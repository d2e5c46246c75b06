namespace Parallax.Kernels.Image;

/// <summary>Netpbm grey and colour maps, in text (P2, P3) and bytes (P5, P6). Samples are scaled to 8 bits, rounded to nearest.</summary>
internal static class PnmDecoder
{
    internal static DecodedImage Decode(ReadOnlySpan<byte> file)
    {
        var cursor = new ByteCursor("PNM", file) { Position = 2 };
        bool isText = file[1] is (byte)'2' or (byte)'3';
        int channels = file[1] is (byte)'3' or (byte)'6' ? 3 : 1;
        int width = Number(ref cursor), height = Number(ref cursor), maximum = Number(ref cursor);
        ImageDecoder.CheckSize("PNM", width, height);
        if (maximum is < 1 or > 65535) throw cursor.Fail($"the largest sample is {maximum}, expected 1 to 65535");
        if (!isText) cursor.Take(1); // one space ends the header
        int sampleBytes = maximum > 255 ? 2 : 1;
        long count = (long)width * height * channels, bytes = isText ? 2 * count - 1 : count * sampleBytes;
        if (bytes > cursor.Remaining) throw cursor.Fail($"{width}x{height} needs {bytes} bytes, {cursor.Remaining} left");
        var pixels = new byte[count];
        for (int i = 0; i < pixels.Length; i++)
        {
            int value = isText ? Number(ref cursor) : sampleBytes == 1 ? cursor.U8() : cursor.U16BigEndian();
            if (value > maximum) throw cursor.Fail($"sample {value} is above {maximum}");
            pixels[i] = (byte)(maximum == 255 ? value : (value * 510L + maximum) / (2L * maximum));
        }
        return new DecodedImage(width, height, channels, pixels);
    }

    /// <summary>The next decimal number, past spaces and comments.</summary>
    private static int Number(ref ByteCursor cursor)
    {
        byte next = cursor.U8();
        while (next is (byte)' ' or (byte)'#' or >= 9 and <= 13)
        {
            if (next == '#')
                while (next != '\n') next = cursor.U8();
            next = cursor.U8();
        }
        if (next is < (byte)'0' or > (byte)'9') throw cursor.Fail($"a number expected, not 0x{next:x2}");
        int value = next - '0';
        while (cursor.Remaining > 0 && cursor.Data[cursor.Position] is >= (byte)'0' and <= (byte)'9')
        {
            value = value * 10 + cursor.U8() - '0';
            if (value > 1 << 26) throw cursor.Fail("a number is too large");
        }
        return value;
    }
}
