using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Parallax;

/// <summary>A function of each element of a list. Unlike LINQ's, whose iterators over our types are compiled at every start, this code is compiled ahead with the types it is used for.</summary>
public static class Mapping
{
    public static ImmutableArray<TResult> Map<T, TResult>(this ImmutableArray<T> source, Func<T, TResult> function) => Map(source.AsSpan(), function);

    public static ImmutableArray<TResult> Map<T, TResult>(this ReadOnlySpan<T> source, Func<T, TResult> function)
    {
        var results = new TResult[source.Length];
        for (int i = 0; i < results.Length; i++) results[i] = function(source[i]);
        return ImmutableCollectionsMarshal.AsImmutableArray(results);
    }

    /// <summary>As <see cref="Map{T, TResult}(ReadOnlySpan{T}, Func{T, TResult})"/>, for a function that is told the position too.</summary>
    public static ImmutableArray<TResult> Map<T, TResult>(this ImmutableArray<T> source, Func<T, int, TResult> function) => Map(source.AsSpan(), function);

    public static ImmutableArray<TResult> Map<T, TResult>(this T[] source, Func<T, int, TResult> function) => Map((ReadOnlySpan<T>)source, function);

    public static ImmutableArray<TResult> Map<T, TResult>(this ReadOnlySpan<T> source, Func<T, int, TResult> function)
    {
        var results = new TResult[source.Length];
        for (int i = 0; i < results.Length; i++) results[i] = function(source[i], i);
        return ImmutableCollectionsMarshal.AsImmutableArray(results);
    }

    /// <summary>As <see cref="Map{T, TResult}(ReadOnlySpan{T}, Func{T, TResult})"/>, into an array.</summary>
    public static TResult[] MapToArray<T, TResult>(this ImmutableArray<T> source, Func<T, TResult> function) => ImmutableCollectionsMarshal.AsArray(Map(source.AsSpan(), function))!;

    /// <summary>0, 1, 2 ...</summary>
    public static int[] Positions(int count)
    {
        var positions = new int[count];
        for (int i = 0; i < count; i++) positions[i] = i;
        return positions;
    }

    /// <summary>The same value so many times.</summary>
    public static T[] Repeat<T>(T value, int count)
    {
        var values = new T[count];
        for (int i = 0; i < count; i++) values[i] = value;
        return values;
    }

    public static ImmutableArray<TResult> Map<T, TResult>(this T[] source, Func<T, TResult> function) => Map((ReadOnlySpan<T>)source, function);

    public static ImmutableArray<TResult> Map<T, TResult>(this IReadOnlyList<T> source, Func<T, TResult> function) where T : class
    {
        var results = new TResult[source.Count];
        for (int i = 0; i < results.Length; i++) results[i] = function(source[i]);
        return ImmutableCollectionsMarshal.AsImmutableArray(results);
    }
}
