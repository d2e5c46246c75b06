using System.Runtime.InteropServices;

namespace Parallax.Kernels;

/// <summary>Uninitialized memory for packed weights, 64-byte aligned. What spans large pages is asked for in those: a page that is touched for the first time costs about as much as packing into it.</summary>
internal static unsafe partial class PackedMemory
{
    /// <summary>Of x86-64, and of ARM64 with pages of 4 KiB.</summary>
    private const nint LargePageBytes = 2 << 20;

    private const int HugePage = 14; // MADV_HUGEPAGE

    /// <summary>Freed by <see cref="NativeMemory.AlignedFree"/>.</summary>
    internal static void* Allocate(long bytes)
    {
        if (bytes < LargePageBytes || !OperatingSystem.IsLinux()) return NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 64), 64);
        void* memory = NativeMemory.AlignedAlloc((nuint)bytes, (nuint)LargePageBytes);
        // Whole pages only, so that no more memory is taken. A system without large pages refuses, and nothing is lost.
        _ = Advise((nint)memory, (nuint)((nint)bytes & -LargePageBytes), HugePage);
        return memory;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
