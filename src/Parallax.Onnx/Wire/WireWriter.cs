using System.Buffers.Binary;
using System.Text;

namespace Parallax.Onnx;

/// <summary>A message that can write its fields.</summary>
public interface IWireMessage
{
    /// <summary>Writes every field that differs from its default. Called twice, and must write the same both times.</summary>
    void Write(WireWriter writer);
}

/// <summary>
/// Writes protocol buffers messages. A first walk over the message only adds up lengths, which must precede what they measure;
/// a second walk writes. So large data go from where they lie straight into the stream.
/// </summary>
public sealed class WireWriter
{
    private readonly List<long> lengths = []; // of nested messages, in the order in which they start
    private readonly byte[] buffer = new byte[1 << 16];
    private Stream? target; // null during the first walk
    private int buffered, next, depth;
    private long length;

    private WireWriter()
    {
    }

    /// <summary>Writes <paramref name="message"/> without a length before it, as a file holds it.</summary>
    public static void Write(IWireMessage message, Stream stream)
    {
        var writer = new WireWriter();
        message.Write(writer);
        writer.target = stream;
        message.Write(writer);
        writer.Flush();
    }

    /// <summary>The bytes of <paramref name="message"/>; at most 2 GiB.</summary>
    public static byte[] ToBytes(IWireMessage message)
    {
        using var stream = new MemoryStream();
        Write(message, stream);
        return stream.ToArray();
    }

    /// <summary>
    /// Writes <paramref name="message"/> to a file. The file appears under its name whole or not at all: the bytes go to a
    /// temporary file beside it, which is then moved into place.
    /// </summary>
    public static void Write(IWireMessage message, string path)
    {
        string full = Path.GetFullPath(path);
        string temporary = Path.Combine(Path.GetDirectoryName(full)!, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
            {
                Write(message, stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, full, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>An int64, int32 or enum field; nothing where the value is 0.</summary>
    public void Int64(int field, long value)
    {
        if (value != 0) AlwaysInt64(field, value);
    }

    /// <summary>As <see cref="Int64"/>, but written also where the value is 0: a member of a oneof.</summary>
    public void AlwaysInt64(int field, long value)
    {
        Tag(field, WireType.Varint);
        Varint((ulong)value);
    }

    /// <summary>A float field; nothing where the value is +0.</summary>
    public void Single(int field, float value)
    {
        if (BitConverter.SingleToUInt32Bits(value) == 0) return;
        Tag(field, WireType.Fixed32);
        Fixed32(value);
    }

    /// <summary>A string field; nothing where it is empty.</summary>
    public void String(int field, string value)
    {
        if (value.Length > 0) AlwaysString(field, value);
    }

    public void Strings(int field, IReadOnlyList<string> values)
    {
        foreach (string value in values) AlwaysString(field, value);
    }

    /// <summary>As <see cref="String"/>, but written also where it is empty: an element of a list, a member of a oneof.</summary>
    public void AlwaysString(int field, string value)
    {
        Tag(field, WireType.Length);
        int bytes = Encoding.UTF8.GetByteCount(value);
        Varint((ulong)bytes);
        if (target is null) length += bytes;
        else Raw(Encoding.UTF8.GetBytes(value));
    }

    /// <summary>A bytes field; nothing where it is empty.</summary>
    public void Bytes(int field, ByteRegion value)
    {
        if (!value.IsEmpty) AlwaysBytes(field, value);
    }

    /// <summary>As <see cref="Bytes"/>, but written also where it is empty: an element of a list.</summary>
    public void AlwaysBytes(int field, ByteRegion value)
    {
        Tag(field, WireType.Length);
        Varint((ulong)value.Count);
        if (target is null)
        {
            length += value.Count;
            return;
        }
        const int step = 1 << 24;
        for (long at = 0; at < value.Count; at += step) Raw(value.Window(at, step));
    }

    public void Message(int field, IWireMessage? value)
    {
        if (value is not null) Message(field, value.Write);
    }

    public void Messages(int field, IEnumerable<IWireMessage> values)
    {
        foreach (IWireMessage value in values) Message(field, value.Write);
    }

    /// <summary>A nested message whose fields <paramref name="body"/> writes.</summary>
    public void Message(int field, Action<WireWriter> body)
    {
        if (++depth >= WireReader.MaxDepth) throw new ArgumentException($"the model nests more than {WireReader.MaxDepth} messages");
        Tag(field, WireType.Length);
        if (target is null)
        {
            int slot = lengths.Count;
            lengths.Add(0);
            long start = length;
            body(this);
            lengths[slot] = length - start;
            Varint((ulong)lengths[slot]);
        }
        else
        {
            Varint((ulong)lengths[next++]);
            body(this);
        }
        depth--;
    }

    /// <summary>A repeated int64 field, packed; nothing where it is empty.</summary>
    public void PackedInt64s(int field, ReadOnlySpan<long> values)
    {
        if (values.IsEmpty) return;
        long bytes = 0;
        foreach (long value in values) bytes += VarintBytes((ulong)value);
        Tag(field, WireType.Length);
        Varint((ulong)bytes);
        foreach (long value in values) Varint((ulong)value);
    }

    /// <summary>A repeated int64 field, one tag an element, as onnx.proto has its lists outside tensor data.</summary>
    public void Int64s(int field, ReadOnlySpan<long> values)
    {
        foreach (long value in values) AlwaysInt64(field, value);
    }

    /// <summary>A repeated float field, one tag an element.</summary>
    public void Singles(int field, ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            Tag(field, WireType.Fixed32);
            Fixed32(value);
        }
    }

    private void Tag(int field, WireType type) => Varint(((ulong)field << 3) | (uint)type);

    private static int VarintBytes(ulong value)
    {
        int bytes = 1;
        for (; value >= 0x80; value >>= 7) bytes++;
        return bytes;
    }

    private void Varint(ulong value)
    {
        Span<byte> bytes = stackalloc byte[10];
        int count = 0;
        for (; value >= 0x80; value >>= 7) bytes[count++] = (byte)(value | 0x80);
        bytes[count++] = (byte)value;
        Raw(bytes[..count]);
    }

    private void Fixed32(float value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        Raw(bytes);
    }

    private void Raw(ReadOnlySpan<byte> bytes)
    {
        length += bytes.Length;
        if (target is null) return;
        if (bytes.Length > buffer.Length - buffered) Flush();
        if (bytes.Length > buffer.Length)
        {
            target.Write(bytes);
            return;
        }
        bytes.CopyTo(buffer.AsSpan(buffered));
        buffered += bytes.Length;
    }

    private void Flush()
    {
        target!.Write(buffer, 0, buffered);
        buffered = 0;
    }
}
