using Parallax.Runtime;

namespace Parallax.OpenCL.Regions;

/// <summary>Arenas in memory that the CPU and a device share.</summary>
internal sealed class ClArenas(ClContext context) : IArenaAllocator
{
    public Storage Allocate(long byteCount) => new ClArena(context.Allocate(byteCount));
}

/// <summary>An arena in shared virtual memory.</summary>
internal sealed unsafe class ClArena(ClBuffer buffer) : Storage
{
    internal ClBuffer Buffer => buffer;

    public override nint Address => buffer.Address;

    public override long ByteCount => buffer.ByteCount;

    public override Span<byte> Slice(long offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, ByteCount);
        return new Span<byte>((byte*)Address + offset, count);
    }

    public override void Dispose()
    {
        buffer.Dispose();
        base.Dispose();
    }
}
