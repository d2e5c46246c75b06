namespace Parallax.Graphs.Ops;

/// <summary>Names for dims that depend on data: no two are equal.</summary>
public static class FreshDim
{
    private static long count;

    /// <summary>A dim that is equal to no other; <paramref name="what"/> says in dumps what it counts.</summary>
    public static Dim Of(string what) => Dim.Symbol($"{what}#{Interlocked.Increment(ref count)}");

    /// <summary>A shape of a known rank, and no more.</summary>
    public static Shape Shape(string what, int rank) => new([.. Enumerable.Range(0, rank).Select(_ => Of(what))]);
}
