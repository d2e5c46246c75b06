using System.Numerics;

namespace Parallax.Kernels.Image;

/// <summary>VP8's arithmetic decoder (RFC 6386, section 7). Behind its end the data go on as zeros; <see cref="IsOverrun"/> tells that they were used.</summary>
internal sealed class Vp8Bits(ReadOnlyMemory<byte> data)
{
    // An encoder may leave out trailing zero bytes, at most as many as the decoder looks ahead.
    private const int LookAhead = 2;

    private int position, range = 255, bits = -8;
    private uint value; // bits + 8 of them

    public bool IsOverrun => position > data.Length + LookAhead;

    /// <param name="probability">Of a zero, in 256ths.</param>
    public int Bit(int probability)
    {
        if (bits < 0) Load();
        int split = 1 + (((range - 1) * probability) >> 8), bit = 0;
        if (value >= (uint)split << bits)
        {
            value -= (uint)split << bits;
            range -= split;
            bit = 1;
        }
        else range = split;
        int shift = BitOperations.LeadingZeroCount((uint)range) - 24;
        range <<= shift;
        bits -= shift;
        return bit;
    }

    public bool Flag() => Bit(128) != 0;

    public int Number(int count)
    {
        int number = 0;
        while (count-- > 0) number = 2 * number + Bit(128);
        return number;
    }

    /// <summary>A flag, and where it is set, a magnitude of <paramref name="count"/> bits and a sign.</summary>
    public int OptionalSigned(int count)
    {
        if (!Flag()) return 0;
        int magnitude = Number(count);
        return Flag() ? -magnitude : magnitude;
    }

    private void Load()
    {
        value = (value << 8) | (position < data.Length ? data.Span[position] : 0u);
        position++;
        bits += 8;
    }
}
