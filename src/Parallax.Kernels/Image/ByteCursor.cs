using System.Buffers.Binary;

namespace Parallax.Kernels.Image;

/// <summary>Reads a file from front to back; whatever runs past its end is an <see cref="InvalidInputException"/> that says where.</summary>
internal ref struct ByteCursor(string format, ReadOnlySpan<byte> data)
{
    private readonly string format = format;

    public readonly ReadOnlySpan<byte> Data = data;

    public int Position;

    public readonly int Remaining => Data.Length - Position;

    public byte U8() => Take(1)[0];

    public ushort U16BigEndian() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    public uint U32BigEndian() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public ushort U16LittleEndian() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint U32LittleEndian() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ReadOnlySpan<byte> Take(long count)
    {
        if (count < 0 || count > Remaining) throw Fail($"{count} bytes expected, {Remaining} left");
        ReadOnlySpan<byte> taken = Data.Slice(Position, (int)count);
        Position += (int)count;
        return taken;
    }

    public void Seek(long position)
    {
        if (position < 0 || position > Data.Length) throw Fail($"offset {position} is outside the file of {Data.Length} bytes");
        Position = (int)position;
    }

    public readonly InvalidInputException Fail(string what) => new($"{format} image, byte {Position}: {what}");
}
