namespace Parallax.OpenCL.Regions;

/// <summary>
/// The device's memory for arenas that it does not see: one mirror for each, for all regions that work on it, with everything at the same offsets. The plan that
/// keeps values of the arena apart keeps them apart in the mirror. Thread-safe.
/// </summary>
internal sealed class ClMirrors(ClContext context)
{
    private readonly Dictionary<Storage, ClMirror> mirrors = new(ReferenceEqualityComparer.Instance);

    /// <summary>The mirror of an arena, disposed by each who asked for it.</summary>
    internal ClMirror Of(Storage arena)
    {
        lock (mirrors)
        {
            if (!mirrors.TryGetValue(arena, out ClMirror? mirror)) mirrors.Add(arena, mirror = new ClMirror(this, arena, context.Allocate(arena.ByteCount)));
            mirror.Users++;
            return mirror;
        }
    }

    internal void Return(ClMirror mirror)
    {
        lock (mirrors)
        {
            if (--mirror.Users > 0) return;
            mirrors.Remove(mirror.Arena);
        }
        mirror.Buffer.Dispose();
    }
}

internal sealed class ClMirror(ClMirrors owner, Storage arena, ClBuffer buffer) : IDisposable
{
    internal int Users { get; set; }

    internal Storage Arena => arena;

    internal ClBuffer Buffer => buffer;

    public void Dispose() => owner.Return(this);
}
