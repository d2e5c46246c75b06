using System.Numerics;

namespace Parallax.Kernels.Image;

/// <summary>A quad tree of minima, decoded bit by bit (T.800, B.10.2).</summary>
internal sealed class Jpeg2000TagTree
{
    private readonly int[] parents, values, lower;

    public Jpeg2000TagTree(int across, int down)
    {
        var links = new List<int>();
        for (int start = 0; across > 0; start = links.Count)
        {
            int nextAcross = (across + 1) / 2, next = start + across * down;
            bool isRoot = across * down == 1;
            for (int i = 0; i < across * down; i++) links.Add(isRoot ? -1 : next + i / across / 2 * nextAcross + i % across / 2);
            if (isRoot) break;
            (across, down) = (nextAcross, (down + 1) / 2);
        }
        parents = [.. links];
        values = new int[parents.Length];
        lower = new int[parents.Length];
        Array.Fill(values, int.MaxValue);
    }

    /// <summary>Whether the value of a leaf is below <paramref name="threshold"/>; reads as many bits as tell.</summary>
    public bool IsBelow(ref Jpeg2000HeaderBits bits, int leaf, int threshold)
    {
        Span<int> path = stackalloc int[32];
        int depth = 0, bound = 0;
        for (int node = leaf; node >= 0; node = parents[node]) path[depth++] = node;
        while (depth-- > 0)
        {
            int node = path[depth];
            bound = Math.Max(bound, lower[node]);
            while (bound < threshold && bound < values[node])
                if (bits.Bit() != 0) values[node] = bound;
                else bound++;
            lower[node] = bound;
        }
        return values[leaf] < threshold;
    }
}

/// <summary>The bits of a packet header: a bit is stuffed behind every byte of ones.</summary>
internal ref struct Jpeg2000HeaderBits(ReadOnlySpan<byte> data)
{
    private readonly ReadOnlySpan<byte> data = data;
    private int current, left;

    public int Position { get; private set; }

    public int Bit()
    {
        if (left == 0)
        {
            left = current == 0xFF ? 7 : 8;
            if (Position >= data.Length) throw new InvalidInputException("JPEG 2000 image: a tile's data end inside a packet header");
            current = data[Position++];
        }
        return (current >> --left) & 1;
    }

    public int Number(int count)
    {
        int number = 0;
        while (count-- > 0) number = 2 * number + Bit();
        return number;
    }

    /// <summary>Goes to the next byte, past a stuffed one.</summary>
    public void Align()
    {
        if (current == 0xFF && Position < data.Length) Position++;
        (left, current) = (0, 0);
    }
}

/// <summary>Reads the packets of one tile (T.800, B.9 and B.10).</summary>
internal sealed class Jpeg2000PacketReader(ReadOnlyMemory<byte> data, bool hasPacketStarts, bool hasHeaderEnds)
{
    private readonly List<(Jpeg2000Block Block, int Bytes)> included = [];
    private int position;

    public bool IsAtEnd => position >= data.Length;

    public void Read(Jpeg2000Precinct precinct, int layer)
    {
        SkipMarker(hasPacketStarts, 0x91, 6);
        included.Clear();
        var bits = new Jpeg2000HeaderBits(data.Span[position..]);
        if (bits.Bit() != 0)
            foreach (Jpeg2000BandPart part in precinct.Parts)
                for (int i = 0; i < part.Blocks.Length; i++) ReadBlock(ref bits, part, i, layer);
        bits.Align();
        position += bits.Position;
        SkipMarker(hasHeaderEnds, 0x92, 2);
        foreach ((Jpeg2000Block block, int bytes) in included)
        {
            int taken = Math.Min(bytes, data.Length - position); // a cut-off file keeps what it has
            block.Data.Add(data.Slice(position, taken));
            position += taken;
        }
    }

    private void SkipMarker(bool mayBeThere, int code, int bytes)
    {
        ReadOnlySpan<byte> rest = data.Span[position..];
        if (mayBeThere && rest.Length >= bytes && rest[0] == 0xFF && rest[1] == code) position += bytes;
    }

    private void ReadBlock(ref Jpeg2000HeaderBits bits, Jpeg2000BandPart part, int index, int layer)
    {
        Jpeg2000Block block = part.Blocks[index];
        if (block.IsIncluded ? bits.Bit() == 0 : !part.Inclusion.IsBelow(ref bits, index, layer + 1)) return;
        if (!block.IsIncluded)
        {
            block.IsIncluded = true;
            while (!part.ZeroPlanes.IsBelow(ref bits, index, block.ZeroPlanes + 1)) block.ZeroPlanes++;
        }
        int passes = ReadPasses(ref bits);
        while (bits.Bit() != 0) block.LengthBits++;
        int lengthBits = block.LengthBits + BitOperations.Log2((uint)passes);
        if (lengthBits > 30) throw new InvalidInputException("JPEG 2000 image: a code block's length takes more than 30 bits");
        block.Passes += passes;
        included.Add((block, bits.Number(lengthBits)));
    }

    private static int ReadPasses(ref Jpeg2000HeaderBits bits)
    {
        if (bits.Bit() == 0) return 1;
        if (bits.Bit() == 0) return 2;
        int few = bits.Number(2);
        if (few < 3) return 3 + few;
        int some = bits.Number(5);
        return some < 31 ? 6 + some : 37 + bits.Number(7);
    }
}
