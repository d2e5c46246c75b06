using System.Globalization;
using System.Runtime.InteropServices;

namespace Parallax.Onnx;

/// <summary>From a <see cref="TensorProto"/> to the <see cref="Tensor"/> that it describes.</summary>
internal static class TensorDecoder
{
    private const long LargeBytes = 64 << 10;

    /// <summary>Architectures on which plain loads, scalar and vector, work at any address.</summary>
    private static readonly bool ReadsUnaligned = RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86 or Architecture.Arm64;

    internal static Tensor Decode(TensorProto proto, ModelSource? source, string role)
    {
        string what = $"{role} '{OneLine(proto.Name)}'"; // a message is one line
        if (proto.DataType == DType.Undefined) throw new InvalidModelException($"{what}: expected an element type, but none is given");
        if (proto.IsSegment) throw new InvalidModelException($"{what}: expected a whole tensor, but this is one segment of it");
        (long elements, long bytes) = Measure(proto.DataType, proto.Dims, what);
        if (proto.DataType == DType.String) return Strings(proto, elements, what);
        if (proto.IsExternal) return Over(proto, External(proto, bytes, source, what), bytes, "", what);
        if (!proto.RawData.IsEmpty) return Over(proto, proto.RawData, bytes, "raw_data", what);
        return TensorProto.TypedField(proto.DataType) switch
        {
            4 => Over(proto, proto.TypedData, bytes, "float_data", what),
            10 => Over(proto, proto.TypedData, bytes, "double_data", what),
            _ => Varints(proto, bytes, what),
        };
    }

    /// <summary>The library's replacement is not called where there is nothing to replace: its search would be compiled at every start.</summary>
    private static string OneLine(string name)
    {
        foreach (char c in name)
            if (c is < ' ' or '\u0085' or '\u2028' or '\u2029') return name.ReplaceLineEndings(" ");
        return name;
    }

    /// <summary>Elements and bytes that a type and dims ask for.</summary>
    internal static (long Elements, long Bytes) Measure(DType type, long[] dims, string what)
    {
        foreach (long dim in dims)
            if (dim < 0) throw new InvalidModelException($"{what}: expected dims of at least 0, got {Describe(type, dims)}");
        try
        {
            // A dim of 0 must not hide others that strides would overflow on.
            type.ByteCount(Shape.Count(Array.ConvertAll(dims, dim => Math.Max(dim, 1))));
            long elements = Shape.Count(dims);
            return (elements, type.ByteCount(elements));
        }
        catch (OverflowException)
        {
            throw new InvalidModelException($"{what}: expected a tensor of fewer than 2^63 bits, got {Describe(type, dims)}");
        }
    }

    internal static string Describe(DType type, long[] dims) => $"{type.ToString().ToLowerInvariant()}{Shape.ToString(dims)}";

    /// <summary>A tensor over the bytes of a region where they can be used as they lie, else over a copy.</summary>
    private static Tensor Over(TensorProto proto, ByteRegion region, long bytes, string field, string what)
    {
        if (region.Count != bytes)
            throw new InvalidModelException($"{what}: {Describe(proto.DataType, proto.Dims)} needs {bytes} bytes, {field} holds {region.Count}");
        if (bytes == 0) return Tensor.Allocate(proto.DataType, proto.Dims);
        if (CanLieAt(region, proto.DataType) && (proto.DataType != DType.Bool || AreBools(region)))
            return new Tensor(proto.DataType, proto.Dims, region.Storage!, region.Offset);
        Tensor copy = Tensor.Allocate(proto.DataType, proto.Dims);
        region.CopyTo(copy.Storage!);
        if (proto.DataType == DType.Bool)
            foreach (ref byte value in copy.Bytes) value = value == 0 ? (byte)0 : (byte)1;
        return copy;
    }

    /// <summary>
    /// Whether elements can be read where they lie. Files align nothing. Small tensors are worth a copy to where vectors do not straddle cache lines; large
    /// ones would stand in memory twice, and are read in their order, where it costs next to nothing.
    /// </summary>
    private static bool CanLieAt(ByteRegion region, DType type)
    {
        int alignment = Math.Clamp(type.BitWidth() / 8, 1, 8);
        return (region.Storage!.Address + (nint)region.Offset) % alignment == 0 || (region.Count >= LargeBytes && ReadsUnaligned);
    }

    /// <summary>Whether every byte is 0 or 1; others would be neither true nor false to a kernel.</summary>
    private static bool AreBools(ByteRegion region)
    {
        const int step = 1 << 30;
        for (long at = 0; at < region.Count; at += step)
            if (region.Window(at, step).ContainsAnyExceptInRange((byte)0, (byte)1)) return false;
        return true;
    }

    private static Tensor Strings(TensorProto proto, long elements, string what)
    {
        if (proto.IsExternal || !proto.RawData.IsEmpty) throw new InvalidModelException($"{what}: expected strings in string_data, but they are given as bytes");
        if (proto.StringData.Count != elements)
            throw new InvalidModelException($"{what}: {Describe(DType.String, proto.Dims)} needs {elements} strings, string_data holds {proto.StringData.Count}");
        var strings = new string[elements];
        for (int i = 0; i < strings.Length; i++)
            if (!proto.StringData[i].TryGetText(out strings[i])) throw new InvalidModelException($"{what}: expected UTF-8 text in string {i}");
        return Tensor.FromStrings(strings, proto.Dims);
    }

    private static Tensor Varints(TensorProto proto, long bytes, string what)
    {
        DType type = proto.DataType;
        string field = TensorProto.TypedField(type) switch { 5 => "int32_data", 7 => "int64_data", _ => "uint64_data" };
        // Types below a byte come packed: a byte's worth of elements in each value.
        long needed = type.IsSubByte() ? bytes : bytes / type.ElementBytes();
        long found = CountVarints(proto.TypedData);
        if (found != needed)
            throw new InvalidModelException(found == 0
                ? $"{what}: {Describe(type, proto.Dims)} needs {bytes} bytes, the file holds 0"
                : $"{what}: {Describe(type, proto.Dims)} needs {needed} values, {field} holds {found}");
        if (bytes > int.MaxValue) throw new InvalidModelException($"{what}: expected at most 2 GiB in {field}, got {bytes} bytes");
        Tensor tensor = Tensor.Allocate(type, proto.Dims);
        var reader = new WireReader(proto.TypedData, what, field);
        switch (type)
        {
            case DType.Int64 or DType.UInt64: Fill(ref reader, Cells<ulong>(tensor), static v => v, long.MinValue, long.MaxValue); break;
            case DType.UInt32: Fill(ref reader, Cells<uint>(tensor), static v => (uint)v, 0, uint.MaxValue); break;
            case DType.Int32: Fill(ref reader, Cells<int>(tensor), static v => (int)v, long.MinValue, long.MaxValue); break;
            case DType.Bool: Fill(ref reader, tensor.Bytes, static v => v == 0 ? (byte)0 : (byte)1, long.MinValue, long.MaxValue); break;
            case DType.Int16: Fill(ref reader, Cells<short>(tensor), static v => (short)v, short.MinValue, short.MaxValue); break;
            case DType.UInt16 or DType.Float16 or DType.BFloat16:
                Fill(ref reader, Cells<ushort>(tensor), static v => (ushort)v, short.MinValue, ushort.MaxValue);
                break;
            default: Fill(ref reader, tensor.Bytes, static v => (byte)v, sbyte.MinValue, byte.MaxValue); break;
        }
        if (reader.Remaining > 0) reader.Varint(); // one that never ends, and was not counted: throws
        return tensor;
    }

    private static Span<T> Cells<T>(Tensor tensor) where T : unmanaged => MemoryMarshal.Cast<byte, T>(tensor.Bytes);

    /// <summary>Reads one varint for each cell; the bounds are those of the values that a cell can hold, with or without sign.</summary>
    private static void Fill<T>(ref WireReader reader, Span<T> cells, Func<ulong, T> convert, long least, long most)
    {
        for (int i = 0; i < cells.Length; i++)
        {
            ulong value = reader.Varint();
            if ((long)value < least || (long)value > most) throw reader.Malformed($"a value from {least} to {most}, not {(long)value}");
            cells[i] = convert(value);
        }
    }

    /// <summary>How many varints end in the region: as many as there are bytes without the continuation bit.</summary>
    private static long CountVarints(ByteRegion region)
    {
        const int step = 1 << 30;
        long count = 0;
        for (long at = 0; at < region.Count; at += step)
            foreach (byte value in region.Window(at, step)) count += (value >> 7) ^ 1;
        return count;
    }

    private static ByteRegion External(TensorProto proto, long bytes, ModelSource? source, string what)
    {
        string location = Entry(proto, "location") ?? throw new InvalidModelException($"{what}: expected the location of its external data, but none is given");
        if (source is null) throw new InvalidModelException($"{what}: lies in external file '{location}', which cannot be reached from here");
        long offset = Number(proto, "offset", what) ?? 0;
        long length = Number(proto, "length", what) ?? bytes;
        if (length != bytes)
            throw new InvalidModelException($"{what}: {Describe(proto.DataType, proto.Dims)} needs {bytes} bytes, the length given is {length}");
        if (bytes == 0) return default;
        Storage file = source.OpenExternal(location, what);
        long held = Math.Max(0, file.ByteCount - offset);
        if (held < bytes)
            throw new InvalidModelException($"{what}: {Describe(proto.DataType, proto.Dims)} needs {bytes} bytes, the file holds {held}"
                + $" ('{location}'{(offset == 0 ? "" : $" from byte {offset}")})");
        return new ByteRegion(file, offset, bytes);
    }

    private static string? Entry(TensorProto proto, string key)
    {
        foreach (StringStringEntry entry in proto.ExternalData)
            if (entry.Key == key) return entry.Value;
        return null;
    }

    private static long? Number(TensorProto proto, string key, string what)
    {
        if (Entry(proto, key) is not { } text) return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value)
            ? value
            : throw new InvalidModelException($"{what}: expected a number of bytes as external {key}, got '{text}'");
    }
}

/// <summary>From a <see cref="SparseTensorProto"/> to a dense <see cref="Tensor"/>.</summary>
internal static class SparseDecoder
{
    internal static Tensor Decode(SparseTensorProto proto, ModelSource? source, string role)
    {
        string what = $"{role} '{proto.Values.Name}'";
        DType type = proto.Values.DataType;
        if (type.BitWidth() < 8) throw new InvalidModelException($"{what}: expected elements of whole bytes, got {type}");
        (long elements, long bytes) = TensorDecoder.Measure(type, proto.Dims, what);
        if (bytes > int.MaxValue) throw new InvalidModelException($"{what}: expected at most 2 GiB, {TensorDecoder.Describe(type, proto.Dims)} has {bytes} bytes");
        Tensor values = proto.Values.ToTensor(source, role), indices = proto.Indices.ToTensor(source, role + " indices");
        long count = values.ElementCount;
        if (count > elements) throw new InvalidModelException($"{what}: expected at most the {elements} elements of {TensorDecoder.Describe(type, proto.Dims)}, got {count} values");
        bool linear = indices.Rank == 1;
        long[] expected = linear ? [count] : [count, proto.Dims.Length];
        if (indices.DType != DType.Int64 || !indices.Dims.SequenceEqual(expected))
            throw new InvalidModelException($"{what}: expected indices {TensorDecoder.Describe(DType.Int64, expected)}, got {indices}");
        Tensor dense = Tensor.Zeros(type, proto.Dims);
        ReadOnlySpan<long> positions = indices.Span<long>();
        long[] strides = Shape.Strides(proto.Dims);
        int size = type.ElementBytes(), rank = proto.Dims.Length;
        for (int i = 0; i < count; i++)
        {
            long at = linear ? InRange(positions[i], elements, what) : Position(positions.Slice(i * rank, rank), proto.Dims, strides, what);
            values.Bytes.Slice(i * size, size).CopyTo(dense.Bytes.Slice((int)at * size, size));
        }
        return dense;
    }

    private static long Position(ReadOnlySpan<long> coordinates, long[] dims, long[] strides, string what)
    {
        long at = 0;
        for (int axis = 0; axis < coordinates.Length; axis++) at += InRange(coordinates[axis], dims[axis], what) * strides[axis];
        return at;
    }

    private static long InRange(long index, long count, string what) =>
        index >= 0 && index < count ? index : throw new InvalidModelException($"{what}: expected indices from 0 to {count - 1}, got {index}");
}
