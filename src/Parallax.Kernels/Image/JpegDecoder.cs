namespace Parallax.Kernels.Image;

/// <summary>One colour component of a JPEG frame.</summary>
internal sealed class JpegComponent
{
    public int Id, HorizontalFactor, VerticalFactor, QuantizerIndex;

    /// <summary>The quantizer as it stood when the component's first scan began; null before.</summary>
    public ushort[]? Quantizer;

    /// <summary>Samples that the picture really has.</summary>
    public int Width, Height;

    /// <summary>Blocks that the picture really has: what a scan of this component alone holds.</summary>
    public int BlocksWide, BlocksHigh;

    /// <summary>Samples of a row of <see cref="Plane"/>, whole interleaved units.</summary>
    public int Stride;

    /// <summary>Decoded samples, whole interleaved units.</summary>
    public byte[] Plane = [];

    /// <summary>Coefficients in natural order, 64 a block, whole interleaved units; only in progressive frames.</summary>
    public short[] Coefficients = [];

    public JpegHuffmanTable? DcTable, AcTable;

    public int LastDc;
}

/// <summary>What the headers of a JPEG file say.</summary>
internal sealed class JpegFrame
{
    public int Width, Height, MaxHorizontal, MaxVertical, UnitsWide, UnitsHigh;

    public bool IsProgressive;

    public JpegComponent[] Components = [];
}

/// <summary>
/// JPEG (ITU-T T.81): baseline, extended and progressive Huffman frames of 8 bits. Bit for bit what libjpeg-turbo gives with its
/// default settings: its accurate integer inverse transform, its triangular chroma upsampling, its fixed-point colour conversion.
/// CMYK pictures become RGB.
/// </summary>
internal static class JpegDecoder
{
    // Real encoders make about ten scans; each scan costs a pass over the picture, so a hostile file must not have as many as it likes.
    private const int MaxScans = 500;

    private sealed class State
    {
        public readonly ushort[]?[] Quantizers = new ushort[4][];
        public readonly JpegHuffmanTable?[] DcTables = new JpegHuffmanTable?[4], AcTables = new JpegHuffmanTable?[4];
        public JpegFrame? Frame;
        public int RestartInterval, Scans, AdobeTransform = -1;
        public bool HasJfif;
    }

    internal static DecodedImage Decode(ReadOnlySpan<byte> file)
    {
        var cursor = new ByteCursor("JPEG", file) { Position = 2 };
        var state = new State();
        while (true)
        {
            int marker = NextMarker(ref cursor);
            if (marker == 0xD9) break;
            if (marker is 0x01 or (>= 0xD0 and <= 0xD8)) continue; // no body
            int length = cursor.U16BigEndian();
            if (length < 2) throw cursor.Fail($"a segment of {length} bytes");
            int start = cursor.Position;
            var segment = new ByteCursor("JPEG", file[..Math.Min(file.Length, start + length - 2)]) { Position = start };
            cursor.Take(length - 2);
            ReadSegment(marker, ref segment, state);
            if (marker == 0xDA) cursor.Position = ReadScan(file, ref segment, state);
        }
        if (state.Frame is null || state.Scans == 0) throw cursor.Fail("the file ends before any picture");
        return Finish(state.Frame, state, cursor);
    }

    private static int NextMarker(ref ByteCursor cursor)
    {
        while (true)
        {
            while (cursor.U8() != 0xFF) { }
            int code = cursor.U8();
            while (code == 0xFF) code = cursor.U8();
            if (code != 0) return code;
        }
    }

    private static void ReadSegment(int marker, ref ByteCursor segment, State state)
    {
        switch (marker)
        {
            case 0xC0 or 0xC1 or 0xC2:
                if (state.Frame is not null) throw segment.Fail("a second frame header");
                state.Frame = ReadFrame(ref segment, marker == 0xC2);
                break;
            case 0xC4:
                ReadHuffmanTables(ref segment, state);
                break;
            case 0xC3 or (>= 0xC5 and <= 0xCF):
                throw segment.Fail($"frames of kind 0x{marker:x2} (lossless, hierarchical or arithmetic) are not supported");
            case 0xDB:
                ReadQuantizers(ref segment, state);
                break;
            case 0xDD:
                state.RestartInterval = segment.U16BigEndian();
                break;
            case 0xE0:
                state.HasJfif |= segment.Remaining >= 5 && segment.Take(5).SequenceEqual("JFIF\0"u8);
                break;
            case 0xEE:
                if (segment.Remaining >= 12 && segment.Take(5).SequenceEqual("Adobe"u8)) state.AdobeTransform = segment.Take(7)[6];
                break;
        }
    }

    private static JpegFrame ReadFrame(ref ByteCursor segment, bool isProgressive)
    {
        int precision = segment.U8(), height = segment.U16BigEndian(), width = segment.U16BigEndian(), count = segment.U8();
        if (precision != 8) throw segment.Fail($"{precision} bits a sample are not supported, only 8");
        ImageDecoder.CheckSize("JPEG", width, height);
        if (count is not (1 or 3 or 4)) throw segment.Fail($"{count} colour components, expected 1, 3 or 4");
        var frame = new JpegFrame { Width = width, Height = height, IsProgressive = isProgressive, Components = new JpegComponent[count] };
        for (int i = 0; i < count; i++)
        {
            int id = segment.U8(), factors = segment.U8(), quantizer = segment.U8();
            var component = new JpegComponent { Id = id, HorizontalFactor = factors >> 4, VerticalFactor = factors & 15, QuantizerIndex = quantizer };
            if (component.HorizontalFactor is < 1 or > 4 || component.VerticalFactor is < 1 or > 4 || quantizer > 3)
                throw segment.Fail($"component {id} has sampling factors 0x{factors:x2} and quantizer {quantizer}");
            frame.Components[i] = component;
        }
        Measure(frame, segment);
        return frame;
    }

    private static void Measure(JpegFrame frame, ByteCursor segment)
    {
        foreach (JpegComponent component in frame.Components)
        {
            frame.MaxHorizontal = Math.Max(frame.MaxHorizontal, component.HorizontalFactor);
            frame.MaxVertical = Math.Max(frame.MaxVertical, component.VerticalFactor);
        }
        frame.UnitsWide = DivideUp(frame.Width, 8 * frame.MaxHorizontal);
        frame.UnitsHigh = DivideUp(frame.Height, 8 * frame.MaxVertical);
        foreach (JpegComponent component in frame.Components)
        {
            if (frame.MaxHorizontal % component.HorizontalFactor != 0 || frame.MaxVertical % component.VerticalFactor != 0)
                throw segment.Fail("fractional sampling factors are not supported");
            component.Width = DivideUp(frame.Width * component.HorizontalFactor, frame.MaxHorizontal);
            component.Height = DivideUp(frame.Height * component.VerticalFactor, frame.MaxVertical);
            component.BlocksWide = DivideUp(component.Width, 8);
            component.BlocksHigh = DivideUp(component.Height, 8);
            component.Stride = frame.UnitsWide * component.HorizontalFactor * 8;
        }
    }

    private static int DivideUp(int a, int b) => (a + b - 1) / b;

    private static void ReadHuffmanTables(ref ByteCursor segment, State state)
    {
        while (segment.Remaining > 0)
        {
            int target = segment.U8();
            if ((target & 0xEC) != 0) throw segment.Fail($"Huffman table 0x{target:x2}");
            ReadOnlySpan<byte> counts = segment.Take(16);
            int total = 0;
            foreach (byte count in counts) total += count;
            if (total > 256) throw segment.Fail($"a Huffman table of {total} codes");
            JpegHuffmanTable table = JpegHuffmanTable.Create(counts, segment.Take(total)) ?? throw segment.Fail("a Huffman table has more codes than fit");
            (target < 16 ? state.DcTables : state.AcTables)[target & 3] = table;
        }
    }

    private static void ReadQuantizers(ref ByteCursor segment, State state)
    {
        while (segment.Remaining > 0)
        {
            int target = segment.U8();
            if ((target & 15) > 3 || target >> 4 > 1) throw segment.Fail($"quantizer 0x{target:x2}");
            var quantizer = new ushort[64];
            for (int i = 0; i < 64; i++) quantizer[JpegScan.NaturalOrder[i]] = target >> 4 == 0 ? segment.U8() : segment.U16BigEndian();
            state.Quantizers[target & 15] = quantizer;
        }
    }

    /// <summary>Decodes the scan whose header is <paramref name="segment"/>; returns the position after its data.</summary>
    private static int ReadScan(ReadOnlySpan<byte> file, ref ByteCursor segment, State state)
    {
        JpegFrame frame = state.Frame ?? throw segment.Fail("a scan before the frame header");
        if (++state.Scans > MaxScans) throw segment.Fail($"more than {MaxScans} scans");
        if (state.Scans == 1) Allocate(frame, file.Length - segment.Position, segment);
        int count = segment.U8();
        if (count < 1 || count > frame.Components.Length) throw segment.Fail($"a scan of {count} components");
        var components = new JpegComponent[count];
        for (int i = 0; i < count; i++)
        {
            int id = segment.U8(), tables = segment.U8();
            JpegComponent component = Array.Find(frame.Components, c => c.Id == id) ?? throw segment.Fail($"a scan of component {id}, which the frame lacks");
            if (Array.IndexOf(components, component) >= 0) throw segment.Fail($"component {id} is twice in a scan");
            component.DcTable = state.DcTables[(tables >> 4) & 3];
            component.AcTable = state.AcTables[tables & 3];
            component.Quantizer ??= state.Quantizers[component.QuantizerIndex] ?? throw segment.Fail($"quantizer {component.QuantizerIndex} is missing");
            components[i] = component;
        }
        int first = segment.U8(), last = segment.U8(), approximation = segment.U8();
        var scan = new JpegScan(frame, components, state.RestartInterval, frame.IsProgressive ? (first, last, approximation >> 4, approximation & 15) : (0, 63, 0, 0));
        return scan.Decode(file, segment.Position);
    }

    private static void Allocate(JpegFrame frame, int bytesLeft, ByteCursor segment)
    {
        // Every block takes a bit or more, so a header that claims more blocks is refused before anything is allocated for it.
        long blocks = 0;
        foreach (JpegComponent component in frame.Components) blocks += (long)component.BlocksWide * component.BlocksHigh;
        if (blocks > bytesLeft * 8L) throw segment.Fail($"{bytesLeft} bytes cannot hold {frame.Width}x{frame.Height} pixels");
        foreach (JpegComponent component in frame.Components)
        {
            int samples = checked(component.Stride * frame.UnitsHigh * component.VerticalFactor * 8);
            component.Plane = new byte[samples];
            if (frame.IsProgressive) component.Coefficients = new short[samples];
        }
    }

    private static DecodedImage Finish(JpegFrame frame, State state, ByteCursor cursor)
    {
        foreach (JpegComponent component in frame.Components)
        {
            if (component.Quantizer is null) throw cursor.Fail($"component {component.Id} has no scan");
            if (!frame.IsProgressive) continue;
            int blocksAcross = component.Stride / 8;
            for (int block = 0; block * 64 < component.Coefficients.Length; block++)
            {
                int offset = (block / blocksAcross * component.Stride + block % blocksAcross) * 8;
                JpegTransform.Inverse(component.Coefficients.AsSpan(block * 64, 64), component.Quantizer, component.Plane.AsSpan(offset), component.Stride);
            }
        }
        return JpegColour.Assemble(frame, ColourSpace(frame, state));
    }

    /// <summary>The colour space by libjpeg's rules: JFIF, then Adobe's marker, then the component ids.</summary>
    private static JpegColourSpace ColourSpace(JpegFrame frame, State state)
    {
        if (frame.Components.Length == 1) return JpegColourSpace.Grayscale;
        if (frame.Components.Length == 4) return state.AdobeTransform == 2 ? JpegColourSpace.Ycck : JpegColourSpace.Cmyk;
        if (state.HasJfif) return JpegColourSpace.YCbCr;
        if (state.AdobeTransform >= 0) return state.AdobeTransform == 0 ? JpegColourSpace.Rgb : JpegColourSpace.YCbCr;
        bool isNamedRgb = frame.Components[0].Id == 'R' && frame.Components[1].Id == 'G' && frame.Components[2].Id == 'B';
        return isNamedRgb ? JpegColourSpace.Rgb : JpegColourSpace.YCbCr;
    }
}
