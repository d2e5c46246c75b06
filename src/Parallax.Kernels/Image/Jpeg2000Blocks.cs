namespace Parallax.Kernels.Image;

/// <summary>The MQ arithmetic decoder (T.800, annex C) with the 19 contexts of code blocks.</summary>
internal sealed class MqDecoder
{
    internal const int RunLength = 17, Uniform = 18;

    private static ReadOnlySpan<ushort> Probability =>
    [
        0x5601, 0x3401, 0x1801, 0x0AC1, 0x0521, 0x0221, 0x5601, 0x5401, 0x4801, 0x3801, 0x3001, 0x2401, 0x1C01, 0x1601, 0x5601, 0x5401,
        0x5101, 0x4801, 0x3801, 0x3401, 0x3001, 0x2801, 0x2401, 0x2201, 0x1C01, 0x1801, 0x1601, 0x1401, 0x1201, 0x1101, 0x0AC1, 0x09C1,
        0x08A1, 0x0521, 0x0441, 0x02A1, 0x0221, 0x0141, 0x0111, 0x0085, 0x0049, 0x0025, 0x0015, 0x0009, 0x0005, 0x0001, 0x5601,
    ];

    private static ReadOnlySpan<byte> AfterLikely =>
    [
        1, 2, 3, 4, 5, 38, 7, 8, 9, 10, 11, 12, 13, 29, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
        33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 45, 46,
    ];

    private static ReadOnlySpan<byte> AfterUnlikely =>
    [
        1, 6, 9, 12, 29, 33, 6, 14, 14, 14, 17, 18, 20, 21, 14, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
        30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 46,
    ];

    private readonly byte[] states = new byte[19], likely = new byte[19];
    private byte[] data = [];
    private int position, count;
    private uint code, interval;

    /// <summary>Starts on new data, with the contexts as they are at the start of a block. Behind the end the data go on as ones.</summary>
    public void Start(byte[] block)
    {
        data = block;
        position = 0;
        ResetContexts();
        code = (uint)At(0) << 16;
        Load();
        code <<= 7;
        count -= 7;
        interval = 0x8000;
    }

    public void ResetContexts()
    {
        Array.Clear(states);
        Array.Clear(likely);
        (states[0], states[RunLength], states[Uniform]) = (4, 3, 46);
    }

    public int Bit(int context)
    {
        int state = states[context];
        uint probability = Probability[state];
        interval -= probability;
        bool isLower = code >> 16 < probability;
        if (!isLower)
        {
            code -= probability << 16;
            if ((interval & 0x8000) != 0) return likely[context];
        }
        // The names of the two parts swap where the likely one has become the smaller.
        bool isUnlikely = isLower == (interval >= probability);
        if (isLower) interval = probability;
        int bit = likely[context] ^ (isUnlikely ? 1 : 0);
        if (isUnlikely && state is 0 or 6 or 14) likely[context] = (byte)bit;
        states[context] = isUnlikely ? AfterUnlikely[state] : AfterLikely[state];
        do
        {
            if (count == 0) Load();
            interval <<= 1;
            code <<= 1;
            count--;
        }
        while ((interval & 0x8000) == 0);
        return bit;
    }

    private int At(int index) => index < data.Length ? data[index] : 0xFF;

    private void Load()
    {
        if (At(position) == 0xFF && At(position + 1) > 0x8F)
        {
            code += 0xFF00;
            count = 8;
            return;
        }
        bool isStuffed = At(position++) == 0xFF;
        code += (uint)At(position) << (isStuffed ? 9 : 8);
        count = isStuffed ? 7 : 8;
    }
}

/// <summary>Decodes the bit planes of code blocks (T.800, annex D).</summary>
/// <param name="style">The code block style of the coding marker.</param>
internal sealed class Jpeg2000BlockDecoder(int style)
{
    private const int ResetsContexts = 2, IsCausal = 8, HasSegmentSymbols = 32;
    private const byte Significant = 1, Negative = 2, Visited = 4, Refined = 8;

    private readonly MqDecoder mq = new();
    private byte[] flags = []; // one sample of border all round
    private int[] magnitudes = []; // one bit of fraction
    private int width, height, stride;
    private Jpeg2000Subband band = new();

    /// <summary>Decodes one block into the samples of its subband.</summary>
    public void Decode(Jpeg2000Block block, Jpeg2000Subband subband, bool isReversible, float[] target)
    {
        (band, width, height, stride) = (subband, block.Area.Width, block.Area.Height, block.Area.Width + 2);
        if (flags.Length < stride * (height + 2)) flags = new byte[stride * (height + 2)];
        if (magnitudes.Length < width * height) magnitudes = new int[width * height];
        Array.Clear(flags);
        Array.Clear(magnitudes);
        mq.Start([.. block.Data.SelectMany(piece => piece.ToArray())]);
        int plane = subband.Planes - 1 - block.ZeroPlanes;
        for (int pass = 0, kind = 2; pass < block.Passes && plane >= 0; pass++)
        {
            RunPass(kind, 2 << plane);
            if ((style & ResetsContexts) != 0) mq.ResetContexts();
            if (++kind < 3) continue;
            kind = 0;
            plane--;
        }
        Store(block.Area, isReversible, target);
    }

    private void Store(Jpeg2000Area area, bool isReversible, float[] target)
    {
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
            {
                int magnitude = magnitudes[y * width + x];
                float value = isReversible ? magnitude / 2 : magnitude * 0.5f * band.Step;
                bool isNegative = (flags[At(x, y)] & Negative) != 0;
                target[(area.Y0 - band.Area.Y0 + y) * band.Area.Width + area.X0 - band.Area.X0 + x] = isNegative ? -value : value;
            }
    }

    private int At(int x, int y) => (y + 1) * stride + x + 1;

    /// <summary>One pass over the block, in stripes of four rows. <paramref name="one"/> is the weight of the plane.</summary>
    private void RunPass(int kind, int one)
    {
        for (int top = 0; top < height; top += 4)
            for (int x = 0; x < width; x++)
            {
                int y = top, bottom = Math.Min(top + 4, height);
                if (kind == 2 && TrySkipColumn(x, top, one, ref y)) continue;
                for (; y < bottom; y++)
                    if (kind == 0) Propagate(x, y, one);
                    else if (kind == 1) Refine(x, y, one);
                    else CleanUp(x, y, one);
            }
        if (kind == 2 && (style & HasSegmentSymbols) != 0)
            for (int i = 0; i < 4; i++) mq.Bit(MqDecoder.Uniform);
    }

    private void Propagate(int x, int y, int one)
    {
        int at = At(x, y);
        if ((flags[at] & Significant) != 0) return;
        int context = ZeroContext(at, y);
        if (context == 0) return;
        if (mq.Bit(context) != 0) BecomeSignificant(x, y, one);
        flags[at] |= Visited;
    }

    private void Refine(int x, int y, int one)
    {
        int at = At(x, y);
        if ((flags[at] & (Significant | Visited)) != Significant) return;
        int context = (flags[at] & Refined) != 0 ? 16 : ZeroContext(at, y) != 0 ? 15 : 14;
        magnitudes[y * width + x] += mq.Bit(context) != 0 ? one >> 1 : -(one >> 1);
        flags[at] |= Refined;
    }

    private void CleanUp(int x, int y, int one)
    {
        int at = At(x, y);
        if ((flags[at] & (Significant | Visited)) == 0 && mq.Bit(ZeroContext(at, y)) != 0) BecomeSignificant(x, y, one);
        flags[at] &= unchecked((byte)~Visited);
    }

    /// <summary>
    /// A column of four samples with nothing around it has one decision for all: true where all stay zero; else <paramref name="y"/>
    /// goes to the sample behind the first that does not.
    /// </summary>
    private bool TrySkipColumn(int x, int top, int one, ref int y)
    {
        if (top + 4 > height) return false;
        for (int i = top; i < top + 4; i++)
            if ((flags[At(x, i)] & (Significant | Visited)) != 0 || ZeroContext(At(x, i), i) != 0) return false;
        if (mq.Bit(MqDecoder.RunLength) == 0) return true;
        int run = 2 * mq.Bit(MqDecoder.Uniform);
        run += mq.Bit(MqDecoder.Uniform);
        BecomeSignificant(x, top + run, one);
        y = top + run + 1;
        return false;
    }

    private void BecomeSignificant(int x, int y, int one)
    {
        int at = At(x, y), below = IsLastOfStripe(y) ? 0 : Sign(at + stride);
        int across = Math.Clamp(Sign(at - 1) + Sign(at + 1), -1, 1), down = Math.Clamp(Sign(at - stride) + below, -1, 1);
        int sum = 3 * across + down; // a mirrored neighbourhood has the same context, and the sign flipped
        int context = Math.Abs(sum) switch { 4 => 13, 3 => 12, 2 => 11, 1 => 10, _ => 9 };
        bool isNegative = mq.Bit(context) != (sum < 0 ? 1 : 0);
        flags[at] |= isNegative ? (byte)(Significant | Negative) : Significant;
        magnitudes[y * width + x] = one | (one >> 1);
    }

    /// <summary>In the causal style a stripe does not look at the one below.</summary>
    private bool IsLastOfStripe(int y) => (style & IsCausal) != 0 && (y & 3) == 3;

    private int Sign(int at) => (flags[at] & Significant) == 0 ? 0 : (flags[at] & Negative) != 0 ? -1 : 1;

    /// <summary>The context of a sample that may become significant, by its neighbours (T.800, table D.1); 0 where none is.</summary>
    private int ZeroContext(int at, int y)
    {
        int S(int index) => flags[index] & Significant;
        bool ignoresBelow = IsLastOfStripe(y);
        int across = S(at - 1) + S(at + 1), down = S(at - stride) + (ignoresBelow ? 0 : S(at + stride));
        int diagonal = S(at - stride - 1) + S(at - stride + 1) + (ignoresBelow ? 0 : S(at + stride - 1) + S(at + stride + 1));
        if (band.IsHighX && band.IsHighY)
        {
            int straight = across + down;
            return diagonal switch { >= 3 => 8, 2 => straight > 0 ? 7 : 6, 1 => 3 + Math.Min(straight, 2), _ => Math.Min(straight, 2) };
        }
        if (band.IsHighX) (across, down) = (down, across);
        return across switch
        {
            2 => 8,
            1 => down > 0 ? 7 : diagonal > 0 ? 6 : 5,
            _ => down > 0 ? 2 + down : Math.Min(diagonal, 2),
        };
    }
}
