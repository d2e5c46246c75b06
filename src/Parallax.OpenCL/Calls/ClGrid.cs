using System.Collections.Immutable;
using System.Numerics;
using Parallax.Planning;

namespace Parallax.OpenCL.Calls;

/// <summary>The work-items that a launch needs in up to three dims, x the fastest, and those of a work-group.</summary>
internal readonly record struct ClGrid(long ItemsX, long ItemsY, long ItemsZ, int LocalX, int LocalY, int LocalZ)
{
    /// <summary>Items of a work-group where nothing is said: enough for a GPU's widest unit, few enough for registers.</summary>
    internal const int UsualGroup = 256;

    /// <summary>Items that are needed.</summary>
    internal long Items => ItemsX * ItemsY * ItemsZ;

    /// <summary>Items that are launched: those that are needed, rounded up to whole work-groups.</summary>
    internal long X => RoundUp(ItemsX, LocalX);

    internal long Y => RoundUp(ItemsY, LocalY);

    internal long Z => RoundUp(ItemsZ, LocalZ);

    internal bool IsEmpty => ItemsX == 0 || ItemsY == 0 || ItemsZ == 0;

    internal int GroupSize => LocalX * LocalY * LocalZ;

    /// <summary>Work-groups.</summary>
    internal long Groups => X * Y * Z / GroupSize;

    internal int Dims => Z > 1 ? 3 : Y > 1 ? 2 : 1;

    internal GridClass Class => GridClass.Of(ItemsX, ItemsY, ItemsZ);

    internal WorkGroupSize Size => new(LocalX, LocalY, LocalZ);

    /// <summary>At least so many items, in whole work-groups of the usual size, or of at most <paramref name="most"/> items: as wide as x goes, then y, then z, and as the device allows.</summary>
    internal static ClGrid Over(ClDevice device, long x, long y = 1, long z = 1, int most = UsualGroup)
    {
        int limit = Math.Min(most, device.MaxWorkGroup);
        WorkGroupSize widest = device.WidestWorkGroup;
        int localX = Fit(x, Math.Min(limit, widest.X)), localY = Fit(y, Math.Min(limit / localX, widest.Y)), localZ = Fit(z, Math.Min(limit / localX / localY, widest.Z));
        return Of(x, y, z, localX, localY, localZ);
    }

    /// <summary>At least so many items, in whole work-groups of the given size.</summary>
    internal static ClGrid Of(long x, long y, long z, int localX, int localY, int localZ) => new(x, y, z, localX, localY, localZ);

    /// <summary>The same items in other work-groups, which are no wider than the items: kernels need not guard dims along which they have one item.</summary>
    internal ClGrid In(WorkGroupSize size) => Of(ItemsX, ItemsY, ItemsZ, Fit(ItemsX, size.X), Fit(ItemsY, size.Y), Fit(ItemsZ, size.Z));

    /// <summary>Other sizes that the work-groups could have on a device: powers of two, no wider than the items; those that differ by the fewest doublings first.</summary>
    internal ImmutableArray<WorkGroupSize> OtherSizes(ClDevice device)
    {
        WorkGroupSize own = Size;
        var sizes = new List<WorkGroupSize>();
        for (int x = Fit(ItemsX, device.MaxWorkGroup); x > 0; x /= 2)
            for (int y = Fit(ItemsY, device.MaxWorkGroup); y > 0; y /= 2)
                for (int z = Fit(ItemsZ, device.MaxWorkGroup); z > 0; z /= 2)
                    if (new WorkGroupSize(x, y, z) is var size && size != own && device.Takes(size)) sizes.Add(size);
        return [.. sizes.OrderBy(size => Doublings(size.X, own.X) + Doublings(size.Y, own.Y) + Doublings(size.Z, own.Z))];
    }

    /// <summary>The smallest power of two that is not below <paramref name="items"/>, at most <paramref name="limit"/>.</summary>
    private static int Fit(long items, int limit)
    {
        int local = 1;
        while (local < items && local * 2 <= limit) local *= 2;
        return local;
    }

    private static int Doublings(int one, int other) => Math.Abs(BitOperations.Log2((uint)one) - BitOperations.Log2((uint)other));

    private static long RoundUp(long items, int local) => (items + local - 1) / local * local;
}
