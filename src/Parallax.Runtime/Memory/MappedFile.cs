using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Parallax.Onnx;

namespace Parallax.Runtime;

/// <summary>
/// A file mapped into memory, read-only: its pages are read when they are touched and shared with the operating system's cache.
/// Writing through <see cref="Slice"/> faults. The file must not be shortened while it is mapped. Unmapped by <see cref="Dispose"/>,
/// or when nothing refers to the storage any more.
/// </summary>
public sealed unsafe partial class MappedFile : Storage
{
    /// <summary>MADV_DONTNEED, on Linux as on macOS.</summary>
    private const int DontNeed = 4;

    private readonly SafeMemoryMappedViewHandle view; // unmaps in its own finalizer

    private MappedFile(SafeMemoryMappedViewHandle view, long byteCount)
    {
        this.view = view;
        Address = view.DangerousGetHandle();
        ByteCount = byteCount;
    }

    public override nint Address { get; }

    public override long ByteCount { get; }

    /// <summary>Maps a whole file.</summary>
    /// <exception cref="InvalidModelException">The file is missing, empty or cannot be mapped; the message names the path.</exception>
    public static MappedFile Open(string path)
    {
        using FileStream stream = ModelSource.OpenStream(path);
        try
        {
            long byteCount = stream.Length;
            using var file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            // The accessor must not be disposed of: that would unmap the view. Its handle keeps the view on its own.
            MemoryMappedViewAccessor accessor = file.CreateViewAccessor(0, byteCount, MemoryMappedFileAccess.Read);
            return new MappedFile(accessor.SafeMemoryMappedViewHandle, byteCount);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new InvalidModelException($"{path}: cannot be mapped ({error.Message})", error);
        }
    }

    /// <summary>A model file and the external files beside it, all mapped.</summary>
    /// <inheritdoc cref="Open"/>
    public static ModelSource OpenModel(string path) => ModelSource.FromFile(path, Open);

    public override Span<byte> Slice(long offset, int count)
    {
        ObjectDisposedException.ThrowIf(view.IsClosed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, ByteCount - count);
        return new Span<byte>((byte*)Address + offset, count);
    }

    /// <inheritdoc/>
    public override void Release(long offset, long count)
    {
        if (OperatingSystem.IsWindows() || view.IsClosed) return;
        // Whole pages of the range only: the ends belong to its neighbours too. The pages stay in the system's cache.
        long page = Environment.SystemPageSize, from = (offset + page - 1) / page * page, to = (offset + count) / page * page;
        if (to > from) _ = Advise(Address + (nint)from, (nuint)(to - from), DontNeed);
    }

    public override void Dispose()
    {
        view.Dispose();
        base.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
