namespace Parallax.Kernels.Image;

/// <summary>How the coefficients of a tile's component are coded (markers COD, COC, QCD, QCC).</summary>
internal sealed record Jpeg2000Coding
{
    public int Levels, BlockWidthBits, BlockHeightBits, BlockStyle, GuardBits;

    /// <summary>The 5/3 wavelet on integers, instead of the 9/7 on reals.</summary>
    public bool IsReversible;

    /// <summary>By resolution: exponents of the precincts' width and height.</summary>
    public (int X, int Y)[] Precincts = [];

    /// <summary>By subband: exponent and 11-bit mantissa of the quantizer's step. One entry where the others follow from it.</summary>
    public (int Exponent, int Mantissa)[] Steps = [];

    public bool StepsAreDerived;
}

/// <summary>What is common to the tiles of a JPEG 2000 codestream.</summary>
internal sealed class Jpeg2000Header
{
    public int Width, Height, Left, Top, TileWidth, TileHeight, TileLeft, TileTop, Progression, Layers;

    public bool HasColourTransform, HasPacketStarts, HasHeaderEnds;

    public (int Bits, bool IsSigned, int StepX, int StepY)[] Components = [];

    public Jpeg2000Coding[] Coding = [];

    public int TilesAcross => (Left + Width - TileLeft + TileWidth - 1) / TileWidth;

    public int TilesDown => (Top + Height - TileTop + TileHeight - 1) / TileHeight;
}

/// <summary>
/// JPEG 2000 (ITU-T T.800), as a codestream or in a JP2 file: both wavelets, any tiles, layers, progressions and precincts, up to 16
/// bits a sample. Reversibly coded pictures come back exactly. Refused: palettes, regions of interest, changes of progression, headers in
/// places of their own, and code blocks with raw or separately ended passes.
/// </summary>
internal static class Jpeg2000Decoder
{
    internal static ReadOnlySpan<byte> FileSignature => [0, 0, 0, 12, (byte)'j', (byte)'P', (byte)' ', (byte)' '];

    internal static ReadOnlySpan<byte> StreamSignature => [0xFF, 0x4F, 0xFF, 0x51];

    internal static DecodedImage Decode(ReadOnlySpan<byte> file)
    {
        var cursor = new ByteCursor("JPEG 2000", file);
        if (!file.StartsWith(StreamSignature)) FindCodestream(ref cursor);
        int start = cursor.Position;
        if (!file[start..].StartsWith(StreamSignature)) throw cursor.Fail("no codestream is here");
        cursor.Take(2);
        var header = new Jpeg2000Header();
        var tiles = new SortedDictionary<int, MemoryStream>();
        bool hasCoding = false, hasSteps = false;
        while (cursor.Remaining >= 2)
        {
            int marker = cursor.U16BigEndian();
            if (marker == 0xFFD9) break;
            if (marker == 0xFF90)
            {
                ReadTilePart(ref cursor, header, tiles);
                continue;
            }
            int length = cursor.U16BigEndian();
            var segment = new ByteCursor("JPEG 2000", cursor.Take(length - 2));
            hasCoding |= marker == 0xFF52;
            hasSteps |= marker == 0xFF5C;
            ReadMainMarker(marker, ref segment, header, file.Length);
        }
        if (header.Coding.Length == 0 || !hasCoding || !hasSteps || tiles.Count == 0) throw cursor.Fail("a part of the header, or every tile, is missing");
        return Assemble(header, tiles);
    }

    /// <summary>Goes into the box that holds the codestream.</summary>
    private static void FindCodestream(ref ByteCursor cursor)
    {
        while (true)
        {
            long start = cursor.Position, length = cursor.U32BigEndian();
            uint type = cursor.U32BigEndian();
            if (type == Type("jp2c"u8)) return;
            if (type == Type("jp2h"u8))
            {
                CheckColours(new ByteCursor("JPEG 2000", cursor.Data[..(int)Math.Min(cursor.Data.Length, start + length)]) { Position = cursor.Position });
            }
            if (length < 8) throw cursor.Fail($"a box of {length} bytes");
            cursor.Seek(start + length);
        }
    }

    private static uint Type(ReadOnlySpan<byte> name) => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(name);

    private static void CheckColours(ByteCursor cursor)
    {
        while (cursor.Remaining >= 8)
        {
            long start = cursor.Position, length = cursor.U32BigEndian();
            uint type = cursor.U32BigEndian();
            if (type == Type("pclr"u8)) throw cursor.Fail("palettes are not supported");
            if (type == Type("colr"u8) && cursor.U8() == 1)
            {
                cursor.Take(2);
                uint space = cursor.U32BigEndian();
                if (space is not (16 or 17)) throw cursor.Fail($"colour space {space} is not supported, only sRGB (16) and grey (17)");
            }
            if (length < 8) throw cursor.Fail($"a box of {length} bytes");
            cursor.Seek(start + length);
        }
    }

    private static void ReadMainMarker(int marker, ref ByteCursor segment, Jpeg2000Header header, int fileBytes)
    {
        if (marker == 0xFF51) ReadSize(ref segment, header, fileBytes);
        else if (header.Coding.Length == 0) throw segment.Fail($"marker 0x{marker:x4} before the size");
        switch (marker)
        {
            case 0xFF52:
                ReadCodingDefault(ref segment, header);
                break;
            case 0xFF53:
                int component = segment.U8();
                int style = segment.U8();
                ReadCoding(ref segment, header.Coding[Component(component, header, segment)], style);
                break;
            case 0xFF5C:
                foreach (Jpeg2000Coding coding in header.Coding)
                {
                    ByteCursor copy = segment;
                    ReadSteps(ref copy, coding);
                }
                break;
            case 0xFF5D:
                int quantized = segment.U8();
                ReadSteps(ref segment, header.Coding[Component(quantized, header, segment)]);
                break;
            case 0xFF5E or 0xFF5F or 0xFF60 or 0xFF61:
                throw segment.Fail($"marker 0x{marker:x4} (region of interest, change of progression or packed headers) is not supported");
        }
    }

    private static int Component(int index, Jpeg2000Header header, ByteCursor segment) =>
        index < header.Coding.Length ? index : throw segment.Fail($"component {index} of {header.Coding.Length}");

    private static void ReadSize(ref ByteCursor segment, Jpeg2000Header header, int fileBytes)
    {
        segment.U16BigEndian(); // capabilities
        long right = segment.U32BigEndian(), bottom = segment.U32BigEndian(), left = segment.U32BigEndian(), top = segment.U32BigEndian();
        long tileWidth = segment.U32BigEndian(), tileHeight = segment.U32BigEndian(), tileLeft = segment.U32BigEndian(), tileTop = segment.U32BigEndian();
        ImageDecoder.CheckSize("JPEG 2000", right - left, bottom - top);
        int count = segment.U16BigEndian();
        bool isSound = right < 1 << 30 && bottom < 1 << 30 && tileLeft <= left && tileTop <= top && tileLeft + tileWidth > left && tileTop + tileHeight > top;
        if (!isSound || count is < 1 or > 4) throw segment.Fail($"a picture of {count} components from {left},{top} to {right},{bottom} with tiles of {tileWidth}x{tileHeight} from {tileLeft},{tileTop}");
        // Plain areas cost next to nothing, so the file's length bounds the size only loosely.
        if ((right - left) * (bottom - top) > (1 << 22) + 20_000L * fileBytes) throw segment.Fail($"{fileBytes} bytes cannot hold {right - left}x{bottom - top} pixels");
        (header.Left, header.Top, header.Width, header.Height) = ((int)left, (int)top, (int)(right - left), (int)(bottom - top));
        (header.TileLeft, header.TileTop) = ((int)tileLeft, (int)tileTop);
        (header.TileWidth, header.TileHeight) = ((int)Math.Min(tileWidth, right - tileLeft), (int)Math.Min(tileHeight, bottom - tileTop));
        header.Components = new (int, bool, int, int)[count];
        header.Coding = new Jpeg2000Coding[count];
        for (int i = 0; i < count; i++)
        {
            int depth = segment.U8(), stepX = segment.U8(), stepY = segment.U8();
            header.Components[i] = ((depth & 127) + 1, depth > 127, stepX, stepY);
            header.Coding[i] = new Jpeg2000Coding();
            if ((depth & 127) > 15 || stepX == 0 || stepY == 0) throw segment.Fail($"component {i} has {(depth & 127) + 1} bits and steps {stepX},{stepY}");
        }
    }

    private static void ReadCodingDefault(ref ByteCursor segment, Jpeg2000Header header)
    {
        int style = segment.U8();
        (header.HasPacketStarts, header.HasHeaderEnds) = ((style & 2) != 0, (style & 4) != 0);
        (header.Progression, header.Layers) = (segment.U8(), segment.U16BigEndian());
        header.HasColourTransform = segment.U8() != 0;
        if (header.Progression > 4 || header.Layers == 0) throw segment.Fail($"progression {header.Progression} with {header.Layers} layers");
        foreach (Jpeg2000Coding coding in header.Coding)
        {
            ByteCursor copy = segment;
            ReadCoding(ref copy, coding, style);
        }
    }

    private static void ReadCoding(ref ByteCursor segment, Jpeg2000Coding coding, int style)
    {
        (coding.Levels, coding.BlockWidthBits, coding.BlockHeightBits) = (segment.U8(), segment.U8() + 2, segment.U8() + 2);
        coding.BlockStyle = segment.U8();
        coding.IsReversible = segment.U8() == 1;
        if (coding.Levels > 32 || coding.BlockWidthBits > 10 || coding.BlockHeightBits > 10 || coding.BlockWidthBits + coding.BlockHeightBits > 12)
            throw segment.Fail($"{coding.Levels} levels with code blocks of 2^{coding.BlockWidthBits} x 2^{coding.BlockHeightBits}");
        if ((coding.BlockStyle & 5) != 0) throw segment.Fail($"code blocks of style 0x{coding.BlockStyle:x2} (raw or separately ended passes) are not supported");
        coding.Precincts = new (int, int)[coding.Levels + 1];
        for (int r = 0; r <= coding.Levels; r++)
        {
            int size = (style & 1) != 0 ? segment.U8() : 0xFF;
            coding.Precincts[r] = (size & 15, size >> 4);
            if (r > 0 && ((size & 15) == 0 || size >> 4 == 0)) throw segment.Fail("a precinct narrower than its subbands' samples");
        }
    }

    private static void ReadSteps(ref ByteCursor segment, Jpeg2000Coding coding)
    {
        int style = segment.U8();
        coding.GuardBits = style >> 5;
        coding.StepsAreDerived = (style & 31) == 1;
        var steps = new List<(int, int)>();
        if ((style & 31) > 2) throw segment.Fail($"quantization of kind {style & 31}");
        while (segment.Remaining >= ((style & 31) == 0 ? 1 : 2))
        {
            int value = (style & 31) == 0 ? segment.U8() << 8 : segment.U16BigEndian();
            steps.Add((value >> 11, value & 0x7FF));
        }
        coding.Steps = [.. steps];
    }

    private static void ReadTilePart(ref ByteCursor cursor, Jpeg2000Header header, SortedDictionary<int, MemoryStream> tiles)
    {
        long start = cursor.Position - 2;
        int length = cursor.U16BigEndian(), index = cursor.U16BigEndian();
        long bytes = cursor.U32BigEndian();
        cursor.Take(2); // which part this is, and of how many
        if (length != 10 || header.Coding.Length == 0 || index >= (long)header.TilesAcross * header.TilesDown) throw cursor.Fail($"the header of tile {index}");
        while (cursor.U16BigEndian() is var marker && marker != 0xFF93)
        {
            if (marker is 0xFF52 or 0xFF53 or 0xFF5C or 0xFF5D or 0xFF5E or 0xFF5F or 0xFF61) throw cursor.Fail($"marker 0x{marker:x4} inside a tile is not supported");
            cursor.Take(cursor.U16BigEndian() - 2);
        }
        long end = bytes == 0 ? cursor.Data.Length - 2 : start + bytes; // without a length it goes up to the end marker
        if (!tiles.TryGetValue(index, out MemoryStream? data)) tiles[index] = data = new MemoryStream();
        data.Write(cursor.Take(end - cursor.Position));
    }

    private static DecodedImage Assemble(Jpeg2000Header header, SortedDictionary<int, MemoryStream> tiles)
    {
        int channels = header.Components.Length;
        var pixels = new byte[checked(header.Width * header.Height * channels)];
        if (tiles.Count < (long)header.TilesAcross * header.TilesDown) throw new InvalidInputException($"JPEG 2000 image: {tiles.Count} tiles of {header.TilesAcross}x{header.TilesDown} are there");
        foreach ((int index, MemoryStream data) in tiles)
        {
            var tile = new Jpeg2000Tile(header, index % header.TilesAcross, index / header.TilesAcross);
            tile.ReadPackets(data.ToArray());
            WriteTile(header, tile, tile.Decode(), pixels);
        }
        return new DecodedImage(header.Width, header.Height, channels, pixels);
    }

    private static void WriteTile(Jpeg2000Header header, Jpeg2000Tile tile, float[][] planes, byte[] pixels)
    {
        int channels = planes.Length;
        for (int c = 0; c < channels; c++)
        {
            (int bits, bool isSigned, int stepX, int stepY) = header.Components[c];
            int levelShift = isSigned ? 0 : 1 << (bits - 1), largest = (1 << bits) - 1, floor = isSigned ? -(1 << (bits - 1)) : 0;
            Jpeg2000Area area = tile.ComponentAreas[c];
            for (int y = tile.Area.Y0; y < tile.Area.Y1; y++)
                for (int x = tile.Area.X0; x < tile.Area.X1; x++)
                {
                    // A component with fewer samples repeats them.
                    int column = Math.Clamp(x / stepX, area.X0, area.X1 - 1) - area.X0, row = Math.Clamp(y / stepY, area.Y0, area.Y1 - 1) - area.Y0;
                    int value = Math.Clamp((int)MathF.Round(planes[c][row * area.Width + column]) + levelShift, floor, floor + largest) - floor;
                    int level = bits == 8 ? value : bits > 8 ? value >> (bits - 8) : value * 255 / largest;
                    pixels[((y - header.Top) * header.Width + x - header.Left) * channels + c] = (byte)level;
                }
        }
    }
}
