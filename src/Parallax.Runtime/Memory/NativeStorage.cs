using System.Runtime.InteropServices;

namespace Parallax.Runtime.Memory;

/// <summary>Uninitialized native memory, 64-byte aligned, freed when disposed or, if forgotten, when collected.</summary>
internal sealed unsafe class NativeStorage : Storage
{
    private void* address;

    internal NativeStorage(long byteCount)
    {
        ByteCount = byteCount;
        address = NativeMemory.AlignedAlloc((nuint)Math.Max(byteCount, Alignment), Alignment);
        GC.AddMemoryPressure(Math.Max(byteCount, Alignment));
    }

    ~NativeStorage() => Free();

    public override nint Address => address != null ? (nint)address : throw new ObjectDisposedException(nameof(NativeStorage), "the tensor's memory was given back");

    public override long ByteCount { get; }

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
        if (address == null) return;
        NativeMemory.AlignedFree(address);
        address = null;
        GC.RemoveMemoryPressure(Math.Max(ByteCount, Alignment));
    }
}

/// <summary>A window on memory that someone else owns and keeps alive: an arena, a caller's buffer.</summary>
internal sealed unsafe class BorrowedStorage(nint address, long byteCount) : Storage
{
    public override nint Address => address;

    public override long ByteCount => byteCount;

    public override Span<byte> Slice(long offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, byteCount);
        return new Span<byte>((byte*)address + offset, count);
    }
}
