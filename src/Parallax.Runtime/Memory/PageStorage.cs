namespace Parallax.Runtime.Memory;

/// <summary>
/// Whole pages of the system's, zeroed, which it gets back when they are disposed or, if forgotten, collected. For values that come and go while a model is loaded: what a process gives back to its
/// heap stays resident there as holes between what it keeps.
/// </summary>
internal sealed unsafe class PageStorage : Storage
{
    /// <summary>Smaller values are left to the heap: there is hardly a page in them that is not touched.</summary>
    internal const long LeastBytes = 64 << 10;

    private nint address;

    private PageStorage(nint address, long byteCount)
    {
        (this.address, ByteCount) = (address, byteCount);
        GC.AddMemoryPressure(byteCount);
    }

    ~PageStorage() => Free();

    public override nint Address => address != 0 ? address : throw new ObjectDisposedException(nameof(PageStorage), "the tensor's memory was given back");

    public override long ByteCount { get; }

    /// <summary>Null where the system refuses.</summary>
    internal static PageStorage? TryAllocate(long byteCount)
    {
        nint address = AddressSpace.Reserve(byteCount);
        if (address == 0) return null;
        if (AddressSpace.Commit(address, byteCount)) return new PageStorage(address, byteCount);
        AddressSpace.Free(address, byteCount);
        return null;
    }

    public override Span<byte> Slice(long offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, ByteCount);
        return new Span<byte>((byte*)Address + offset, count);
    }

    public override void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (address == 0) return;
        AddressSpace.Free(address, ByteCount);
        address = 0;
        GC.RemoveMemoryPressure(ByteCount);
    }
}
