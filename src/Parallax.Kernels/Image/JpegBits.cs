namespace Parallax.Kernels.Image;

/// <summary>A canonical Huffman code of at most 16 bits, with a table for the first 9.</summary>
internal sealed class JpegHuffmanTable
{
    internal const int LookupBits = 9;

    /// <summary>By the next 9 bits: length in the upper byte, symbol in the lower; 0 where the code is longer.</summary>
    internal readonly ushort[] Lookup = new ushort[1 << LookupBits];

    /// <summary>By length: the largest code, left-aligned to 16 bits and exclusive; 0 where there is none up to that length.</summary>
    internal readonly int[] Limit = new int[17];

    /// <summary>By length: what to add to a code to get its symbol's index.</summary>
    internal readonly int[] Offset = new int[17];

    internal readonly byte[] Symbols;

    private JpegHuffmanTable(ReadOnlySpan<byte> symbols) => Symbols = symbols.ToArray();

    /// <summary>The code with <paramref name="counts"/>[n-1] symbols of n bits; null where they do not fit.</summary>
    internal static JpegHuffmanTable? Create(ReadOnlySpan<byte> counts, ReadOnlySpan<byte> symbols)
    {
        var table = new JpegHuffmanTable(symbols);
        int code = 0, index = 0;
        for (int length = 1; length <= 16; length++)
        {
            table.Offset[length] = index - code;
            for (int i = 0; i < counts[length - 1]; i++, code++, index++)
                if (length <= LookupBits && code < 1 << length)
                    table.Lookup.AsSpan(code << (LookupBits - length), 1 << (LookupBits - length)).Fill((ushort)((length << 8) | symbols[index]));
            if (code > 1 << length) return null;
            table.Limit[length] = code << (16 - length);
            code <<= 1;
        }
        return table;
    }
}

/// <summary>
/// The bits of entropy-coded data. Stuffed bytes are removed; at a marker or the file's end the bits go on as zeros, and
/// <see cref="IsOverrun"/> tells that some of those were used.
/// </summary>
internal ref struct JpegBits(ReadOnlySpan<byte> data, int position)
{
    private readonly ReadOnlySpan<byte> data = data;
    private ulong buffer; // the next bits, left-aligned
    private int count, padding;

    /// <summary>Of the next byte to be read: at a marker it stays there.</summary>
    public int Position { get; private set; } = position;

    public readonly bool IsOverrun => count < padding;

    public int Read(int bits)
    {
        if (bits == 0) return 0;
        if (count < bits) Fill();
        int value = (int)(buffer >> (64 - bits));
        Skip(bits);
        return value;
    }

    /// <summary>The next <paramref name="bits"/> bits as the signed number that JPEG means by them.</summary>
    public int ReadSigned(int bits)
    {
        int value = Read(bits);
        return bits == 0 || value >> (bits - 1) != 0 ? value : value - (1 << bits) + 1;
    }

    /// <summary>The next symbol; -1 where the bits are no code.</summary>
    public int ReadSymbol(JpegHuffmanTable table)
    {
        if (count < 16) Fill();
        int entry = table.Lookup[(int)(buffer >> (64 - JpegHuffmanTable.LookupBits))];
        if (entry != 0)
        {
            Skip(entry >> 8);
            return entry & 255;
        }
        int next = (int)(buffer >> 48);
        for (int length = 1; length <= 16; length++)
            if (next < table.Limit[length])
            {
                Skip(length);
                return table.Symbols[(next >> (16 - length)) + table.Offset[length]];
            }
        return -1;
    }

    /// <summary>Drops what is left of the current byte and goes past the marker RST<paramref name="index"/>; false where another thing follows.</summary>
    public bool TryRestart(int index)
    {
        // Whole bytes may be buffered only when the data before the marker is longer than its blocks need: that is damage too.
        if (count - padding >= 8) return false;
        while (Position + 1 < data.Length && data[Position] == 0xFF && data[Position + 1] == 0xFF) Position++;
        if (Position + 1 >= data.Length || data[Position] != 0xFF || data[Position + 1] != 0xD0 + index) return false;
        Position += 2;
        (buffer, count, padding) = (0, 0, 0);
        return true;
    }

    private void Skip(int bits)
    {
        buffer <<= bits;
        count -= bits;
    }

    private void Fill()
    {
        while (count <= 48)
        {
            int next = NextByte();
            if (next < 0) padding += 8;
            else buffer |= (ulong)next << (56 - count);
            count += 8;
        }
        // The padding below the real bits is all that matters: what was consumed of it stays visible as count < padding.
    }

    private int NextByte()
    {
        if (Position >= data.Length) return -1;
        byte value = data[Position];
        if (value == 0xFF)
        {
            if (Position + 1 >= data.Length || data[Position + 1] != 0) return -1;
            Position++;
        }
        Position++;
        return value;
    }
}
