using System.Runtime.InteropServices;

namespace Parallax.Suite;

/// <summary>
/// Memory of exactly <see cref="Length"/> elements whose neighbours are watched. On Linux the elements end right at an unreadable page
/// (or begin right behind one), so that one byte too far ends the process; elsewhere canaries on both sides are checked by
/// <see cref="Dispose"/>. The bytes between the start of the page and the elements are canaries everywhere.
/// </summary>
public sealed unsafe class GuardedBuffer<T> : IDisposable where T : unmanaged
{
    private const byte Canary = 0xA5;
    private readonly byte* mapping;
    private readonly nuint mappingBytes;
    private readonly byte* usable;
    private readonly int usableBytes;
    private readonly int headBytes;

    /// <param name="length">Elements.</param>
    /// <param name="guardBefore">Puts the first element right behind the unreadable page, instead of the last right before it.</param>
    public GuardedBuffer(int length, bool guardBefore = false)
    {
        Length = length;
        int page = Environment.SystemPageSize, bytes = length * sizeof(T);
        usableBytes = (bytes + page - 1) / page * page + page;
        mappingBytes = (nuint)(usableBytes + 2 * page);
        mapping = OperatingSystem.IsLinux() ? Map(page) : (byte*)NativeMemory.AlignedAlloc(mappingBytes, (nuint)page);
        usable = mapping + page;
        headBytes = guardBefore ? 0 : usableBytes - bytes;
        new Span<byte>(usable, usableBytes).Fill(Canary);
        Pointer = (T*)(usable + headBytes);
        Span.Clear();
    }

    public GuardedBuffer(ReadOnlySpan<T> values, bool guardBefore = false) : this(values.Length, guardBefore) => values.CopyTo(Span);

    public int Length { get; }

    public T* Pointer { get; }

    public Span<T> Span => new(Pointer, Length);

    /// <summary>Frees the memory. Throws where a canary was overwritten.</summary>
    public void Dispose()
    {
        bool intact = new Span<byte>(usable, headBytes).IndexOfAnyExcept(Canary) < 0
            && new Span<byte>((byte*)(Pointer + Length), (int)(usable + usableBytes - (byte*)(Pointer + Length))).IndexOfAnyExcept(Canary) < 0;
        if (OperatingSystem.IsLinux())
            _ = Libc.Unmap(mapping, mappingBytes);
        else
            NativeMemory.AlignedFree(mapping);
        if (!intact)
            throw new InvalidOperationException($"a kernel wrote outside of a buffer of {Length} {typeof(T).Name}");
    }

    private byte* Map(int page)
    {
        const int readWrite = 3, none = 0, privateAnonymous = 0x22;
        byte* at = Libc.Map(null, mappingBytes, readWrite, privateAnonymous, -1, 0);
        if (at == (byte*)-1 || Libc.Protect(at, (nuint)page, none) != 0 || Libc.Protect(at + mappingBytes - page, (nuint)page, none) != 0)
            throw new InvalidOperationException($"mapping {mappingBytes} guarded bytes failed");
        return at;
    }
}

internal static unsafe class Libc
{
    [DllImport("libc", EntryPoint = "mmap")]
    internal static extern byte* Map(void* address, nuint bytes, int protection, int flags, int file, nint offset);

    [DllImport("libc", EntryPoint = "mprotect")]
    internal static extern int Protect(void* address, nuint bytes, int protection);

    [DllImport("libc", EntryPoint = "munmap")]
    internal static extern int Unmap(void* address, nuint bytes);
}
