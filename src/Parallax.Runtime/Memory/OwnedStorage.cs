namespace Parallax.Runtime.Memory;

/// <summary>Memory outside the collector's heap, freed when disposed or, if forgotten, when collected.</summary>
internal abstract unsafe class OwnedStorage : Storage
{
    private nint address;

    private protected OwnedStorage(nint address, long byteCount)
    {
        (this.address, ByteCount) = (address, byteCount);
        GC.AddMemoryPressure(Pressure);
    }

    ~OwnedStorage() => Free();

    public override nint Address => address != 0 ? address : throw new ObjectDisposedException(GetType().Name, "the tensor's memory was given back");

    public override long ByteCount { get; }

    /// <summary>An empty storage takes memory, too.</summary>
    private long Pressure => Math.Max(ByteCount, Alignment);

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

    private protected abstract void Free(nint address);

    private void Free()
    {
        if (address == 0) return;
        Free(address);
        address = 0;
        GC.RemoveMemoryPressure(Pressure);
    }
}
