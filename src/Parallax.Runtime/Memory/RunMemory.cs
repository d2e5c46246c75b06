namespace Parallax.Runtime.Memory;

/// <summary>Memory of values whose size is known only while a run goes on.</summary>
internal static class RunMemory
{
    /// <summary>Below this, the garbage collector's own memory is cheaper than native memory with a finalizer.</summary>
    private const long SmallBytes = 4096;

    internal static Tensor Allocate(DType type, ReadOnlySpan<long> dims) => IsManaged(type, dims)
        ? Tensor.Allocate(type, dims)
        : new Tensor(type, dims, new NativeStorage(type.ByteCount(Shape.Count(dims))), ownsStorage: true);

    internal static bool IsManaged(DType type, ReadOnlySpan<long> dims) => type == DType.String || type.ByteCount(Shape.Count(dims)) <= SmallBytes;

    /// <summary>One more holder of a datum's memory, where that belongs to a run.</summary>
    internal static void Hold(Datum? datum)
    {
        if (datum is Tensor { Storage: RunBlock block }) block.Hold();
    }

    /// <summary>One holder less.</summary>
    internal static void LetGo(Datum? datum)
    {
        if (datum is Tensor { Storage: RunBlock block }) block.LetGo();
    }

    /// <summary>A datum that outlives the run: copies where memory belongs to the run or to a result, or is borrowed. Sequences always hold such data.</summary>
    internal static Datum Detach(Datum datum) => datum switch
    {
        Tensor { Storage: RunBlock or BorrowedStorage or OutputStorage } tensor => Copy(tensor),
        TensorSequence sequence when !IsDetached(sequence) => new TensorSequence(sequence.ElementType, [.. sequence.Items.Select(Detach)]),
        OptionalDatum { Value: { } value } when !IsDetached(value) => new OptionalDatum(Detach(value)),
        _ => datum,
    };

    private static bool IsDetached(Datum datum)
    {
        if (datum is OptionalDatum optional) return optional.Value is null || IsDetached(optional.Value);
        if (datum is not TensorSequence sequence) return datum is not Tensor { Storage: RunBlock or BorrowedStorage or OutputStorage };
        foreach (Datum item in sequence.Items)
            if (!IsDetached(item)) return false;
        return true;
    }

    private static Tensor Copy(Tensor tensor)
    {
        if (tensor.Storage is null) return tensor.Clone();
        Tensor copy = Allocate(tensor.DType, tensor.Dims);
        CopyBytes(tensor, copy);
        return copy;
    }

    internal static unsafe void CopyBytes(Tensor from, Tensor to) =>
        Buffer.MemoryCopy((void*)from.Address, (void*)to.Address, to.ByteCount, from.ByteCount);
}
