using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Parallax;

/// <summary>
/// A dense row-major array of one element type. Numeric elements lie in a <see cref="Storage"/>; strings in a managed array.
/// The dims never change; the elements may be written through <see cref="Span{T}"/>. Reading from many threads is safe.
/// </summary>
public sealed class Tensor : Datum, IDisposable
{
    private readonly long[] dims;
    private readonly string[]? strings;
    private readonly bool ownsStorage;

    /// <summary>A tensor over bytes that lie at <paramref name="byteOffset"/> of <paramref name="storage"/>.</summary>
    /// <param name="ownsStorage">Whether disposing the tensor disposes the storage.</param>
    public Tensor(DType type, ReadOnlySpan<long> dims, Storage storage, long byteOffset = 0, bool ownsStorage = false)
    {
        if (type.BitWidth() == 0) throw new ArgumentException($"a {type} tensor has no storage", nameof(type));
        DType = type;
        this.dims = dims.ToArray();
        ElementCount = Shape.Count(dims);
        ArgumentOutOfRangeException.ThrowIfNegative(byteOffset);
        if (byteOffset + ByteCount > storage.ByteCount)
            throw new ArgumentException($"{type}{Shape.ToString(dims)} takes {ByteCount} bytes; the storage has {storage.ByteCount - byteOffset}", nameof(storage));
        Storage = storage;
        ByteOffset = byteOffset;
        this.ownsStorage = ownsStorage;
    }

    private Tensor(ReadOnlySpan<long> dims, string[] strings)
    {
        DType = DType.String;
        this.dims = dims.ToArray();
        ElementCount = Shape.Count(dims);
        if (ElementCount != strings.Length) throw new ArgumentException($"{strings.Length} strings do not fill shape {Shape.ToString(dims)}", nameof(strings));
        this.strings = strings;
    }

    public DType DType { get; }

    public ReadOnlySpan<long> Dims => dims;

    public Shape Shape => Shape.Of(dims);

    public int Rank => dims.Length;

    public long ElementCount { get; }

    /// <summary>Bytes of the elements; 0 for strings.</summary>
    public long ByteCount => DType.ByteCount(ElementCount);

    /// <summary>Where the elements lie; null for strings.</summary>
    public Storage? Storage { get; }

    public long ByteOffset { get; }

    /// <summary>Address of the first element; 0 for strings.</summary>
    public nint Address => Storage is null ? 0 : Storage.Address + (nint)ByteOffset;

    /// <summary>The elements of a string tensor.</summary>
    public Span<string> Strings => strings ?? throw new InvalidOperationException($"a {DType} tensor has no strings");

    /// <summary>The bytes of the elements; at most 2 GiB.</summary>
    public Span<byte> Bytes => Storage is null ? throw new InvalidOperationException("a string tensor has no bytes") : Storage.Slice(ByteOffset, checked((int)ByteCount));

    /// <summary>The elements in row-major order. <typeparamref name="T"/> must be the type that stores <see cref="DType"/>; a bool may also be read as byte.</summary>
    public Span<T> Span<T>() where T : unmanaged
    {
        if (DTypes.Of<T>() != DType && !(DType == DType.Bool && typeof(T) == typeof(byte)))
            throw new InvalidOperationException($"the tensor holds {DType}, not {typeof(T).Name}");
        return MemoryMarshal.Cast<byte, T>(Bytes);
    }

    /// <summary>The elements as a span with the tensor's shape.</summary>
    public TensorSpan<T> AsTensorSpan<T>() where T : unmanaged
    {
        Span<T> span = Span<T>();
        var lengths = new nint[dims.Length];
        for (int i = 0; i < dims.Length; i++) lengths[i] = (nint)dims[i];
        return new TensorSpan<T>(span, lengths);
    }

    /// <summary>A new tensor with undefined contents (empty strings for <see cref="DType.String"/>).</summary>
    public static Tensor Allocate(DType type, ReadOnlySpan<long> dims)
    {
        long count = Shape.Count(dims);
        if (type != DType.String) return new Tensor(type, dims, Storage.AllocateUninitialized(type.ByteCount(count)));
        var strings = new string[count];
        Array.Fill(strings, "");
        return new Tensor(dims, strings);
    }

    /// <summary>A new tensor of zeros.</summary>
    public static Tensor Zeros(DType type, ReadOnlySpan<long> dims) =>
        new(type, dims, Storage.Allocate(type.ByteCount(Shape.Count(dims))));

    /// <summary>A new tensor with a copy of <paramref name="values"/>, whose count must be the product of <paramref name="dims"/>.</summary>
    public static Tensor From<T>(ReadOnlySpan<T> values, ReadOnlySpan<long> dims) where T : unmanaged
    {
        if (Shape.Count(dims) != values.Length) throw new ArgumentException($"{values.Length} values do not fill shape {Shape.ToString(dims)}", nameof(values));
        Tensor tensor = Allocate(DTypes.Of<T>(), dims);
        values.CopyTo(tensor.Span<T>());
        return tensor;
    }

    /// <inheritdoc cref="From{T}(ReadOnlySpan{T}, ReadOnlySpan{long})"/>
    public static Tensor From<T>(T[] values, ReadOnlySpan<long> dims) where T : unmanaged => From((ReadOnlySpan<T>)values, dims);

    /// <summary>A copy of a tensor span.</summary>
    public static Tensor From<T>(scoped in ReadOnlyTensorSpan<T> values) where T : unmanaged
    {
        var dims = new long[values.Rank];
        for (int i = 0; i < dims.Length; i++) dims[i] = values.Lengths[i];
        Tensor tensor = Allocate(DTypes.Of<T>(), dims);
        values.FlattenTo(tensor.Span<T>());
        return tensor;
    }

    /// <summary>A rank-0 tensor.</summary>
    public static Tensor Scalar<T>(T value) where T : unmanaged => From([value], []);

    /// <summary>A tensor over the given strings, which are not copied.</summary>
    public static Tensor FromStrings(string[] values, ReadOnlySpan<long> dims) => new(dims, values);

    /// <summary>The same elements under other dims of the same count; shares the storage and does not own it.</summary>
    public Tensor Reshape(ReadOnlySpan<long> newDims)
    {
        if (Shape.Count(newDims) != ElementCount) throw new ArgumentException($"{Shape.ToString(dims)} cannot be reshaped to {Shape.ToString(newDims)}", nameof(newDims));
        return strings is null ? new Tensor(DType, newDims, Storage!, ByteOffset) : new Tensor(newDims, strings);
    }

    /// <summary>A copy in memory of its own.</summary>
    public Tensor Clone()
    {
        if (strings is not null) return new Tensor(dims, (string[])strings.Clone());
        Tensor copy = Allocate(DType, dims);
        for (long offset = 0; offset < ByteCount; offset += 1 << 30)
        {
            int count = (int)Math.Min(1 << 30, ByteCount - offset);
            Storage!.Slice(ByteOffset + offset, count).CopyTo(copy.Storage!.Slice(offset, count));
        }
        return copy;
    }

    public void Dispose()
    {
        if (ownsStorage) Storage!.Dispose();
    }

    public override string ToString() => $"{DType}{Shape.ToString(dims)}";
}
