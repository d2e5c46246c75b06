using Parallax.OpenCL.Native;

namespace Parallax.OpenCL;

/// <summary>
/// Memory that a device's kernels use: shared virtual memory with an address, or, under <see cref="ClSharing.Copied"/>, an object of the device's own without
/// one. Disposing waits for the commands that were enqueued before.
/// </summary>
internal sealed class ClBuffer : IDisposable
{
    private readonly ClContext context;
    private readonly ClHandle handle;

    internal ClBuffer(ClContext context, ClHandle handle, long byteCount)
    {
        this.context = context;
        this.handle = handle;
        ByteCount = byteCount;
    }

    internal long ByteCount { get; }

    /// <summary>The address that host and device share; 0 under <see cref="ClSharing.Copied"/>.</summary>
    internal nint Address => handle is ClSvmHandle ? handle.Value : 0;

    /// <summary>The device's name for the memory: an address, or an object under <see cref="ClSharing.Copied"/>.</summary>
    internal nint Base => handle.Value;

    internal bool BelongsTo(ClContext other) => context == other;

    public void Dispose()
    {
        if (handle.IsClosed) return;
        context.Forget(this);
        handle.Dispose();
    }
}

/// <summary>Where a tensor lies: at an offset of a buffer, or, without a buffer, at an address of shared virtual memory. The default value is nowhere.</summary>
internal readonly record struct ClAddress(ClBuffer? Buffer, long Offset)
{
    internal bool IsNone => Buffer is null && Offset == 0;

    public static implicit operator ClAddress(ClBuffer buffer) => new(buffer, 0);

    /// <summary>An address of shared virtual memory, e.g. one inside an arena.</summary>
    public static implicit operator ClAddress(nint address) => new(null, address);
}
