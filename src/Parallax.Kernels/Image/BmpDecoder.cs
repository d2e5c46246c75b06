namespace Parallax.Kernels.Image;

/// <summary>
/// Windows bitmaps without compression: 24 and 32 bits a pixel, and palettes of 1, 4 and 8 bits. The fourth byte of 32-bit pixels is
/// padding and is dropped.
/// </summary>
internal static class BmpDecoder
{
    private const uint Uncompressed = 0, BitFields = 3;

    internal static DecodedImage Decode(ReadOnlySpan<byte> file)
    {
        var cursor = new ByteCursor("BMP", file) { Position = 10 };
        uint pixelOffset = cursor.U32LittleEndian(), headerBytes = cursor.U32LittleEndian();
        bool isOld = headerBytes == 12;
        int width = isOld ? cursor.U16LittleEndian() : (int)cursor.U32LittleEndian();
        long signedHeight = isOld ? cursor.U16LittleEndian() : (int)cursor.U32LittleEndian();
        cursor.Take(2); // planes
        int bits = cursor.U16LittleEndian();
        uint compression = isOld ? Uncompressed : cursor.U32LittleEndian();
        if (!isOld && headerBytes < 40) throw cursor.Fail($"a header of {headerBytes} bytes is not known");
        bool isKnown = compression == Uncompressed || (compression == BitFields && bits == 32 && HasUsualMasks(ref cursor));
        if (!isKnown || bits is not (1 or 4 or 8 or 24 or 32)) throw cursor.Fail($"{bits} bits a pixel with compression {compression} is not supported");
        long height = Math.Abs(signedHeight);
        ImageDecoder.CheckSize("BMP", width, height);
        ReadOnlySpan<byte> palette = bits > 8 ? default : Palette(file, ref cursor, 14 + headerBytes, pixelOffset, isOld ? 3 : 4, bits);
        cursor.Seek(pixelOffset);
        int rowBytes = (int)(((long)width * bits + 31) / 32 * 4);
        if (rowBytes * height > cursor.Remaining) throw cursor.Fail($"{width}x{height} needs {rowBytes * height} bytes, {cursor.Remaining} left");
        var pixels = new byte[checked(width * (int)height * 3)];
        for (int row = 0; row < height; row++)
        {
            int y = signedHeight < 0 ? row : (int)height - 1 - row; // a positive height means that the bottom row comes first
            ReadRow(cursor.Take(rowBytes), bits, palette, isOld ? 3 : 4, pixels.AsSpan(y * width * 3, width * 3));
        }
        return new DecodedImage(width, (int)height, 3, pixels);
    }

    private static bool HasUsualMasks(ref ByteCursor cursor)
    {
        cursor.Seek(54);
        return cursor.U32LittleEndian() == 0xFF0000 && cursor.U32LittleEndian() == 0xFF00 && cursor.U32LittleEndian() == 0xFF;
    }

    private static ReadOnlySpan<byte> Palette(ReadOnlySpan<byte> file, ref ByteCursor cursor, uint offset, uint pixelOffset, int entryBytes, int bits)
    {
        cursor.Seek(offset);
        long room = Math.Min(pixelOffset, (uint)file.Length) - (long)offset;
        return cursor.Take(Math.Clamp(room, 0, (1 << bits) * entryBytes));
    }

    private static void ReadRow(ReadOnlySpan<byte> row, int bits, ReadOnlySpan<byte> palette, int entryBytes, Span<byte> target)
    {
        for (int x = 0; x * 3 < target.Length; x++)
        {
            int from = bits > 8 ? x * (bits / 8) : entryBytes * ((row[x * bits >> 3] >> (8 - bits - (x * bits & 7))) & ((1 << bits) - 1));
            ReadOnlySpan<byte> source = bits > 8 ? row : palette;
            if (from + 2 >= source.Length) throw new InvalidInputException($"BMP image: palette entry {from / entryBytes} of {palette.Length / entryBytes}");
            target[3 * x] = source[from + 2];
            target[3 * x + 1] = source[from + 1];
            target[3 * x + 2] = source[from];
        }
    }
}
