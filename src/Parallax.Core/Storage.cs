using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Parallax;

/// <summary>
/// Bytes at a fixed address: a pinned array, native memory, a mapped file, an arena, device memory that the CPU can see.
/// The bytes stay valid until the storage is disposed (or, where nothing native is held, collected). Not thread-safe to dispose while in use.
/// </summary>
public abstract class Storage : IDisposable
{
    /// <summary>Alignment of every storage that the library allocates, in bytes: a cache line and an AVX-512 vector.</summary>
    public const int Alignment = 64;

    /// <summary>Address of the first byte.</summary>
    public abstract nint Address { get; }

    public abstract long ByteCount { get; }

    /// <summary>A window of at most 2 GiB.</summary>
    public abstract Span<byte> Slice(long offset, int count);

    /// <summary>Says that a range will hardly be read again: memory that can be had back from elsewhere, such as pages of a mapped file, need not stay resident. Contents do not change.</summary>
    public virtual void Release(long offset, long count)
    {
    }

    public virtual void Dispose() => GC.SuppressFinalize(this);

    /// <summary>Fresh, zeroed, 64-byte-aligned memory owned by the garbage collector: nothing to dispose.</summary>
    public static Storage Allocate(long byteCount) => new PinnedArray(byteCount, zeroed: true);

    /// <summary>As <see cref="Allocate"/>, with undefined contents.</summary>
    public static Storage AllocateUninitialized(long byteCount) => new PinnedArray(byteCount, zeroed: false);

    private sealed class PinnedArray : Storage
    {
        // Elements of 64 bytes, so that more than 2 GiB fit one array.
        [InlineArray(Alignment)]
        private struct Line
        {
            private byte first;
        }

        private readonly Line[] lines;
        private readonly int skip;

        internal PinnedArray(long byteCount, bool zeroed)
        {
            ByteCount = byteCount;
            int count = checked((int)((byteCount + Alignment - 1) / Alignment) + 1);
            lines = zeroed ? GC.AllocateArray<Line>(count, pinned: true) : GC.AllocateUninitializedArray<Line>(count, pinned: true);
            nint start = Marshal.UnsafeAddrOfPinnedArrayElement(lines, 0);
            skip = (int)((Alignment - (start & (Alignment - 1))) & (Alignment - 1));
            Address = start + skip;
        }

        public override nint Address { get; }

        public override long ByteCount { get; }

        public override Span<byte> Slice(long offset, int count)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(offset);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, ByteCount);
            return MemoryMarshal.CreateSpan(ref Unsafe.AddByteOffset(ref Unsafe.As<Line, byte>(ref MemoryMarshal.GetArrayDataReference(lines)), (nint)(skip + offset)), count);
        }
    }
}
