using System.Buffers.Binary;
using System.IO.Compression;

namespace Parallax.Kernels.Image;

/// <summary>
/// TIFF 6.0, first picture of the file: strips of grey, palette or RGB samples of 8 bits (and more samples, of which the fourth is
/// alpha), uncompressed or with PackBits, LZW or Deflate, with or without the horizontal predictor.
/// </summary>
internal static class TiffDecoder
{
    private enum Tag
    {
        Width = 256, Height = 257, BitsPerSample = 258, Compression = 259, Photometric = 262, StripOffsets = 273, SamplesPerPixel = 277,
        RowsPerStrip = 278, StripByteCounts = 279, PlanarConfiguration = 284, Predictor = 317, ColourMap = 320, TileWidth = 322,
    }

    internal static DecodedImage Decode(ReadOnlySpan<byte> file)
    {
        var cursor = new ByteCursor("TIFF", file) { Position = 4 };
        bool isBigEndian = file[0] == 'M';
        Dictionary<Tag, long[]> tags = ReadDirectory(ref cursor, isBigEndian);
        long One(Tag tag, long otherwise) => tags.TryGetValue(tag, out long[]? values) && values.Length > 0 ? values[0] : otherwise;
        long width = One(Tag.Width, 0), height = One(Tag.Height, 0), samples = One(Tag.SamplesPerPixel, 1), photometric = One(Tag.Photometric, 1);
        ImageDecoder.CheckSize("TIFF", width, height);
        bool isKnown = photometric switch { 0 or 1 or 3 => samples is 1 or 2, 2 => samples is 3 or 4, _ => false };
        bool isBytes = tags.TryGetValue(Tag.BitsPerSample, out long[]? bits) && Array.TrueForAll(bits, b => b == 8);
        if (!isKnown || !isBytes || tags.ContainsKey(Tag.TileWidth) || (samples > 1 && One(Tag.PlanarConfiguration, 1) != 1))
            throw cursor.Fail($"photometric {photometric} with {samples} samples of {string.Join(',', bits ?? [1])} bits is not supported (only strips of 8-bit samples, together)");
        long compression = One(Tag.Compression, 1), rowsPerStrip = Math.Clamp(One(Tag.RowsPerStrip, height), 1, height), predictor = One(Tag.Predictor, 1);
        long rowBytes = width * samples;
        // LZW and Deflate reach about 1:1400; a header that claims more is refused before its pixels are allocated.
        if (rowBytes * height / 2000 > file.Length) throw cursor.Fail($"{file.Length} bytes cannot hold {width}x{height} pixels");
        var raw = new byte[rowBytes * height];
        ReadStrips(cursor, tags, raw, (int)(rowsPerStrip * rowBytes), compression);
        if (predictor == 2) UndoPredictor(raw, (int)rowBytes, (int)samples);
        else if (predictor != 1) throw cursor.Fail($"predictor {predictor} is not supported");
        return ToImage((int)width, (int)height, (int)samples, photometric, raw, tags.GetValueOrDefault(Tag.ColourMap), cursor);
    }

    private static Dictionary<Tag, long[]> ReadDirectory(ref ByteCursor cursor, bool isBigEndian)
    {
        cursor.Seek(U32(ref cursor, isBigEndian));
        var tags = new Dictionary<Tag, long[]>();
        int entries = U16(ref cursor, isBigEndian);
        for (int i = 0; i < entries; i++)
        {
            var tag = (Tag)U16(ref cursor, isBigEndian);
            int type = U16(ref cursor, isBigEndian);
            uint count = U32(ref cursor, isBigEndian);
            int next = cursor.Position + 4, bytes = type switch { 1 => 1, 3 => 2, 4 => 4, _ => 0 };
            if (bytes > 0 && Enum.IsDefined(tag))
            {
                if (count * (long)bytes > 4) cursor.Seek(U32(ref cursor, isBigEndian));
                if (count * (long)bytes > cursor.Remaining) throw cursor.Fail($"tag {tag} has {count} values");
                var values = new long[count];
                for (int v = 0; v < values.Length; v++)
                    values[v] = bytes == 1 ? cursor.U8() : bytes == 2 ? U16(ref cursor, isBigEndian) : U32(ref cursor, isBigEndian);
                tags[tag] = values;
            }
            cursor.Seek(next);
        }
        return tags;
    }

    private static int U16(ref ByteCursor cursor, bool isBigEndian) => isBigEndian ? cursor.U16BigEndian() : cursor.U16LittleEndian();

    private static uint U32(ref ByteCursor cursor, bool isBigEndian) => isBigEndian ? cursor.U32BigEndian() : cursor.U32LittleEndian();

    private static void ReadStrips(ByteCursor cursor, Dictionary<Tag, long[]> tags, byte[] raw, int stripBytes, long compression)
    {
        long[] offsets = tags.GetValueOrDefault(Tag.StripOffsets) ?? [], counts = tags.GetValueOrDefault(Tag.StripByteCounts) ?? [];
        int strips = (int)(((long)raw.Length + stripBytes - 1) / stripBytes);
        if (offsets.Length < strips || counts.Length < strips) throw cursor.Fail($"{strips} strips expected, {offsets.Length} offsets and {counts.Length} sizes given");
        for (int i = 0; i < strips; i++)
        {
            cursor.Seek(offsets[i]);
            ReadOnlySpan<byte> source = cursor.Take(counts[i]);
            Span<byte> target = raw.AsSpan(i * stripBytes, Math.Min(stripBytes, raw.Length - i * stripBytes));
            int written = compression switch
            {
                1 => Copy(source, target),
                5 => TiffLzw.Decode(source, target),
                8 or 32946 => Inflate(source, target),
                32773 => UnpackBits(source, target),
                _ => throw cursor.Fail($"compression {compression} is not supported"),
            };
            if (written < target.Length) throw cursor.Fail($"strip {i} holds {written} bytes, expected {target.Length}");
        }
    }

    private static int Copy(ReadOnlySpan<byte> source, Span<byte> target)
    {
        int count = Math.Min(source.Length, target.Length);
        source[..count].CopyTo(target);
        return count;
    }

    private static int Inflate(ReadOnlySpan<byte> source, Span<byte> target)
    {
        using var inflated = new ZLibStream(new MemoryStream(source.ToArray()), CompressionMode.Decompress);
        return inflated.ReadAtLeast(target, target.Length, throwOnEndOfStream: false);
    }

    private static int UnpackBits(ReadOnlySpan<byte> source, Span<byte> target)
    {
        int from = 0, to = 0;
        while (from + 1 < source.Length && to < target.Length)
        {
            int code = (sbyte)source[from++];
            if (code == -128) continue;
            int count = Math.Min(Math.Abs(code) + 1, target.Length - to);
            if (code >= 0)
            {
                count = Math.Min(count, source.Length - from);
                source.Slice(from, count).CopyTo(target[to..]);
                from += count;
            }
            else target.Slice(to, count).Fill(source[from++]);
            to += count;
        }
        return to;
    }

    private static void UndoPredictor(byte[] raw, int rowBytes, int samples)
    {
        for (int row = 0; row < raw.Length; row += rowBytes)
            for (int i = row + samples; i < row + rowBytes; i++) raw[i] += raw[i - samples];
    }

    private static DecodedImage ToImage(int width, int height, int samples, long photometric, byte[] raw, long[]? map, ByteCursor cursor)
    {
        if (photometric == 0)
            for (int i = 0; i < raw.Length; i += samples) raw[i] = (byte)(255 - raw[i]);
        if (photometric != 3) return new DecodedImage(width, height, samples, raw);
        if (map is not { Length: 768 }) throw cursor.Fail("the colour map is missing or damaged");
        var pixels = new byte[checked(width * height * 3)];
        for (int i = 0; i < pixels.Length; i++) pixels[i] = (byte)(map[i % 3 * 256 + raw[i / 3 * samples]] >> 8);
        return new DecodedImage(width, height, 3, pixels);
    }
}

/// <summary>TIFF's LZW: codes of 9 to 12 bits, upper bits first, grown one code early.</summary>
internal static class TiffLzw
{
    private const int Clear = 256, End = 257;

    /// <summary>Fills <paramref name="target"/> as far as the data go; returns how many bytes were written.</summary>
    internal static int Decode(ReadOnlySpan<byte> source, Span<byte> target)
    {
        // An entry is a stretch of what was written: where it starts and how long it is.
        var starts = new int[4096];
        var lengths = new int[4096];
        int next = End + 1, width = 9, previous = -1, written = 0;
        for (long bit = 0; bit + width <= source.Length * 8L && written < target.Length;)
        {
            int code = ReadCode(source, bit, width);
            bit += width;
            if (code == End) break;
            if (code == Clear)
            {
                (next, width, previous) = (End + 1, 9, -1);
                continue;
            }
            if (code > next || (code == next && previous < 0) || code == End) throw new InvalidInputException($"TIFF image: LZW code {code} of {next} at bit {bit}");
            int start = written;
            int length = Math.Min(code < 256 ? 1 : code == next ? lengths[previous] + 1 : lengths[code], target.Length - written);
            if (code < 256) target[written] = (byte)code;
            else
                for (int i = 0; i < length; i++) target[start + i] = target[(code == next ? starts[previous] : starts[code]) + i]; // may overlap
            written += length;
            previous = Learn(starts, lengths, ref next, previous, code, start, length);
            if (next + 1 >= 1 << width && width < 12) width++;
        }
        return written;
    }

    /// <summary>Adds the previous string and the first byte of this one; returns an index that stands for this one.</summary>
    private static int Learn(int[] starts, int[] lengths, ref int next, int previous, int code, int start, int length)
    {
        if (previous >= 0 && next < 4095)
        {
            starts[next] = starts[previous];
            lengths[next] = lengths[previous] + 1;
            next++;
        }
        // Any copy of a string serves: the newest is also the one that its successor is written right behind.
        starts[code] = start;
        lengths[code] = length;
        return code;
    }

    private static int ReadCode(ReadOnlySpan<byte> source, long bit, int width)
    {
        int at = (int)(bit >> 3), value = 0;
        for (int i = 0; i < 3; i++) value = (value << 8) | (at + i < source.Length ? source[at + i] : 0);
        return (value >> (24 - width - (int)(bit & 7))) & ((1 << width) - 1);
    }
}
