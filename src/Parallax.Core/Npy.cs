using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Parallax;

/// <summary>
/// NumPy's .npy files, versions 1 to 3. Read: bool, integers, floats, complex, and strings of fixed width (U, S), in C or Fortran order and
/// either byte order. Written: little-endian, C order, version 1; types that NumPy lacks are widened (bfloat16 and 8-bit floats to
/// float32, 2- and 4-bit integers to 8 bits).
/// </summary>
public static class Npy
{
    private const int ChunkBytes = 1 << 26, MaxHeaderBytes = 1 << 20;

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <exception cref="InvalidInputException">The file is absent, damaged or truncated, or of a type that no tensor has.</exception>
    public static Tensor Read(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            return Read(stream, path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: {failure.Message}", failure);
        }
    }

    /// <summary>Reads one array from where <paramref name="stream"/> stands.</summary>
    /// <param name="name">Names the stream in errors.</param>
    /// <exception cref="InvalidInputException">The data are damaged or truncated, or of a type that no tensor has.</exception>
    public static Tensor Read(Stream stream, string name = "npy stream")
    {
        if (!stream.CanSeek)
        {
            // A known length bounds what a damaged header can make us allocate.
            using var buffered = new MemoryStream();
            stream.CopyTo(buffered);
            buffered.Position = 0;
            return Read(buffered, name);
        }
        NpyHeader header = NpyHeader.Parse(ReadHeader(stream, name), name);
        long bytes = header.CheckSize(stream.Length - stream.Position, name);
        var raw = new Tensor(DType.UInt8, [bytes], Storage.AllocateUninitialized(bytes));
        foreach (Span<byte> chunk in new Chunks(raw))
            if (stream.ReadAtLeast(chunk, chunk.Length, throwOnEndOfStream: false) != chunk.Length)
                throw new InvalidInputException($"{name}: the file ends within its elements");
        if (header.IsBigEndian) ReverseElements(raw, header.SwapBytes);
        if (header.Type == DType.Bool) NormalizeBooleans(raw);
        Tensor ordered = header.IsFortran && header.Dims.Length > 1 ? ToRowMajor(raw, header) : raw;
        return header.Type == DType.String ? ReadStrings(ordered, header) : new Tensor(header.Type, header.Dims, ordered.Storage!);
    }

    /// <summary>Writes a file, by way of a temporary one in the same folder, so that no reader ever sees half of it.</summary>
    /// <exception cref="InvalidInputException">The file cannot be written there.</exception>
    public static void Write(string path, Tensor tensor)
    {
        string full = Path.GetFullPath(path), temporary = $"{full}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (FileStream stream = File.Create(temporary)) Write(stream, tensor);
            File.Move(temporary, full, overwrite: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: {failure.Message}", failure);
        }
        finally
        {
            if (File.Exists(temporary)) File.Delete(temporary);
        }
    }

    /// <summary>The tensor as a file holds it: itself, or a copy of the narrowest type of NumPy's that holds its elements.</summary>
    public static Tensor Widened(Tensor tensor) => NpyWidening.Widen(tensor);

    public static void Write(Stream stream, Tensor tensor)
    {
        if (tensor.DType == DType.String)
        {
            WriteStrings(stream, tensor);
            return;
        }
        Tensor written = NpyWidening.Widen(tensor);
        WriteHeader(stream, NpyHeader.Describe(written.DType), tensor.Dims);
        foreach (Span<byte> chunk in new Chunks(written)) stream.Write(chunk);
    }

    private static string ReadHeader(Stream stream, string name)
    {
        Span<byte> start = stackalloc byte[12];
        if (stream.ReadAtLeast(start[..8], 8, throwOnEndOfStream: false) != 8 || !start.StartsWith(Magic))
            throw new InvalidInputException($"{name}: not an .npy file (it does not start with \\x93NUMPY)");
        int version = start[6], sizeBytes = version == 1 ? 2 : 4;
        if (version is < 1 or > 3) throw new InvalidInputException($"{name}: .npy version {version}, expected 1 to 3");
        Span<byte> size = start.Slice(8, sizeBytes);
        uint length = stream.ReadAtLeast(size, sizeBytes, throwOnEndOfStream: false) != sizeBytes ? uint.MaxValue
            : version == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(size) : BinaryPrimitives.ReadUInt32LittleEndian(size);
        if (length > MaxHeaderBytes || length > stream.Length - stream.Position) throw new InvalidInputException($"{name}: the .npy header is cut off");
        var text = new byte[length];
        stream.ReadExactly(text);
        return (version == 3 ? Encoding.UTF8 : Encoding.Latin1).GetString(text);
    }

    private static void WriteHeader(Stream stream, string description, ReadOnlySpan<long> dims)
    {
        string shape = dims.Length == 1 ? $"{dims[0]}," : string.Join(", ", dims.ToArray());
        string text = $"{{'descr': '{description}', 'fortran_order': False, 'shape': ({shape}), }}";
        // The elements begin at a multiple of 64 bytes, as NumPy has it.
        int length = (10 + text.Length + 1 + 63) / 64 * 64 - 10;
        var size = new byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(size, (ushort)length);
        stream.Write(Magic);
        stream.Write([1, 0]);
        stream.Write(size);
        stream.Write(Encoding.Latin1.GetBytes(text.PadRight(length - 1) + "\n"));
    }

    private static void ReverseElements(Tensor raw, int elementBytes)
    {
        foreach (Span<byte> chunk in new Chunks(raw, elementBytes))
            for (int i = 0; i < chunk.Length; i += elementBytes) chunk.Slice(i, elementBytes).Reverse();
    }

    /// <summary>A file may hold any byte for true; a tensor holds 1.</summary>
    private static void NormalizeBooleans(Tensor raw)
    {
        foreach (Span<byte> chunk in new Chunks(raw))
            foreach (ref byte value in chunk) value = value == 0 ? (byte)0 : (byte)1;
    }

    private static Tensor ToRowMajor(Tensor raw, NpyHeader header)
    {
        int rank = header.Dims.Length, elementBytes = header.ElementBytes;
        Tensor ordered = Tensor.Allocate(DType.UInt8, raw.Dims);
        var strides = new long[rank];
        for (long axis = 0, stride = elementBytes; axis < rank; stride *= header.Dims[axis++]) strides[axis] = stride;
        var index = new long[rank];
        for (long to = 0, from = 0; to < raw.ByteCount; to += elementBytes)
        {
            raw.Storage!.Slice(from, elementBytes).CopyTo(ordered.Storage!.Slice(to, elementBytes));
            for (int axis = rank - 1; axis >= 0; axis--)
            {
                from += strides[axis];
                if (++index[axis] < header.Dims[axis]) break;
                from -= strides[axis] * index[axis];
                index[axis] = 0;
            }
        }
        return ordered;
    }

    private static Tensor ReadStrings(Tensor raw, NpyHeader header)
    {
        Tensor tensor = Tensor.Allocate(DType.String, header.Dims);
        Encoding encoding = header.IsUnicode ? Encoding.UTF32 : Encoding.UTF8;
        for (int i = 0; i < tensor.Strings.Length && header.ElementBytes > 0; i++)
            tensor.Strings[i] = encoding.GetString(raw.Storage!.Slice((long)i * header.ElementBytes, header.ElementBytes)).TrimEnd('\0');
        return tensor;
    }

    private static void WriteStrings(Stream stream, Tensor tensor)
    {
        int width = 1;
        foreach (string text in tensor.Strings) width = Math.Max(width, Encoding.UTF32.GetByteCount(text) / 4);
        WriteHeader(stream, $"<U{width}", tensor.Dims);
        var element = new byte[width * 4];
        foreach (string text in tensor.Strings)
        {
            Array.Clear(element);
            Encoding.UTF32.GetBytes(text, element);
            stream.Write(element);
        }
    }

    /// <summary>The bytes of a tensor in pieces, each a whole number of elements.</summary>
    private readonly struct Chunks(Tensor tensor, int elementBytes = 1)
    {
        public Enumerator GetEnumerator() => new(tensor, ChunkBytes / elementBytes * elementBytes);

        public struct Enumerator(Tensor tensor, int chunkBytes)
        {
            private long offset = -chunkBytes;

            public readonly Span<byte> Current => tensor.Storage!.Slice(tensor.ByteOffset + offset, (int)Math.Min(chunkBytes, tensor.ByteCount - offset));

            public bool MoveNext() => (offset += chunkBytes) < tensor.ByteCount;
        }
    }
}

/// <summary>What the header of an .npy file says.</summary>
internal sealed class NpyHeader
{
    public required DType Type { get; init; }

    public required long[] Dims { get; init; }

    public required int ElementBytes { get; init; }

    public bool IsFortran { get; init; }

    public bool IsBigEndian { get; init; }

    public bool IsUnicode { get; init; }

    /// <summary>Bytes of what is swapped as one number.</summary>
    public int SwapBytes => IsUnicode ? 4 : Type is DType.Complex64 or DType.Complex128 ? ElementBytes / 2 : ElementBytes;

    /// <summary>The type as NumPy describes it.</summary>
    public static string Describe(DType type) => type switch
    {
        DType.Bool => "|b1",
        DType.UInt8 => "|u1",
        DType.Int8 => "|i1",
        DType.Complex64 or DType.Complex128 => $"<c{type.ElementBytes()}",
        _ when type.IsFloat() => $"<f{type.ElementBytes()}",
        _ when type.IsUnsignedInteger() => $"<u{type.ElementBytes()}",
        _ => $"<i{type.ElementBytes()}",
    };

    public static NpyHeader Parse(string text, string name)
    {
        string description = Quoted(text, "descr") ?? throw Damaged(name, "'descr'", text);
        string order = After(text, "fortran_order") ?? throw Damaged(name, "'fortran_order'", text);
        (DType type, int size) = ParseType(description) ?? throw new InvalidInputException($"{name}: elements of type '{description}' are not supported");
        return new NpyHeader
        {
            Type = type,
            Dims = ParseShape(text) ?? throw Damaged(name, "'shape'", text),
            ElementBytes = size,
            IsFortran = order.StartsWith("True", StringComparison.Ordinal),
            IsBigEndian = description[0] == '>' && size > 1 && !description.Contains('S'),
            IsUnicode = description.Contains('U'),
        };
    }

    /// <summary>Bytes of all elements; throws where there are more than <paramref name="available"/>, or so many that they cannot be counted.</summary>
    public long CheckSize(long available, string name)
    {
        Int128 bytes = ElementBytes, elements = 1;
        foreach (long dim in Dims)
        {
            bytes *= dim;
            elements *= dim;
            if (bytes > long.MaxValue || elements > long.MaxValue) throw new InvalidInputException($"{name}: shape {Shape.ToString(Dims)} is too large");
        }
        if (bytes > available) throw new InvalidInputException($"{name}: shape {Shape.ToString(Dims)} needs {bytes} bytes, {available} left");
        // Strings of width zero take no bytes, so the file does not bound their number.
        if (Type == DType.String && elements > Math.Max(available, 1 << 20)) throw new InvalidInputException($"{name}: {elements} strings");
        return (long)bytes;
    }

    private static InvalidInputException Damaged(string name, string what, string text)
    {
        string line = text.Trim().ReplaceLineEndings(" ");
        return new($"{name}: the .npy header has no sound {what}: {line[..Math.Min(80, line.Length)]}");
    }

    /// <summary>The text behind <c>'key':</c>.</summary>
    private static string? After(string text, string key)
    {
        int at = text.IndexOf($"'{key}'", StringComparison.Ordinal);
        if (at < 0) return null;
        string rest = text[(at + key.Length + 2)..].TrimStart();
        return rest.StartsWith(':') ? rest[1..].TrimStart() : null;
    }

    private static string? Quoted(string text, string key)
    {
        string? rest = After(text, key);
        if (rest is null || !rest.StartsWith('\'')) return null;
        int end = rest.IndexOf('\'', 1);
        return end < 0 ? null : rest[1..end];
    }

    private static long[]? ParseShape(string text)
    {
        string? rest = After(text, "shape");
        int end = rest?.IndexOf(')') ?? -1;
        if (end < 0 || rest![0] != '(') return null;
        string[] parts = rest[1..end].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var dims = new long[parts.Length];
        for (int i = 0; i < dims.Length; i++)
            if (!long.TryParse(parts[i].TrimEnd('L'), System.Globalization.NumberStyles.None, null, out dims[i])) return null;
        return dims.Length <= 64 ? dims : null;
    }

    private static (DType Type, int Bytes)? ParseType(string description)
    {
        string plain = description.TrimStart('<', '>', '|', '=');
        if (plain.Length == description.Length - 1 || plain.Length == description.Length)
        {
            if (plain == "?") return (DType.Bool, 1);
            if (plain.Length > 1 && plain[0] is 'U' or 'S' && int.TryParse(plain[1..], System.Globalization.NumberStyles.None, null, out int width) && width < 1 << 26)
                return (DType.String, plain[0] == 'U' ? width * 4 : width);
        }
        DType type = plain switch
        {
            "b1" => DType.Bool,
            "i1" => DType.Int8,
            "i2" => DType.Int16,
            "i4" => DType.Int32,
            "i8" => DType.Int64,
            "u1" => DType.UInt8,
            "u2" => DType.UInt16,
            "u4" => DType.UInt32,
            "u8" => DType.UInt64,
            "f2" => DType.Float16,
            "f4" => DType.Float32,
            "f8" => DType.Float64,
            "c8" => DType.Complex64,
            "c16" => DType.Complex128,
            _ => DType.Undefined,
        };
        return type == DType.Undefined ? null : (type, type.ElementBytes());
    }
}

/// <summary>Turns tensors of types that NumPy lacks into the narrowest of its types that holds them.</summary>
internal static class NpyWidening
{
    /// <summary>The tensor itself where NumPy has its type.</summary>
    public static Tensor Widen(Tensor tensor) => tensor.DType switch
    {
        DType.BFloat16 => Floats<BFloat16>(tensor),
        DType.Float8E4M3FN => Floats<Float8E4M3FN>(tensor),
        DType.Float8E4M3FNUZ => Floats<Float8E4M3FNUZ>(tensor),
        DType.Float8E5M2 => Floats<Float8E5M2>(tensor),
        DType.Float8E5M2FNUZ => Floats<Float8E5M2FNUZ>(tensor),
        DType.Float8E8M0 => Floats<Float8E8M0>(tensor),
        DType.UInt4 or DType.Int4 or DType.UInt2 or DType.Int2 => Integers(tensor),
        DType.Float4E2M1 => Float4(tensor),
        _ => tensor,
    };

    private static Tensor Floats<T>(Tensor tensor) where T : unmanaged, INarrowFloat<T>
    {
        Tensor wide = Tensor.Allocate(DType.Float32, tensor.Dims);
        ReadOnlySpan<T> source = MemoryMarshal.Cast<byte, T>(tensor.Bytes);
        Span<float> target = wide.Span<float>();
        for (int i = 0; i < target.Length; i++) target[i] = T.Widen(source[i]);
        return wide;
    }

    private static Tensor Integers(Tensor tensor)
    {
        bool isSigned = tensor.DType.IsSignedInteger();
        Tensor wide = Tensor.Allocate(isSigned ? DType.Int8 : DType.UInt8, tensor.Dims);
        int bits = tensor.DType.BitWidth();
        for (int i = 0; i < wide.Bytes.Length; i++)
        {
            int code = Code(tensor, i, bits);
            wide.Bytes[i] = (byte)(isSigned && code >> (bits - 1) != 0 ? code - (1 << bits) : code);
        }
        return wide;
    }

    private static Tensor Float4(Tensor tensor)
    {
        ReadOnlySpan<float> magnitudes = [0, 0.5f, 1, 1.5f, 2, 3, 4, 6];
        Tensor wide = Tensor.Allocate(DType.Float32, tensor.Dims);
        Span<float> target = wide.Span<float>();
        for (int i = 0; i < target.Length; i++)
        {
            int code = Code(tensor, i, 4);
            target[i] = code > 7 ? -magnitudes[code & 7] : magnitudes[code];
        }
        return wide;
    }

    private static int Code(Tensor tensor, int index, int bits)
    {
        int perByte = 8 / bits;
        return (tensor.Bytes[index / perByte] >> (index % perByte * bits)) & ((1 << bits) - 1);
    }
}
