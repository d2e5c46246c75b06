using System.Runtime.InteropServices;

namespace Parallax.Runtime.Memory;

/// <summary>
/// An arena for finding errors: every buffer has memory of its own that shares no byte with another, and behind its last byte (to within the
/// alignment) lies a page that cannot be touched. Where pages cannot be protected, the buffers are merely apart. Slow and large.
/// </summary>
internal sealed unsafe class GuardedArena : IDisposable
{
    private const int ProtectNone = 0, ProtectReadWrite = 3, MapPrivateAnonymous = 0x22;

    private readonly List<(nint Address, nuint Length)> maps = [];
    private readonly List<NativeStorage> plain = [];
    private readonly nint[] addresses;
    private readonly long[] sizes;

    internal GuardedArena(IReadOnlyList<long> bufferBytes)
    {
        addresses = new nint[bufferBytes.Count];
        sizes = [.. bufferBytes];
        for (int i = 0; i < sizes.Length; i++) addresses[i] = OperatingSystem.IsLinux() ? MapGuarded(sizes[i]) : AllocatePlain(sizes[i]);
    }

    ~GuardedArena() => Unmap();

    internal nint this[int buffer] => addresses[buffer];

    /// <summary>Fills all buffers with a pattern that is NaN in every float format.</summary>
    internal void Poison()
    {
        for (int i = 0; i < sizes.Length; i++) ArenaPoison.Fill((void*)addresses[i], sizes[i]);
    }

    private nint AllocatePlain(long bytes)
    {
        var storage = new NativeStorage(bytes);
        plain.Add(storage);
        return storage.Address;
    }

    private nint MapGuarded(long bytes)
    {
        long page = Environment.SystemPageSize, aligned = (bytes + Storage.Alignment - 1) / Storage.Alignment * Storage.Alignment;
        long usable = (aligned + page - 1) / page * page;
        nint map = mmap(0, (nuint)(usable + page), ProtectReadWrite, MapPrivateAnonymous, -1, 0);
        if (map == -1) throw new OutOfMemoryException($"no address space for a guarded buffer of {bytes} bytes");
        maps.Add((map, (nuint)(usable + page)));
        if (mprotect(map + (nint)usable, (nuint)page, ProtectNone) != 0) throw new OutOfMemoryException("a guard page could not be protected");
        return map + (nint)(usable - aligned);
    }

    public void Dispose()
    {
        Unmap();
        foreach (NativeStorage storage in plain) storage.Dispose();
        GC.SuppressFinalize(this);
    }

    private void Unmap()
    {
        foreach ((nint address, nuint length) in maps) munmap(address, length);
        maps.Clear();
    }

    [DllImport("libc", SetLastError = true)]
    private static extern nint mmap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", SetLastError = true)]
    private static extern int mprotect(nint address, nuint length, int protection);

    [DllImport("libc", SetLastError = true)]
    private static extern int munmap(nint address, nuint length);
}

/// <summary>What memory is filled with so that a read before the first write shows.</summary>
internal static unsafe class ArenaPoison
{
    internal static void Fill(void* address, long bytes)
    {
        for (long at = 0; at < bytes; at += 1 << 30) new Span<byte>((byte*)address + at, (int)Math.Min(1 << 30, bytes - at)).Fill(0xFF);
    }
}
