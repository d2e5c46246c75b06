using System.Runtime.InteropServices;

namespace Parallax.Runtime.Memory;

/// <summary>Uninitialized memory of the C library's heap, 64-byte aligned.</summary>
internal sealed unsafe class NativeStorage(long byteCount) : OwnedStorage((nint)NativeMemory.AlignedAlloc((nuint)Math.Max(byteCount, Alignment), Alignment), byteCount)
{
    private protected override void Free(nint address) => NativeMemory.AlignedFree((void*)address);
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
