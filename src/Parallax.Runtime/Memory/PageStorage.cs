namespace Parallax.Runtime.Memory;

/// <summary>
/// Whole pages of the system's, zeroed, which it gets back when they are freed. For values that come and go while a model is loaded: what a process gives back to its heap stays resident there as
/// holes between what it keeps.
/// </summary>
internal sealed class PageStorage : OwnedStorage
{
    /// <summary>Smaller values are left to the heap, where they share pages.</summary>
    internal const long LeastBytes = 64 << 10;

    private PageStorage(nint address, long byteCount) : base(address, byteCount)
    {
    }

    /// <summary>Null where the system refuses.</summary>
    internal static PageStorage? TryAllocate(long byteCount)
    {
        nint address = AddressSpace.Reserve(byteCount);
        if (address == 0) return null;
        if (AddressSpace.Commit(address, byteCount)) return new PageStorage(address, byteCount);
        AddressSpace.Free(address, byteCount);
        return null;
    }

    private protected override void Free(nint address) => AddressSpace.Free(address, ByteCount);
}
