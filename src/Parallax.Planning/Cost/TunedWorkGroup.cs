using System.Collections.Immutable;
using System.Numerics;

namespace Parallax.Planning;

/// <summary>Work-items of a work-group along three dims, x the fastest.</summary>
public readonly record struct WorkGroupSize(int X, int Y, int Z);

/// <summary>Grids of about the same extents: the work-items along each dim, rounded up to a power of 16.</summary>
public readonly record struct GridClass(long X, long Y, long Z)
{
    private const int Bits = 4;

    /// <summary>The class of a grid of so many work-items, up to 2^60 along each dim.</summary>
    public static GridClass Of(long x, long y, long z) => new(RoundUp(x), RoundUp(y), RoundUp(z));

    private static long RoundUp(long items) => items <= 1 ? 1 : 1L << (Bits * (BitOperations.Log2((ulong)items - 1) / Bits + 1));
}

/// <summary>A size of work-groups that was measured to be faster for a kernel than the one that its device takes by rule.</summary>
/// <param name="Kernel">As it is launched: with its tile where it has one.</param>
/// <param name="GridX">With <paramref name="GridY"/> and <paramref name="GridZ"/>, the class of the grids that it was measured for.</param>
/// <param name="X">With <paramref name="Y"/> and <paramref name="Z"/>, the size.</param>
/// <param name="RuleUs">Microseconds of the operator that it was measured with, in work-groups by the rule.</param>
/// <param name="TunedUs">The same in work-groups of this size.</param>
public sealed record TunedWorkGroup(string Kernel, long GridX, long GridY, long GridZ, int X, int Y, int Z, double RuleUs, double TunedUs)
{
    public GridClass Grid => new(GridX, GridY, GridZ);

    public WorkGroupSize Size => new(X, Y, Z);

    /// <summary>How many times as fast the operator became.</summary>
    public double Speedup => RuleUs / TunedUs;

    /// <summary>Why a table cannot be used; null where it can.</summary>
    internal static string? FaultOf(ImmutableArray<TunedWorkGroup> table)
    {
        var known = new HashSet<(string, GridClass)>();
        foreach (TunedWorkGroup? entry in table)
        {
            if (entry?.Kernel is null) return "a tuned work-group has no kernel";
            string name = $"the tuned work-group of {entry.Kernel}";
            if (entry.Grid != GridClass.Of(entry.GridX, entry.GridY, entry.GridZ)) return $"{name} is for {entry.GridX} x {entry.GridY} x {entry.GridZ} items, which are no powers of 16";
            if (!BitOperations.IsPow2(entry.X) || !BitOperations.IsPow2(entry.Y) || !BitOperations.IsPow2(entry.Z)) return $"{name} has {entry.X} x {entry.Y} x {entry.Z} items, which are no powers of two";
            if (!(entry is { RuleUs: > 0, TunedUs: > 0 } && double.IsFinite(entry.Speedup))) return $"{name} has times that are none";
            if (!known.Add((entry.Kernel, entry.Grid))) return $"{name} is there twice for {entry.GridX} x {entry.GridY} x {entry.GridZ} items";
        }
        return null;
    }
}
