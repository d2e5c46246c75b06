using System.Numerics;
using System.Numerics.Tensors;

namespace Parallax.Kernels.Reduce;

/// <summary>A reduction as a fold: map and combine, with a last step on the result. All spans are of one length.</summary>
internal interface IReduction<T> where T : unmanaged, INumber<T>
{
    static abstract string Name { get; }

    static abstract T Identity { get; }

    /// <summary>The fold over a run that is not empty.</summary>
    static abstract T Fold(ReadOnlySpan<T> run);

    /// <summary>Takes one element into each of the accumulators; <paramref name="temp"/> may be used as scratch.</summary>
    static abstract void Accumulate(ReadOnlySpan<T> elements, Span<T> accumulators, Span<T> temp);

    static abstract T Combine(T a, T b);

    static abstract T Finish(T folded, long count);
}

internal readonly struct SumOf<T> : IReduction<T> where T : unmanaged, INumber<T>
{
    public static string Name => "sum";

    public static T Identity => T.Zero;

    public static T Fold(ReadOnlySpan<T> run) => VectorFold.Sum(run);

    public static void Accumulate(ReadOnlySpan<T> elements, Span<T> accumulators, Span<T> temp) => VectorRow.Run<T, VectorRow.Sum<T>>(accumulators, elements, accumulators);

    public static T Combine(T a, T b) => unchecked(a + b);

    public static T Finish(T folded, long count) => folded;
}

internal readonly struct MeanOf<T> : IReduction<T> where T : unmanaged, INumber<T>
{
    public static string Name => "mean";

    public static T Identity => T.Zero;

    public static T Fold(ReadOnlySpan<T> run) => VectorFold.Sum(run);

    public static void Accumulate(ReadOnlySpan<T> elements, Span<T> accumulators, Span<T> temp) => VectorRow.Run<T, VectorRow.Sum<T>>(accumulators, elements, accumulators);

    public static T Combine(T a, T b) => unchecked(a + b);

    // The mean of nothing is NaN; integers have none, and give 0.
    public static T Finish(T folded, long count) => count == 0 && T.IsInteger(T.One / (T.One + T.One)) ? T.Zero : folded / T.CreateChecked(count);
}

internal readonly struct ProductOf<T> : IReduction<T> where T : unmanaged, INumber<T>
{
    public static string Name => "prod";

    public static T Identity => T.One;

    public static T Fold(ReadOnlySpan<T> run) => VectorFold.Product(run);

    public static void Accumulate(ReadOnlySpan<T> elements, Span<T> accumulators, Span<T> temp) => VectorRow.Run<T, VectorRow.Product<T>>(accumulators, elements, accumulators);

    public static T Combine(T a, T b) => unchecked(a * b);

    public static T Finish(T folded, long count) => folded;
}

/// <summary>NaN wins, as in NumPy.</summary>
internal readonly struct MaxOf<T> : IReduction<T> where T : unmanaged, INumber<T>
{
    public static string Name => "max";

    public static T Identity => T.CreateSaturating(double.NegativeInfinity);

    public static T Fold(ReadOnlySpan<T> run) => VectorFold.Largest(run);

    public static void Accumulate(ReadOnlySpan<T> elements, Span<T> accumulators, Span<T> temp) => VectorRow.Run<T, VectorRow.Larger<T>>(accumulators, elements, accumulators);

    public static T Combine(T a, T b) => T.Max(a, b);

    public static T Finish(T folded, long count) => folded;
}

/// <summary>NaN wins, as in NumPy.</summary>
internal readonly struct MinOf<T> : IReduction<T> where T : unmanaged, INumber<T>
{
    public static string Name => "min";

    public static T Identity => T.CreateSaturating(double.PositiveInfinity);

    public static T Fold(ReadOnlySpan<T> run) => VectorFold.Smallest(run);

    public static void Accumulate(ReadOnlySpan<T> elements, Span<T> accumulators, Span<T> temp) => VectorRow.Run<T, VectorRow.Smaller<T>>(accumulators, elements, accumulators);

    public static T Combine(T a, T b) => T.Min(a, b);

    public static T Finish(T folded, long count) => folded;
}

internal readonly struct L1Of<T> : IReduction<T> where T : unmanaged, INumber<T>
{
    public static string Name => "l1";

    public static T Identity => T.Zero;

    public static T Fold(ReadOnlySpan<T> run) => VectorFold.SumOfMagnitudes(run);

    public static void Accumulate(ReadOnlySpan<T> elements, Span<T> accumulators, Span<T> temp)
    {
        TensorPrimitives.Abs(elements, temp);
        TensorPrimitives.Add(accumulators, temp, accumulators);
    }

    public static T Combine(T a, T b) => unchecked(a + b);

    public static T Finish(T folded, long count) => folded;
}

internal readonly struct SumSquareOf<T> : IReduction<T> where T : unmanaged, INumber<T>
{
    public static string Name => "sumsquare";

    public static T Identity => T.Zero;

    public static T Fold(ReadOnlySpan<T> run) => VectorFold.SumOfSquares(run);

    public static void Accumulate(ReadOnlySpan<T> elements, Span<T> accumulators, Span<T> temp) =>
        TensorPrimitives.MultiplyAdd(elements, elements, accumulators, accumulators);

    public static T Combine(T a, T b) => unchecked(a + b);

    public static T Finish(T folded, long count) => folded;
}

internal readonly struct L2Of<T> : IReduction<T> where T : unmanaged, INumber<T>
{
    public static string Name => "l2";

    public static T Identity => T.Zero;

    public static T Fold(ReadOnlySpan<T> run) => VectorFold.SumOfSquares(run);

    public static void Accumulate(ReadOnlySpan<T> elements, Span<T> accumulators, Span<T> temp) =>
        TensorPrimitives.MultiplyAdd(elements, elements, accumulators, accumulators);

    public static T Combine(T a, T b) => unchecked(a + b);

    public static T Finish(T folded, long count) => T.CreateSaturating(Math.Sqrt(double.CreateSaturating(folded)));
}

internal readonly struct LogSumOf<T> : IReduction<T> where T : unmanaged, INumber<T>
{
    public static string Name => "logsum";

    public static T Identity => T.Zero;

    public static T Fold(ReadOnlySpan<T> run) => VectorFold.Sum(run);

    public static void Accumulate(ReadOnlySpan<T> elements, Span<T> accumulators, Span<T> temp) => VectorRow.Run<T, VectorRow.Sum<T>>(accumulators, elements, accumulators);

    public static T Combine(T a, T b) => unchecked(a + b);

    public static T Finish(T folded, long count) => T.CreateSaturating(Math.Log(double.CreateSaturating(folded)));
}
