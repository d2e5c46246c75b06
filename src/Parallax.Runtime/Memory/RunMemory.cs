namespace Parallax.Runtime.Memory;

/// <summary>Memory of values whose size is known only while a run goes on, and of results.</summary>
internal static class RunMemory
{
    /// <summary>Below this, the garbage collector's own memory is cheaper than native memory with a finalizer.</summary>
    private const long SmallBytes = 4096;

    internal static Tensor Allocate(DType type, ReadOnlySpan<long> dims)
    {
        if (type == DType.String || type.ByteCount(Shape.Count(dims)) <= SmallBytes) return Tensor.Allocate(type, dims);
        return new Tensor(type, dims, new NativeStorage(type.ByteCount(Shape.Count(dims))), ownsStorage: true);
    }

    /// <summary>A datum that outlives the step: a copy where its memory is borrowed from an arena.</summary>
    internal static Datum Keep(Datum datum) => datum is Tensor { Storage: BorrowedStorage } tensor ? Copy(tensor) : datum;

    internal static Tensor Copy(Tensor tensor)
    {
        if (tensor.Storage is null) return tensor.Clone();
        Tensor copy = Allocate(tensor.DType, tensor.Dims);
        CopyBytes(tensor, copy);
        return copy;
    }

    internal static unsafe void CopyBytes(Tensor from, Tensor to) =>
        Buffer.MemoryCopy((void*)from.Address, (void*)to.Address, to.ByteCount, from.ByteCount);
}
