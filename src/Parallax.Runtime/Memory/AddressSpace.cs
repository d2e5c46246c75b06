using System.Runtime.InteropServices;

namespace Parallax.Runtime.Memory;

/// <summary>Address space that is reserved first and backed by memory as it is needed.</summary>
internal static class AddressSpace
{
    private const int None = 0, ReadWrite = 3; // PROT_NONE, PROT_READ | PROT_WRITE
    private const int PrivateLinux = 0x4022, PrivateMac = 0x1042; // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    private const int DontNeed = 4; // MADV_DONTNEED
    private const uint MemCommit = 0x1000, MemReserve = 0x2000, MemDecommit = 0x4000, MemRelease = 0x8000;
    private const uint PageNoAccess = 1, PageReadWrite = 4;

    /// <summary>The address of so many reserved bytes; 0 where the system refuses.</summary>
    internal static nint Reserve(long bytes)
    {
        try
        {
            if (OperatingSystem.IsWindows()) return VirtualAlloc(0, (nuint)bytes, MemReserve, PageNoAccess);
            nint address = Map(0, (nuint)bytes, None, OperatingSystem.IsLinux() ? PrivateLinux : PrivateMac, -1, 0);
            return address == -1 ? 0 : address;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return 0;
        }
    }

    /// <summary>Makes reserved bytes usable. False where there is no memory for them.</summary>
    internal static bool Commit(nint address, long bytes) => OperatingSystem.IsWindows()
        ? VirtualAlloc(address, (nuint)bytes, MemCommit, PageReadWrite) != 0
        : Protect(address, (nuint)bytes, ReadWrite) == 0;

    /// <summary>Gives the memory of reserved bytes back; their addresses stay reserved.</summary>
    internal static void Decommit(nint address, long bytes)
    {
        if (OperatingSystem.IsWindows()) VirtualFree(address, (nuint)bytes, MemDecommit);
        else
        {
            Advise(address, (nuint)bytes, DontNeed);
            Protect(address, (nuint)bytes, None);
        }
    }

    internal static void Free(nint address, long bytes)
    {
        if (OperatingSystem.IsWindows()) VirtualFree(address, 0, MemRelease);
        else Unmap(address, (nuint)bytes);
    }

    [DllImport("libc", EntryPoint = "mmap")]
    private static extern nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", EntryPoint = "mprotect")]
    private static extern int Protect(nint address, nuint length, int protection);

    [DllImport("libc", EntryPoint = "madvise")]
    private static extern int Advise(nint address, nuint length, int advice);

    [DllImport("libc", EntryPoint = "munmap")]
    private static extern int Unmap(nint address, nuint length);

    [DllImport("kernel32.dll")]
    private static extern nint VirtualAlloc(nint address, nuint size, uint type, uint protection);

    [DllImport("kernel32.dll")]
    private static extern int VirtualFree(nint address, nuint size, uint type);
}
