namespace Parallax.Kernels.Image;

/// <summary>Decodes the entropy-coded data of one scan: of a sequential frame to samples, of a progressive one to coefficients.</summary>
/// <param name="band">First and last coefficient in zigzag order, and the bit positions of the successive approximation.</param>
internal sealed class JpegScan(JpegFrame frame, JpegComponent[] components, int restartInterval, (int First, int Last, int High, int Low) band)
{
    internal static ReadOnlySpan<byte> NaturalOrder =>
    [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
        35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ];

    private int endOfBandRun;

    /// <summary>Decodes from <paramref name="position"/>; returns where the data ends (at a marker, in a sound file).</summary>
    internal int Decode(ReadOnlySpan<byte> file, int position)
    {
        Check(position);
        var bits = new JpegBits(file, position);
        bool isAlone = components.Length == 1;
        int unitsWide = isAlone ? components[0].BlocksWide : frame.UnitsWide;
        int unitsHigh = isAlone ? components[0].BlocksHigh : frame.UnitsHigh;
        Reset();
        int untilRestart = restartInterval, restarts = 0;
        for (int y = 0; y < unitsHigh; y++)
            for (int x = 0; x < unitsWide; x++)
            {
                if (restartInterval > 0 && untilRestart-- == 0)
                {
                    if (!bits.TryRestart(restarts & 7)) throw Fail(bits.Position, $"restart marker {restarts & 7} expected");
                    restarts++;
                    untilRestart = restartInterval - 1;
                    Reset();
                }
                if (isAlone) DecodeBlock(ref bits, components[0], x, y);
                else DecodeUnit(ref bits, x, y);
                if (bits.IsOverrun) throw Fail(bits.Position, $"the data of the scan ends in unit {x},{y} of {unitsWide}x{unitsHigh}");
            }
        return bits.Position;
    }

    private void Check(int position)
    {
        (int first, int last, int high, int low) = band;
        bool isSound = first <= last && last < 64 && low < 14 && (high == 0 || high == low + 1)
            && (!frame.IsProgressive || (first == 0 ? last == 0 : components.Length == 1));
        if (!isSound) throw Fail(position, $"a scan of coefficients {first} to {last}, bits {high} to {low}, {components.Length} components");
        foreach (JpegComponent component in components)
            if ((first == 0 && high == 0 && component.DcTable is null) || (last > 0 && component.AcTable is null))
                throw Fail(position, $"component {component.Id} has no Huffman table");
    }

    private void Reset()
    {
        endOfBandRun = 0;
        foreach (JpegComponent component in components) component.LastDc = 0;
    }

    private void DecodeUnit(ref JpegBits bits, int x, int y)
    {
        foreach (JpegComponent component in components)
            for (int v = 0; v < component.VerticalFactor; v++)
                for (int h = 0; h < component.HorizontalFactor; h++)
                    DecodeBlock(ref bits, component, x * component.HorizontalFactor + h, y * component.VerticalFactor + v);
    }

    private void DecodeBlock(ref JpegBits bits, JpegComponent component, int x, int y)
    {
        if (!frame.IsProgressive)
        {
            Span<short> block = stackalloc short[64];
            block.Clear();
            DecodeSequential(ref bits, component, block);
            JpegTransform.Inverse(block, component.Quantizer!, component.Plane.AsSpan((y * component.Stride + x) * 8), component.Stride);
            return;
        }
        Span<short> stored = component.Coefficients.AsSpan((y * (component.Stride / 8) + x) * 64, 64);
        if (band.First == 0)
        {
            if (band.High == 0) stored[0] = (short)(NextDc(ref bits, component) << band.Low);
            else if (bits.Read(1) != 0) stored[0] |= (short)(1 << band.Low);
        }
        else if (band.High == 0) DecodeBandFirst(ref bits, component.AcTable!, stored);
        else DecodeBandRefinement(ref bits, component.AcTable!, stored);
    }

    private static void DecodeSequential(ref JpegBits bits, JpegComponent component, scoped Span<short> block)
    {
        block[0] = (short)NextDc(ref bits, component);
        for (int k = 1; k < 64; k++)
        {
            int symbol = NextSymbol(ref bits, component.AcTable!), size = symbol & 15;
            k += symbol >> 4;
            if (size == 0)
            {
                if (symbol != 0xF0) return;
                continue;
            }
            if (k > 63) throw Fail(bits.Position, "a block has more than 64 coefficients");
            block[NaturalOrder[k]] = (short)bits.ReadSigned(size);
        }
    }

    private static int NextDc(ref JpegBits bits, JpegComponent component)
    {
        int size = NextSymbol(ref bits, component.DcTable!);
        if (size > 15) throw Fail(bits.Position, $"a DC difference of {size} bits");
        return component.LastDc += bits.ReadSigned(size);
    }

    private void DecodeBandFirst(ref JpegBits bits, JpegHuffmanTable table, scoped Span<short> block)
    {
        if (endOfBandRun > 0)
        {
            endOfBandRun--;
            return;
        }
        for (int k = band.First; k <= band.Last; k++)
        {
            int symbol = NextSymbol(ref bits, table), run = symbol >> 4, size = symbol & 15;
            if (size == 0 && run < 15)
            {
                endOfBandRun = (1 << run) - 1 + bits.Read(run);
                return;
            }
            k += run;
            if (size == 0) continue;
            if (k > 63) throw Fail(bits.Position, "a block has more than 64 coefficients");
            block[NaturalOrder[k]] = (short)(bits.ReadSigned(size) << band.Low);
        }
    }

    private void DecodeBandRefinement(ref JpegBits bits, JpegHuffmanTable table, scoped Span<short> block)
    {
        int k = band.First;
        if (endOfBandRun == 0)
            for (; k <= band.Last; k++)
            {
                int symbol = NextSymbol(ref bits, table), run = symbol >> 4, value = 0;
                if ((symbol & 15) != 0) value = bits.Read(1) != 0 ? 1 << band.Low : -1 << band.Low;
                else if (run < 15)
                {
                    endOfBandRun = (1 << run) + bits.Read(run);
                    break;
                }
                k = RefineUntil(ref bits, block, k, run);
                if (value == 0) continue;
                if (k > 63) throw Fail(bits.Position, "a block has more than 64 coefficients");
                block[NaturalOrder[k]] = (short)value;
            }
        if (endOfBandRun == 0) return;
        RefineUntil(ref bits, block, k, 64);
        endOfBandRun--;
    }

    /// <summary>Refines the coefficients that are not zero, from <paramref name="k"/> on, past <paramref name="zeros"/> zeros; returns where the next zero is.</summary>
    private int RefineUntil(ref JpegBits bits, scoped Span<short> block, int k, int zeros)
    {
        for (; k <= band.Last; k++)
        {
            ref short coefficient = ref block[NaturalOrder[k]];
            if (coefficient == 0)
            {
                if (zeros-- == 0) break;
            }
            else if (bits.Read(1) != 0 && (coefficient & (1 << band.Low)) == 0)
            {
                coefficient += (short)(coefficient >= 0 ? 1 << band.Low : -1 << band.Low);
            }
        }
        return k;
    }

    private static int NextSymbol(ref JpegBits bits, JpegHuffmanTable table)
    {
        int symbol = bits.ReadSymbol(table);
        return symbol >= 0 ? symbol : throw Fail(bits.Position, "a Huffman code that the table does not have");
    }

    private static InvalidInputException Fail(int position, string what) => new($"JPEG image, byte {position}: {what}");
}
