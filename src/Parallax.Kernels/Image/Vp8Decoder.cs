namespace Parallax.Kernels.Image;

/// <summary>Decodes a key frame of VP8 (RFC 6386) to three planes, bit for bit as the standard has it.</summary>
internal sealed class Vp8Decoder
{
    private const int Segments = 4;

    /// <summary>What a macroblock leaves for the one below and the one to the right: its modes, and which of its blocks had coefficients.</summary>
    private struct Neighbour
    {
        public Modes4 Modes;
        public Flags9 HasCoefficients; // four of luma, two of each chroma plane, one of the second-order block
    }

    [System.Runtime.CompilerServices.InlineArray(4)]
    private struct Modes4
    {
        private Vp8Mode first;
    }

    [System.Runtime.CompilerServices.InlineArray(9)]
    private struct Flags9
    {
        private byte first;
    }

    private readonly Vp8Bits header;
    private readonly Vp8Bits[] partitions;
    private readonly int unitsWide, unitsHigh;
    private readonly byte[] tokens = Vp8Tables.TokenDefaults.ToArray();
    private readonly byte[] segmentTree = [255, 255, 255];
    private readonly int[] segmentQuantizer = new int[Segments], segmentFilter = new int[Segments];
    private readonly int[][] steps = new int[Segments][]; // luma, second order, chroma: first coefficient and others
    private readonly Neighbour[] above;
    private readonly Vp8Mode[] modes = new Vp8Mode[16];
    private readonly short[] coefficients = new short[400];
    private readonly Vp8LoopFilter filter;
    private readonly bool hasSkips;
    private readonly int skipProbability;
    private bool hasSegments, hasSegmentMap, segmentsAreDeltas;
    private int segment;

    private Vp8Decoder(ReadOnlyMemory<byte> data, int width, int height, int firstPartitionBytes)
    {
        (unitsWide, unitsHigh) = ((width + 15) / 16, (height + 15) / 16);
        above = new Neighbour[unitsWide];
        header = new Vp8Bits(data[..firstPartitionBytes]);
        header.Number(2); // colour space, and whether clamping may be left out
        ReadSegments();
        filter = ReadFilter();
        partitions = SplitPartitions(data[firstPartitionBytes..], 1 << header.Number(2));
        ReadQuantizers();
        header.Flag(); // refreshes the probabilities: of no meaning for one frame
        for (int i = 0; i < tokens.Length; i++)
            if (header.Bit(Vp8Tables.TokenUpdates[i]) != 0) tokens[i] = (byte)header.Number(8);
        hasSkips = header.Flag();
        if (hasSkips) skipProbability = header.Number(8);
        Luma = new Vp8Plane(unitsWide * 16, unitsHigh * 16);
        BlueChroma = new Vp8Plane(unitsWide * 8, unitsHigh * 8);
        RedChroma = new Vp8Plane(unitsWide * 8, unitsHigh * 8);
    }

    public Vp8Plane Luma { get; }

    public Vp8Plane BlueChroma { get; }

    public Vp8Plane RedChroma { get; }

    /// <param name="chunk">The frame: 10 bytes of header, then the partitions.</param>
    public static (Vp8Decoder Frame, int Width, int Height) Decode(ReadOnlyMemory<byte> chunk)
    {
        var cursor = new ByteCursor("WebP", chunk.Span);
        int tag = cursor.U8() | (cursor.U8() << 8) | (cursor.U8() << 16);
        bool isSound = cursor.U8() == 0x9D && cursor.U8() == 0x01 && cursor.U8() == 0x2A;
        int width = cursor.U16LittleEndian() & 0x3FFF, height = cursor.U16LittleEndian() & 0x3FFF, firstPartition = tag >> 5;
        if ((tag & 1) != 0 || !isSound) throw cursor.Fail("the VP8 data do not begin with a key frame");
        ImageDecoder.CheckSize("WebP", width, height);
        if (firstPartition > cursor.Remaining) throw cursor.Fail($"the first partition has {firstPartition} bytes, {cursor.Remaining} left");
        // The two decisions that every macroblock has (their probabilities are fixed, near a half) take more than a bit: a header that claims
        // more macroblocks is refused before anything is allocated for them.
        if ((width + 15L) / 16 * ((height + 15) / 16) > 8L * (firstPartition + 2)) throw cursor.Fail($"{firstPartition} bytes cannot hold {width}x{height} pixels");
        var frame = new Vp8Decoder(chunk[cursor.Position..], width, height, firstPartition);
        frame.DecodeUnits();
        return (frame, width, height);
    }

    private void ReadSegments()
    {
        hasSegments = header.Flag();
        if (!hasSegments) return;
        hasSegmentMap = header.Flag();
        if (header.Flag())
        {
            segmentsAreDeltas = !header.Flag();
            for (int i = 0; i < Segments; i++) segmentQuantizer[i] = header.OptionalSigned(7);
            for (int i = 0; i < Segments; i++) segmentFilter[i] = header.OptionalSigned(6);
        }
        if (hasSegmentMap)
            for (int i = 0; i < 3; i++)
                if (header.Flag()) segmentTree[i] = (byte)header.Number(8);
    }

    private Vp8LoopFilter ReadFilter()
    {
        bool isSimple = header.Flag();
        int level = header.Number(6), sharpness = header.Number(3), frameDelta = 0, subblockDelta = 0;
        bool hasDeltas = header.Flag();
        if (hasDeltas && header.Flag())
            for (int i = 0; i < 8; i++)
            {
                int delta = header.OptionalSigned(6);
                if (i == 0) frameDelta = delta; // of key frames; the others are of references that a key frame has not
                if (i == 4) subblockDelta = delta; // of macroblocks predicted in 4x4 blocks
            }
        var levels = new int[Segments];
        for (int i = 0; i < Segments; i++)
            levels[i] = !hasSegments ? level : segmentFilter[i] + (segmentsAreDeltas ? level : 0);
        return new Vp8LoopFilter(isSimple, sharpness, level == 0 ? null : levels, frameDelta, subblockDelta, unitsWide * unitsHigh);
    }

    private static Vp8Bits[] SplitPartitions(ReadOnlyMemory<byte> data, int count)
    {
        var cursor = new ByteCursor("WebP", data.Span);
        var partitions = new Vp8Bits[count];
        ReadOnlySpan<byte> sizes = cursor.Take(3 * (count - 1));
        for (int i = 0; i < count; i++)
        {
            int size = i == count - 1 ? cursor.Remaining : sizes[3 * i] | (sizes[3 * i + 1] << 8) | (sizes[3 * i + 2] << 16);
            int start = cursor.Position;
            cursor.Take(size);
            partitions[i] = new Vp8Bits(data.Slice(start, size));
        }
        return partitions;
    }

    private void ReadQuantizers()
    {
        int index = header.Number(7);
        var deltas = new int[5]; // luma first; second order first, others; chroma first, others
        for (int i = 0; i < 5; i++) deltas[i] = header.OptionalSigned(4);
        for (int s = 0; s < Segments; s++)
        {
            int q = !hasSegments ? index : segmentQuantizer[s] + (segmentsAreDeltas ? index : 0);
            int Dc(int delta, int largest = 127) => Vp8Tables.DcSteps[Math.Clamp(q + delta, 0, largest)];
            int Ac(int delta) => Vp8Tables.AcSteps[Math.Clamp(q + delta, 0, 127)];
            // The first chroma step is at most 132, which is entry 117.
            steps[s] = [Dc(deltas[0]), Ac(0), 2 * Dc(deltas[1]), Math.Max(8, Ac(deltas[2]) * 155 / 100), Dc(deltas[3], 117), Ac(deltas[4])];
        }
    }

    private void DecodeUnits()
    {
        for (int y = 0; y < unitsHigh; y++)
        {
            Neighbour left = default;
            Vp8Bits partition = partitions[y % partitions.Length];
            for (int x = 0; x < unitsWide; x++) DecodeUnit(partition, x, y, ref left);
            if (header.IsOverrun || partition.IsOverrun) throw new InvalidInputException($"WebP image: the data end in row {y * 16}");
        }
        filter.Apply(this, unitsWide, unitsHigh);
    }

    private void DecodeUnit(Vp8Bits partition, int x, int y, ref Neighbour left)
    {
        if (hasSegmentMap) segment = header.Bit(segmentTree[0]) == 0 ? header.Bit(segmentTree[1]) : 2 + header.Bit(segmentTree[2]);
        bool isSkipped = hasSkips && header.Bit(skipProbability) != 0;
        bool isWhole = header.Bit(145) != 0;
        Vp8Mode lumaMode = Vp8Mode.Dc;
        if (isWhole) lumaMode = ReadLumaMode(ref above[x], ref left);
        else ReadSubblockModes(ref above[x], ref left);
        Vp8Mode chromaMode = header.Bit(142) == 0 ? Vp8Mode.Dc : header.Bit(114) == 0 ? Vp8Mode.Vertical : header.Bit(183) == 0 ? Vp8Mode.Horizontal : Vp8Mode.TrueMotion;

        Array.Clear(coefficients);
        bool hasAny = false;
        if (!isSkipped) hasAny = ReadCoefficients(partition, isWhole, ref above[x], ref left);
        else
        {
            // A skipped macroblock without second-order block leaves that block's flag as it was.
            for (int i = 0; i < (isWhole ? 9 : 8); i++) above[x].HasCoefficients[i] = left.HasCoefficients[i] = 0;
        }
        PredictLuma(isWhole, lumaMode, x, y);
        Reconstruct(BlueChroma, chromaMode, x, y, 256);
        Reconstruct(RedChroma, chromaMode, x, y, 320);
        filter.Note(y * unitsWide + x, segment, isWhole, hasAny);
    }

    private Vp8Mode ReadLumaMode(ref Neighbour up, ref Neighbour left)
    {
        Vp8Mode mode = header.Bit(156) == 0
            ? header.Bit(163) == 0 ? Vp8Mode.Dc : Vp8Mode.Vertical
            : header.Bit(128) == 0 ? Vp8Mode.Horizontal : Vp8Mode.TrueMotion;
        for (int i = 0; i < 4; i++) up.Modes[i] = left.Modes[i] = mode;
        return mode;
    }

    private void ReadSubblockModes(ref Neighbour up, ref Neighbour left)
    {
        for (int row = 0; row < 4; row++)
            for (int column = 0; column < 4; column++)
            {
                ReadOnlySpan<byte> p = Vp8Tables.SubblockModes.Slice(((int)up.Modes[column] * 10 + (int)left.Modes[row]) * 9, 9);
                modes[row * 4 + column] = up.Modes[column] = left.Modes[row] = ReadSubblockMode(p);
            }
    }

    private Vp8Mode ReadSubblockMode(ReadOnlySpan<byte> p)
    {
        if (header.Bit(p[0]) == 0) return Vp8Mode.Dc;
        if (header.Bit(p[1]) == 0) return Vp8Mode.TrueMotion;
        if (header.Bit(p[2]) == 0) return Vp8Mode.Vertical;
        if (header.Bit(p[3]) == 0)
            return header.Bit(p[4]) == 0 ? Vp8Mode.Horizontal : header.Bit(p[5]) == 0 ? Vp8Mode.RightDown : Vp8Mode.VerticalRight;
        if (header.Bit(p[6]) == 0) return Vp8Mode.LeftDown;
        if (header.Bit(p[7]) == 0) return Vp8Mode.VerticalLeft;
        return header.Bit(p[8]) == 0 ? Vp8Mode.HorizontalDown : Vp8Mode.HorizontalUp;
    }

    /// <summary>Reads and dequantizes all blocks of a macroblock; returns whether any coefficient is not zero.</summary>
    private bool ReadCoefficients(Vp8Bits partition, bool isWhole, ref Neighbour up, ref Neighbour left)
    {
        int[] step = steps[segment];
        int plane = 3, first = 0;
        if (isWhole)
        {
            Span<short> secondOrder = stackalloc short[16];
            secondOrder.Clear();
            int end = ReadBlock(partition, 1, up.HasCoefficients[8] + left.HasCoefficients[8], 0, secondOrder, step[2], step[3]);
            up.HasCoefficients[8] = left.HasCoefficients[8] = (byte)(end > 0 ? 1 : 0);
            Vp8Transform.InverseSecondOrder(secondOrder, coefficients);
            (plane, first) = (0, 1);
        }
        for (int row = 0; row < 4; row++)
            for (int column = 0; column < 4; column++)
                ReadPart(partition, plane, ref up.HasCoefficients[column], ref left.HasCoefficients[row], first, (row * 4 + column) * 16, step[0], step[1]);
        for (int flags = 4; flags < 8; flags += 2)
            for (int row = 0; row < 2; row++)
                for (int column = 0; column < 2; column++)
                    ReadPart(partition, 2, ref up.HasCoefficients[flags + column], ref left.HasCoefficients[flags + row], 0, 256 + (flags - 4) * 32 + (row * 2 + column) * 16, step[4], step[5]);
        return coefficients.AsSpan().ContainsAnyExcept((short)0);
    }

    private void ReadPart(Vp8Bits partition, int plane, ref byte up, ref byte left, int first, int offset, int dcStep, int acStep)
    {
        int end = ReadBlock(partition, plane, up + left, first, coefficients.AsSpan(offset, 16), dcStep, acStep);
        up = left = (byte)(end > first ? 1 : 0);
    }

    /// <summary>Reads the tokens of one block (RFC 6386, section 13); returns the place behind its last coefficient.</summary>
    private int ReadBlock(Vp8Bits partition, int plane, int context, int first, Span<short> block, int dcStep, int acStep)
    {
        int n = first;
        ReadOnlySpan<byte> p = Tokens(plane, n, context);
        while (n < 16)
        {
            if (partition.Bit(p[0]) == 0) return n;
            while (partition.Bit(p[1]) == 0)
            {
                if (++n == 16) return 16;
                p = Tokens(plane, n, 0);
            }
            int value = partition.Bit(p[2]) == 0 ? 1 : ReadLargeValue(partition, p);
            p = Tokens(plane, n + 1, value == 1 ? 1 : 2);
            block[Vp8Tables.ZigZag[n]] = (short)((partition.Flag() ? -value : value) * (n > 0 ? acStep : dcStep));
            n++;
        }
        return 16;
    }

    private ReadOnlySpan<byte> Tokens(int plane, int n, int context) => tokens.AsSpan(((plane * 8 + Vp8Tables.Bands[n]) * 3 + context) * 11, 11);

    private static int ReadLargeValue(Vp8Bits partition, ReadOnlySpan<byte> p)
    {
        if (partition.Bit(p[3]) == 0) return partition.Bit(p[4]) == 0 ? 2 : 3 + partition.Bit(p[5]);
        if (partition.Bit(p[6]) == 0)
        {
            if (partition.Bit(p[7]) == 0) return 5 + partition.Bit(159);
            int upper = partition.Bit(165);
            return 7 + 2 * upper + partition.Bit(145);
        }
        int half = partition.Bit(p[8]), category = 2 * half + partition.Bit(p[9 + half]), extra = 0;
        foreach (byte probability in Vp8Tables.ExtraBits(category)) extra = 2 * extra + partition.Bit(probability);
        return 3 + (8 << category) + extra;
    }

    private void PredictLuma(bool isWhole, Vp8Mode mode, int x, int y)
    {
        if (isWhole)
        {
            Reconstruct(Luma, mode, x, y, 0);
            return;
        }
        // All rows of blocks take the samples beyond the right edge from above the macroblock: below that they are not decoded yet.
        Span<byte> corner = stackalloc byte[4];
        int behind = Luma.At(16 * x + 16, 16 * y - 1);
        if (x + 1 < unitsWide || y == 0) Luma.Samples.AsSpan(behind, 4).CopyTo(corner);
        else corner.Fill(Luma.Samples[behind - 1]);
        for (int block = 0; block < 16; block++)
        {
            int left = 16 * x + block % 4 * 4, top = 16 * y + block / 4 * 4;
            ReadOnlySpan<byte> beyond = block % 4 == 3 ? corner : Luma.Samples.AsSpan(Luma.At(left + 4, top - 1), 4);
            Luma.PredictSubblock(modes[block], left, top, beyond);
            Vp8Transform.AddInverse(coefficients.AsSpan(block * 16, 16), Luma.Samples.AsSpan(Luma.At(left, top)), Luma.Stride);
        }
    }

    private void Reconstruct(Vp8Plane plane, Vp8Mode mode, int x, int y, int offset)
    {
        int size = plane == Luma ? 16 : 8, across = size / 4;
        plane.PredictSquare(mode, x * size, y * size, size);
        for (int block = 0; block < across * across; block++)
        {
            int origin = plane.At(x * size + block % across * 4, y * size + block / across * 4);
            Vp8Transform.AddInverse(coefficients.AsSpan(offset + block * 16, 16), plane.Samples.AsSpan(origin), plane.Stride);
        }
    }
}

/// <summary>The inverse transforms of VP8 (RFC 6386, section 14).</summary>
internal static class Vp8Transform
{
    /// <summary>The inverse Walsh-Hadamard transform of the first coefficients of 16 blocks, written to where they belong.</summary>
    public static void InverseSecondOrder(ReadOnlySpan<short> source, Span<short> blocks)
    {
        Span<int> work = stackalloc int[16];
        for (int i = 0; i < 4; i++)
        {
            int a = source[i] + source[12 + i], b = source[4 + i] + source[8 + i], c = source[4 + i] - source[8 + i], d = source[i] - source[12 + i];
            (work[i], work[4 + i], work[8 + i], work[12 + i]) = (a + b, d + c, a - b, d - c);
        }
        for (int i = 0; i < 4; i++)
        {
            Span<int> row = work.Slice(4 * i, 4);
            int a = row[0] + 3 + row[3], b = row[1] + row[2], c = row[1] - row[2], d = row[0] + 3 - row[3];
            Span<short> target = blocks[(64 * i)..];
            (target[0], target[16], target[32], target[48]) = ((short)((a + b) >> 3), (short)((d + c) >> 3), (short)((a - b) >> 3), (short)((d - c) >> 3));
        }
    }

    /// <summary>Adds the inverse cosine transform of one block to 4x4 samples.</summary>
    public static void AddInverse(ReadOnlySpan<short> block, Span<byte> target, int stride)
    {
        if (!block.ContainsAnyExcept((short)0)) return;
        Span<int> work = stackalloc int[16];
        for (int i = 0; i < 4; i++)
        {
            int sum = block[i] + block[8 + i], difference = block[i] - block[8 + i];
            int c = Sine(block[4 + i]) - Cosine(block[12 + i]), d = Cosine(block[4 + i]) + Sine(block[12 + i]);
            (work[i], work[4 + i], work[8 + i], work[12 + i]) = (sum + d, difference + c, difference - c, sum - d);
        }
        for (int row = 0; row < 4; row++)
        {
            Span<int> w = work.Slice(4 * row, 4);
            int sum = w[0] + 4 + w[2], difference = w[0] + 4 - w[2], c = Sine(w[1]) - Cosine(w[3]), d = Cosine(w[1]) + Sine(w[3]);
            Span<byte> samples = target.Slice(row * stride, 4);
            samples[0] = Clamp(samples[0] + ((sum + d) >> 3));
            samples[1] = Clamp(samples[1] + ((difference + c) >> 3));
            samples[2] = Clamp(samples[2] + ((difference - c) >> 3));
            samples[3] = Clamp(samples[3] + ((sum - d) >> 3));
        }
    }

    /// <summary>sqrt(2) cos(pi/8), in 16 bits of fraction.</summary>
    private static int Cosine(int value) => value + ((value * 20091) >> 16);

    /// <summary>sqrt(2) sin(pi/8), in 16 bits of fraction.</summary>
    private static int Sine(int value) => (value * 35468) >> 16;

    private static byte Clamp(int value) => (byte)Math.Clamp(value, 0, 255);
}
