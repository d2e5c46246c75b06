using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Parallax.Kernels.Reduce;

/// <summary>What <see cref="VectorFold"/> does with each element.</summary>
internal interface IFoldStep<T> where T : unmanaged, INumber<T>
{
    static abstract T Identity { get; }

    static abstract T Take(T accumulator, T element, T parameter);

    static abstract Vector<T> Take(Vector<T> accumulator, Vector<T> element, Vector<T> parameter);

    static abstract T Combine(T a, T b);

    static abstract Vector<T> Combine(Vector<T> a, Vector<T> b);
}

/// <summary>
/// Folds of a contiguous run with several accumulators side by side. The order of operations depends on the length alone, never on the
/// address (unlike the reductions of TensorPrimitives, which align themselves), so that a result does not depend on where a tensor lies.
/// </summary>
internal static class VectorFold
{
    internal static T Sum<T>(ReadOnlySpan<T> run) where T : unmanaged, INumber<T> => Run<T, Step<T, VectorRow.Sum<T>>>(run, T.Zero);

    internal static T SumOfSquares<T>(ReadOnlySpan<T> run) where T : unmanaged, INumber<T> => Run<T, SquareStep<T>>(run, T.Zero);

    internal static T SumOfMagnitudes<T>(ReadOnlySpan<T> run) where T : unmanaged, INumber<T> => Run<T, MagnitudeStep<T>>(run, T.Zero);

    internal static T Product<T>(ReadOnlySpan<T> run) where T : unmanaged, INumber<T> => Run<T, Step<T, VectorRow.Product<T>>>(run, T.Zero);

    /// <summary>NaN where any element is; of a run that is not empty.</summary>
    internal static T Largest<T>(ReadOnlySpan<T> run) where T : unmanaged, INumber<T> => Run<T, Step<T, VectorRow.Larger<T>>>(run, T.Zero);

    /// <summary>NaN where any element is; of a run that is not empty.</summary>
    internal static T Smallest<T>(ReadOnlySpan<T> run) where T : unmanaged, INumber<T> => Run<T, Step<T, VectorRow.Smaller<T>>>(run, T.Zero);

    /// <summary>Sum of (x - center)².</summary>
    internal static T SumOfSquaredDifferences<T>(ReadOnlySpan<T> run, T center) where T : unmanaged, INumber<T> => Run<T, DeviationStep<T>>(run, center);

    /// <summary>Sum of the products of two runs of one length.</summary>
    internal static T Dot<T>(ReadOnlySpan<T> a, ReadOnlySpan<T> b) where T : unmanaged, INumber<T>
    {
        T sum = T.Zero;
        int i = 0;
        if (Vector<T>.IsSupported)
        {
            Vector<T> even = Vector<T>.Zero, odd = even;
            for (; i + 2 * Vector<T>.Count <= a.Length; i += 2 * Vector<T>.Count)
            {
                even += new Vector<T>(a[i..]) * new Vector<T>(b[i..]);
                odd += new Vector<T>(a[(i + Vector<T>.Count)..]) * new Vector<T>(b[(i + Vector<T>.Count)..]);
            }
            sum = Across<T, Step<T, VectorRow.Sum<T>>>(even + odd);
        }
        for (; i < a.Length; i++) sum += a[i] * b[i];
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static T Run<T, TStep>(ReadOnlySpan<T> run, T parameter) where T : unmanaged, INumber<T> where TStep : struct, IFoldStep<T>
    {
        T folded = TStep.Identity;
        if (Vector<T>.IsSupported && run.Length >= Vector<T>.Count)
        {
            ReadOnlySpan<Vector<T>> vectors = MemoryMarshal.Cast<T, Vector<T>>(run);
            folded = Across<T, TStep>(Vectors<T, TStep>(vectors, new Vector<T>(parameter)));
            run = run[(vectors.Length * Vector<T>.Count)..];
        }
        foreach (T element in run) folded = TStep.Take(folded, element, parameter);
        return folded;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<T> Vectors<T, TStep>(ReadOnlySpan<Vector<T>> run, Vector<T> parameter) where T : unmanaged, INumber<T> where TStep : struct, IFoldStep<T>
    {
        Vector<T> a = new(TStep.Identity), b = a, c = a, d = a;
        int i = 0;
        for (; i + 4 <= run.Length; i += 4)
        {
            a = TStep.Take(a, run[i], parameter);
            b = TStep.Take(b, run[i + 1], parameter);
            c = TStep.Take(c, run[i + 2], parameter);
            d = TStep.Take(d, run[i + 3], parameter);
        }
        for (; i < run.Length; i++) a = TStep.Take(a, run[i], parameter);
        return TStep.Combine(TStep.Combine(a, b), TStep.Combine(c, d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Across<T, TStep>(Vector<T> vector) where T : unmanaged, INumber<T> where TStep : struct, IFoldStep<T>
    {
        T folded = vector[0];
        for (int i = 1; i < Vector<T>.Count; i++) folded = TStep.Combine(folded, vector[i]);
        return folded;
    }

    /// <summary>Takes elements as they are.</summary>
    private readonly struct Step<T, TOp> : IFoldStep<T> where T : unmanaged, INumber<T> where TOp : struct, IFoldingOperator<T>
    {
        public static T Identity => TOp.Identity;
        public static T Take(T accumulator, T element, T parameter) => TOp.Invoke(accumulator, element);
        public static Vector<T> Take(Vector<T> accumulator, Vector<T> element, Vector<T> parameter) => TOp.Invoke(accumulator, element);
        public static T Combine(T a, T b) => TOp.Invoke(a, b);
        public static Vector<T> Combine(Vector<T> a, Vector<T> b) => TOp.Invoke(a, b);
    }

    private readonly struct SquareStep<T> : IFoldStep<T> where T : unmanaged, INumber<T>
    {
        public static T Identity => T.Zero;
        public static T Take(T accumulator, T element, T parameter) => unchecked(accumulator + element * element);
        public static Vector<T> Take(Vector<T> accumulator, Vector<T> element, Vector<T> parameter) => accumulator + element * element;
        public static T Combine(T a, T b) => unchecked(a + b);
        public static Vector<T> Combine(Vector<T> a, Vector<T> b) => a + b;
    }

    private readonly struct MagnitudeStep<T> : IFoldStep<T> where T : unmanaged, INumber<T>
    {
        public static T Identity => T.Zero;
        public static T Take(T accumulator, T element, T parameter) => unchecked(accumulator + (element < T.Zero ? T.Zero - element : element));
        public static Vector<T> Take(Vector<T> accumulator, Vector<T> element, Vector<T> parameter) => accumulator + Vector.Abs(element);
        public static T Combine(T a, T b) => unchecked(a + b);
        public static Vector<T> Combine(Vector<T> a, Vector<T> b) => a + b;
    }

    private readonly struct DeviationStep<T> : IFoldStep<T> where T : unmanaged, INumber<T>
    {
        public static T Identity => T.Zero;
        public static T Take(T accumulator, T element, T parameter) => accumulator + (element - parameter) * (element - parameter);
        public static Vector<T> Take(Vector<T> accumulator, Vector<T> element, Vector<T> parameter) => accumulator + (element - parameter) * (element - parameter);
        public static T Combine(T a, T b) => a + b;
        public static Vector<T> Combine(Vector<T> a, Vector<T> b) => a + b;
    }
}
