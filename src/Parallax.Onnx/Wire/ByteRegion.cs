using System.Text;

namespace Parallax.Onnx;

/// <summary>A window of a <see cref="Storage"/>: the bytes of a field, not copied out of the file. The default value is empty.</summary>
public readonly record struct ByteRegion(Storage? Storage, long Offset, long Count)
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public bool IsEmpty => Count == 0;

    /// <summary>The whole of a storage.</summary>
    public static ByteRegion Of(Storage storage) => new(storage, 0, storage.ByteCount);

    /// <summary>A copy of <paramref name="bytes"/> in memory of its own.</summary>
    public static ByteRegion Copy(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return default;
        Storage storage = Storage.AllocateUninitialized(bytes.Length);
        bytes.CopyTo(storage.Slice(0, bytes.Length));
        return Of(storage);
    }

    /// <summary>The UTF-8 bytes of <paramref name="text"/>.</summary>
    public static ByteRegion Utf8(string text) => Copy(Encoding.UTF8.GetBytes(text));

    /// <summary>The bytes from <paramref name="start"/> on, at most <paramref name="limit"/> of them.</summary>
    public ReadOnlySpan<byte> Window(long start, int limit = int.MaxValue) =>
        start >= Count ? default : Storage!.Slice(Offset + start, (int)Math.Min(limit, Count - start));

    /// <summary>Copies all bytes to the start of <paramref name="target"/>, which must be at least as long.</summary>
    public void CopyTo(Storage target)
    {
        const int step = 1 << 30;
        for (long at = 0; at < Count; at += step)
        {
            ReadOnlySpan<byte> source = Window(at, step);
            source.CopyTo(target.Slice(at, source.Length));
        }
    }

    /// <summary>The bytes as text; false where they are not UTF-8 or exceed 1 GiB.</summary>
    public bool TryGetText(out string text)
    {
        text = "";
        if (Count > 1 << 30) return false;
        try
        {
            text = Strict.GetString(Window(0));
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }
}
