using System.Buffers.Binary;
using System.Text;

namespace Parallax.Onnx;

/// <summary>The wire types of protocol buffers: how the bytes of a field are delimited.</summary>
public enum WireType
{
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    StartGroup = 3,
    EndGroup = 4,
    Fixed32 = 5,
}

/// <summary>
/// Reads one protocol buffers message from a region of a <see cref="Storage"/>, of any length. Trusts nothing: whatever is malformed
/// throws an <see cref="InvalidModelException"/> with the byte's offset and what was expected; allocates no more than the region justifies.
/// Call <see cref="Next"/> until it is false; after each true, take the field's value by exactly one of the other methods.
/// </summary>
public ref struct WireReader
{
    /// <summary>Messages (and groups) within messages that are followed; the limit that protocol buffers' own readers have.</summary>
    public const int MaxDepth = 100;

    private const int WindowBytes = 1 << 30;

    private readonly Storage storage;
    private readonly long end;
    private readonly string source, message;
    private readonly int depth;
    private ReadOnlySpan<byte> window;
    private long windowStart;
    private int index;

    /// <param name="source">Name of the file, for messages.</param>
    /// <param name="message">Name of the message's type, for messages.</param>
    public WireReader(ByteRegion region, string source, string message) : this(region, source, message, 0)
    {
    }

    private WireReader(ByteRegion region, string source, string message, int depth)
    {
        storage = region.Storage!;
        windowStart = region.Offset;
        end = region.Offset + region.Count;
        window = region.Window(0, WindowBytes);
        (this.source, this.message, this.depth) = (source, message, depth);
    }

    /// <summary>Number of the field that <see cref="Next"/> found.</summary>
    public int Field { get; private set; }

    /// <summary>Wire type of the field that <see cref="Next"/> found.</summary>
    public WireType Type { get; private set; }

    /// <summary>Offset of the next unread byte in the storage.</summary>
    public readonly long Position => windowStart + index;

    public readonly long Remaining => end - Position;

    /// <summary>Reads the next field's tag; false at the end of the message.</summary>
    public bool Next()
    {
        if (Remaining == 0) return false;
        ReadTag();
        if (Type == WireType.EndGroup) throw Malformed("a field, not the end of a group that was not started");
        return true;
    }

    public long Int64()
    {
        Expect(WireType.Varint, "a varint");
        return (long)Varint();
    }

    /// <summary>An int32 or an enum: of a longer varint the low 32 bits, as protocol buffers have it.</summary>
    public int Int32() => (int)Int64();

    public float Single()
    {
        Expect(WireType.Fixed32, "4 bytes of a float");
        return BinaryPrimitives.ReadSingleLittleEndian(Take(4, "a float"));
    }

    /// <summary>An element type of ONNX.</summary>
    public DType DType()
    {
        long code = Int64();
        return code is >= 0 and <= (long)Parallax.DType.Int2 ? (DType)code : throw Malformed($"an element type from 0 to {(int)Parallax.DType.Int2}, not {code}");
    }

    /// <summary>The bytes of a length-delimited field, in place.</summary>
    public ByteRegion Bytes()
    {
        Expect(WireType.Length, "a length-delimited value");
        ulong length = Varint();
        if (length > (ulong)Remaining) throw Malformed($"{length} bytes, but {Remaining} are left");
        var region = new ByteRegion(storage, Position, (long)length);
        Advance((long)length);
        return region;
    }

    /// <summary>A UTF-8 string, such as a name.</summary>
    public string String()
    {
        ByteRegion bytes = Bytes();
        return bytes.TryGetText(out string text) ? text : throw Malformed("UTF-8 text", bytes.Offset);
    }

    /// <summary>Text for people: bytes that are not UTF-8 become replacement characters; cut off after 256 MiB.</summary>
    public string Prose()
    {
        ByteRegion bytes = Bytes();
        return Encoding.UTF8.GetString(bytes.Window(0, 1 << 28));
    }

    /// <summary>A reader of a message within this one.</summary>
    public WireReader Message(string name)
    {
        if (depth + 1 >= MaxDepth) throw Malformed($"at most {MaxDepth} nested messages");
        return new WireReader(Bytes(), source, name, depth + 1);
    }

    /// <summary>Appends the values of a repeated int64 field, packed or not.</summary>
    public void Int64s(List<long> values)
    {
        if (Type != WireType.Length)
        {
            values.Add(Int64());
            return;
        }
        var packed = new WireReader(Bytes(), source, message, depth) { Field = Field };
        while (packed.Remaining > 0) values.Add((long)packed.Varint());
    }

    /// <summary>Appends the values of a repeated float field, packed or not.</summary>
    public void Singles(List<float> values)
    {
        if (Type != WireType.Length)
        {
            values.Add(Single());
            return;
        }
        var packed = new WireReader(Bytes(), source, message, depth) { Field = Field };
        while (packed.Remaining > 0) values.Add(BinaryPrimitives.ReadSingleLittleEndian(packed.Take(4, "a float")));
    }

    /// <summary>
    /// Adds an occurrence of a repeated numeric field to the bytes of its packed form. The first packed occurrence, which is
    /// all that usual writers make, is kept in place; only further ones are copied together.
    /// </summary>
    /// <param name="element">Wire type of one element.</param>
    public void Packed(WireType element, ref PackedField field)
    {
        long start = Position;
        ByteRegion piece;
        if (Type == WireType.Length) piece = Bytes();
        else
        {
            Expect(element, $"a packed field or one {element} element");
            SkipValue(0);
            piece = new ByteRegion(storage, start, Position - start);
        }
        if (!field.TryAdd(piece, Type == WireType.Length)) throw Malformed("at most 1 GiB in a field of several pieces", start);
    }

    /// <summary>Passes over a field that the caller does not know.</summary>
    public void Skip() => SkipValue(0);

    /// <summary>A varint outside a field: an element of a packed one.</summary>
    public ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if (index == window.Length && !Slide(1)) throw Malformed("another byte of a varint, but the data end");
            byte next = window[index++];
            if (shift == 63 && next > 1) break;
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
        throw Malformed("a varint of at most 64 bits");
    }

    /// <summary>The exception for data that are not as they must be, at <paramref name="offset"/> or at the next unread byte.</summary>
    public readonly InvalidModelException Malformed(string expected, long? offset = null) =>
        new($"{source}: byte {offset ?? Position}, {message}{(Field == 0 ? "" : $" field {Field}")}: expected {expected}");

    private void ReadTag()
    {
        Field = 0;
        ulong tag = Varint();
        if (tag >> 3 is 0 or > (1 << 29) - 1) throw Malformed($"a field number from 1 to {(1 << 29) - 1}, not {tag >> 3}");
        if ((tag & 7) > 5) throw Malformed($"a wire type from 0 to 5, not {tag & 7}");
        Field = (int)(tag >> 3);
        Type = (WireType)(tag & 7);
    }

    private readonly void Expect(WireType type, string what)
    {
        if (Type != type) throw Malformed($"{what}, not wire type {Type}");
    }

    private void SkipValue(int groups)
    {
        switch (Type)
        {
            case WireType.Varint: Varint(); break;
            case WireType.Fixed32: Take(4, "a fixed32"); break;
            case WireType.Fixed64: Take(8, "a fixed64"); break;
            case WireType.Length: Bytes(); break;
            default: SkipGroup(groups); break;
        }
    }

    private void SkipGroup(int groups)
    {
        if (depth + groups + 1 >= MaxDepth) throw Malformed($"at most {MaxDepth} nested groups");
        int group = Field;
        while (true)
        {
            if (Remaining == 0) throw Malformed($"the end of group {group}, but the data end");
            ReadTag();
            if (Type != WireType.EndGroup) SkipValue(groups + 1);
            else if (Field == group) return;
            else throw Malformed($"the end of group {group}, not of group {Field}");
        }
    }

    private ReadOnlySpan<byte> Take(int count, string what)
    {
        if (window.Length - index < count && !Slide(count)) throw Malformed($"{count} bytes of {what}, but {Remaining} are left");
        ReadOnlySpan<byte> bytes = window.Slice(index, count);
        index += count;
        return bytes;
    }

    private void Advance(long count)
    {
        if (count <= window.Length - index) index += (int)count;
        else MoveWindow(Position + count);
    }

    /// <summary>Moves the window so that it starts at the current position; false where fewer than <paramref name="need"/> bytes are left.</summary>
    private bool Slide(int need)
    {
        if (Remaining < need) return false;
        MoveWindow(Position);
        return true;
    }

    private void MoveWindow(long position)
    {
        windowStart = position;
        index = 0;
        window = new ByteRegion(storage, position, end - position).Window(0, WindowBytes);
    }
}

/// <summary>The packed form of a repeated numeric field, collected from one or more occurrences.</summary>
public struct PackedField
{
    private ByteRegion inPlace;
    private MemoryStream? copied;

    /// <summary>The bytes of the packed form.</summary>
    public readonly ByteRegion Region => copied is null ? inPlace : ByteRegion.Copy(copied.GetBuffer().AsSpan(0, (int)copied.Length));

    internal bool TryAdd(ByteRegion piece, bool packed)
    {
        if (piece.IsEmpty) return true;
        if (packed && inPlace.IsEmpty && copied is null)
        {
            inPlace = piece;
            return true;
        }
        if ((copied?.Length ?? inPlace.Count) + piece.Count > 1 << 30) return false;
        if (copied is null)
        {
            copied = new MemoryStream();
            copied.Write(inPlace.Window(0));
        }
        copied.Write(piece.Window(0));
        return true;
    }
}
