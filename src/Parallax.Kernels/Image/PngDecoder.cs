using System.IO.Compression;

namespace Parallax.Kernels.Image;

/// <summary>
/// PNG (ISO/IEC 15948): every colour type, bit depth, Adam7 interlace, palettes and transparency. 16-bit samples keep their upper byte,
/// palettes are expanded, a tRNS chunk becomes an alpha channel. Gamma and colour profiles are ignored; checksums are not verified.
/// </summary>
internal static class PngDecoder
{
    internal static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    private sealed class Header
    {
        public int Width, Height, Depth, ColourType;
        public bool Interlaced;
        public byte[]? Palette, Transparency;

        /// <summary>Samples of a pixel in the file.</summary>
        public int Samples => ColourType switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };

        public int Channels => ColourType switch
        {
            0 => Transparency is null ? 1 : 2,
            2 or 3 => Transparency is null ? 3 : 4,
            _ => Samples,
        };

        public int RowBytes(int width) => (int)(((long)width * Samples * Depth + 7) / 8);
    }

    internal static DecodedImage Decode(ReadOnlySpan<byte> file)
    {
        var cursor = new ByteCursor("PNG", file) { Position = Signature.Length };
        Header? header = null;
        using var compressed = new MemoryStream();
        for (bool ended = false; !ended;)
        {
            uint length = cursor.U32BigEndian();
            uint type = cursor.U32BigEndian();
            ReadOnlySpan<byte> body = cursor.Take(length);
            cursor.Take(4); // the checksum
            if (header is null && type != Tag("IHDR"u8)) throw cursor.Fail("the first chunk is not IHDR");
            if (type == Tag("IHDR"u8)) header = ReadHeader(body, cursor);
            else if (type == Tag("PLTE"u8)) header!.Palette = body.ToArray();
            else if (type == Tag("tRNS"u8) && header!.ColourType <= 3) header.Transparency = body.ToArray();
            else if (type == Tag("IDAT"u8)) compressed.Write(body);
            else ended = type == Tag("IEND"u8);
        }
        CheckChunks(header!, cursor);
        compressed.Position = 0;
        return ReadPixels(header!, compressed, cursor);
    }

    private static uint Tag(ReadOnlySpan<byte> name) => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(name);

    private static Header ReadHeader(ReadOnlySpan<byte> body, ByteCursor file)
    {
        var cursor = new ByteCursor("PNG", body);
        uint width = cursor.U32BigEndian(), height = cursor.U32BigEndian();
        int depth = cursor.U8(), colourType = cursor.U8(), compression = cursor.U8(), filter = cursor.U8(), interlace = cursor.U8();
        ImageDecoder.CheckSize("PNG", width, height);
        bool known = colourType switch
        {
            0 => depth is 1 or 2 or 4 or 8 or 16,
            3 => depth is 1 or 2 or 4 or 8,
            2 or 4 or 6 => depth is 8 or 16,
            _ => false,
        };
        if (!known || compression != 0 || filter != 0 || interlace > 1)
            throw file.Fail($"IHDR says colour type {colourType}, {depth} bits, compression {compression}, filter {filter}, interlace {interlace}");
        return new Header { Width = (int)width, Height = (int)height, Depth = depth, ColourType = colourType, Interlaced = interlace == 1 };
    }

    private static void CheckChunks(Header header, ByteCursor cursor)
    {
        if (header.ColourType == 3 && (header.Palette is null || header.Palette.Length % 3 != 0)) throw cursor.Fail("the PLTE chunk is missing or damaged");
        int expected = header.ColourType switch { 0 => 2, 2 => 6, _ => 0 };
        if (header.Transparency?.Length < expected) throw cursor.Fail("the tRNS chunk is damaged");
    }

    private static DecodedImage ReadPixels(Header header, MemoryStream compressed, ByteCursor cursor)
    {
        // Deflate packs at most 1032 bytes into one: a header that claims more is refused before its pixels are allocated.
        if ((long)header.RowBytes(header.Width) * header.Height / 1100 > compressed.Length)
            throw cursor.Fail($"{compressed.Length} compressed bytes cannot hold {header.Width}x{header.Height} pixels");
        using var inflated = new ZLibStream(compressed, CompressionMode.Decompress);
        var pixels = new byte[checked(header.Width * header.Height * header.Channels)];
        if (header.Interlaced)
            for (int pass = 0; pass < 7; pass++) ReadPass(header, inflated, pixels, Adam7[pass]);
        else
            ReadPass(header, inflated, pixels, (0, 0, 1, 1));
        return new DecodedImage(header.Width, header.Height, header.Channels, pixels);
    }

    private static readonly (int X, int Y, int StepX, int StepY)[] Adam7 =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

    private static void ReadPass(Header header, Stream inflated, byte[] pixels, (int X, int Y, int StepX, int StepY) pass)
    {
        int width = (header.Width - pass.X + pass.StepX - 1) / pass.StepX;
        if (width <= 0) return;
        int bytesPerPixel = Math.Max(1, header.Samples * header.Depth / 8);
        var row = new byte[header.RowBytes(width)];
        var above = new byte[row.Length];
        for (int y = pass.Y; y < header.Height; y += pass.StepY)
        {
            int filter = inflated.ReadByte();
            if (inflated.ReadAtLeast(row, row.Length, throwOnEndOfStream: false) != row.Length)
                throw new InvalidInputException($"PNG image: the compressed data ends in row {y} of {header.Height}");
            Unfilter(filter, row, above, bytesPerPixel, y);
            WriteRow(header, row, pixels.AsSpan(y * header.Width * header.Channels), width, pass.X, pass.StepX);
            (row, above) = (above, row);
        }
    }

    private static void Unfilter(int filter, byte[] row, byte[] above, int bytesPerPixel, int y)
    {
        switch (filter)
        {
            case 0:
                return;
            case 1:
                for (int i = bytesPerPixel; i < row.Length; i++) row[i] += row[i - bytesPerPixel];
                return;
            case 2:
                for (int i = 0; i < row.Length; i++) row[i] += above[i];
                return;
            case 3:
                for (int i = 0; i < row.Length; i++) row[i] += (byte)(((i < bytesPerPixel ? 0 : row[i - bytesPerPixel]) + above[i]) >> 1);
                return;
            case 4:
                for (int i = 0; i < row.Length; i++)
                    row[i] += i < bytesPerPixel ? above[i] : Paeth(row[i - bytesPerPixel], above[i], above[i - bytesPerPixel]);
                return;
            default:
                throw new InvalidInputException($"PNG image: row {y} has filter {filter}, expected 0 to 4");
        }
    }

    private static byte Paeth(int left, int up, int upLeft)
    {
        int toLeft = Math.Abs(up - upLeft), toUp = Math.Abs(left - upLeft), toUpLeft = Math.Abs(left + up - 2 * upLeft);
        return (byte)(toLeft <= toUp && toLeft <= toUpLeft ? left : toUp <= toUpLeft ? up : upLeft);
    }

    private static void WriteRow(Header header, byte[] row, Span<byte> target, int width, int x, int stepX)
    {
        int channels = header.Channels;
        for (int i = 0; i < width; i++)
            WritePixel(header, row, i, target.Slice((x + i * stepX) * channels, channels));
    }

    private static void WritePixel(Header header, byte[] row, int index, Span<byte> target)
    {
        int samples = header.Samples;
        if (header.ColourType == 3)
        {
            int entry = Sample(header, row, index);
            if (entry * 3 + 2 >= header.Palette!.Length) throw new InvalidInputException($"PNG image: palette entry {entry} of {header.Palette.Length / 3}");
            header.Palette.AsSpan(entry * 3, 3).CopyTo(target);
            if (header.Transparency is { } alphas) target[3] = entry < alphas.Length ? alphas[entry] : (byte)255;
            return;
        }
        bool isKey = header.Transparency is not null;
        for (int s = 0; s < samples; s++)
        {
            int value = Sample(header, row, index * samples + s);
            target[s] = (byte)(header.Depth == 16 ? value >> 8 : value * 255 / ((1 << header.Depth) - 1));
            isKey = isKey && value == ((header.Transparency![2 * s] << 8) | header.Transparency[2 * s + 1]);
        }
        if (header.Transparency is not null) target[samples] = isKey ? (byte)0 : (byte)255;
    }

    private static int Sample(Header header, byte[] row, int index)
    {
        if (header.Depth == 8) return row[index];
        if (header.Depth == 16) return (row[2 * index] << 8) | row[2 * index + 1];
        int bit = index * header.Depth;
        return (row[bit >> 3] >> (8 - header.Depth - (bit & 7))) & ((1 << header.Depth) - 1);
    }
}
