namespace Parallax.OpenCL.Calls;

/// <summary>The work-items of a launch in up to three dims, x the fastest, and those of a work-group, which divide them.</summary>
internal readonly record struct ClGrid(long X, long Y, long Z, int LocalX, int LocalY, int LocalZ)
{
    /// <summary>Items of a work-group where nothing is said: enough for a GPU's widest unit, few enough for registers.</summary>
    internal const int UsualGroup = 256;

    internal bool IsEmpty => X == 0 || Y == 0 || Z == 0;

    internal int GroupSize => LocalX * LocalY * LocalZ;

    /// <summary>Work-groups.</summary>
    internal long Groups => X * Y * Z / GroupSize;

    internal int Dims => Z > 1 ? 3 : Y > 1 ? 2 : 1;

    /// <summary>At least so many items, rounded up to whole work-groups of the usual size, or of at most <paramref name="most"/> items: as wide as x goes, then y, then z.</summary>
    internal static ClGrid Over(ClDevice device, long x, long y = 1, long z = 1, int most = UsualGroup)
    {
        int limit = Math.Min(most, device.MaxWorkGroup);
        int localX = Fit(x, limit), localY = Fit(y, limit / localX), localZ = Fit(z, limit / localX / localY);
        return Of(x, y, z, localX, localY, localZ);
    }

    /// <summary>At least so many items, rounded up to whole work-groups of the given size.</summary>
    internal static ClGrid Of(long x, long y, long z, int localX, int localY, int localZ) =>
        new(RoundUp(x, localX), RoundUp(y, localY), RoundUp(z, localZ), localX, localY, localZ);

    /// <summary>The smallest power of two that is not below <paramref name="items"/>, at most <paramref name="limit"/>.</summary>
    private static int Fit(long items, int limit)
    {
        int local = 1;
        while (local < items && local * 2 <= limit) local *= 2;
        return local;
    }

    private static long RoundUp(long items, int local) => (items + local - 1) / local * local;
}
