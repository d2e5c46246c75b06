using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Parallax.Kernels;

/// <summary>A function of two elements that vectors have as well.</summary>
internal interface IVectorOperator<T> : IBinaryOperator<T, T> where T : unmanaged, INumber<T>
{
    static abstract Vector<T> Invoke(Vector<T> x, Vector<T> y);
}

/// <summary>One whose operands may be taken together in any order, but for rounding.</summary>
internal interface IFoldingOperator<T> : IVectorOperator<T> where T : unmanaged, INumber<T>
{
    /// <summary>What changes no other operand.</summary>
    static abstract T Identity { get; }
}

/// <summary>
/// Rows of two operands, either of which may be one element. In place of TensorPrimitives, whose functions run unoptimized until they are found hot: in the first runs of a process they take five times as long.
/// </summary>
internal static class VectorRow
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Run<T, TOp>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<T> z) where T : unmanaged, INumber<T> where TOp : struct, IVectorOperator<T>
    {
        if (z.IsEmpty) return;
        bool hasX = x.Length == z.Length, hasY = y.Length == z.Length;
        ref T left = ref MemoryMarshal.GetReference(x), right = ref MemoryMarshal.GetReference(y), to = ref MemoryMarshal.GetReference(z);
        int i = 0;
        if (Vector<T>.IsSupported)
        {
            int last = z.Length - Vector<T>.Count;
            Vector<T> oneX = new(left), oneY = new(right);
            if (hasX && hasY)
                for (; i <= last; i += Vector<T>.Count) TOp.Invoke(Vector.LoadUnsafe(ref left, (nuint)i), Vector.LoadUnsafe(ref right, (nuint)i)).StoreUnsafe(ref to, (nuint)i);
            else if (hasX)
                for (; i <= last; i += Vector<T>.Count) TOp.Invoke(Vector.LoadUnsafe(ref left, (nuint)i), oneY).StoreUnsafe(ref to, (nuint)i);
            else
                for (; i <= last; i += Vector<T>.Count) TOp.Invoke(oneX, hasY ? Vector.LoadUnsafe(ref right, (nuint)i) : oneY).StoreUnsafe(ref to, (nuint)i);
        }
        T firstX = left, firstY = right;
        for (; i < z.Length; i++) Unsafe.Add(ref to, i) = TOp.Invoke(hasX ? Unsafe.Add(ref left, i) : firstX, hasY ? Unsafe.Add(ref right, i) : firstY);
    }

    internal readonly struct Sum<T> : IFoldingOperator<T> where T : unmanaged, INumber<T>
    {
        public static T Identity => T.Zero;

        public static T Invoke(T x, T y) => unchecked(x + y);

        public static Vector<T> Invoke(Vector<T> x, Vector<T> y) => x + y;
    }

    internal readonly struct Difference<T> : IVectorOperator<T> where T : unmanaged, INumber<T>
    {
        public static T Invoke(T x, T y) => unchecked(x - y);

        public static Vector<T> Invoke(Vector<T> x, Vector<T> y) => x - y;
    }

    internal readonly struct Product<T> : IFoldingOperator<T> where T : unmanaged, INumber<T>
    {
        public static T Identity => T.One;

        public static T Invoke(T x, T y) => unchecked(x * y);

        public static Vector<T> Invoke(Vector<T> x, Vector<T> y) => x * y;
    }

    /// <summary>Of floats.</summary>
    internal readonly struct Quotient<T> : IVectorOperator<T> where T : unmanaged, INumber<T>
    {
        public static T Invoke(T x, T y) => x / y;

        public static Vector<T> Invoke(Vector<T> x, Vector<T> y) => x / y;
    }

    /// <summary>NaN where either is.</summary>
    internal readonly struct Larger<T> : IFoldingOperator<T> where T : unmanaged, INumber<T>
    {
        public static T Identity => T.CreateSaturating(double.NegativeInfinity);

        public static T Invoke(T x, T y) => T.Max(x, y);

        public static Vector<T> Invoke(Vector<T> x, Vector<T> y) => Vector.Max(x, y);
    }

    /// <summary>NaN where either is.</summary>
    internal readonly struct Smaller<T> : IFoldingOperator<T> where T : unmanaged, INumber<T>
    {
        public static T Identity => T.CreateSaturating(double.PositiveInfinity);

        public static T Invoke(T x, T y) => T.Min(x, y);

        public static Vector<T> Invoke(Vector<T> x, Vector<T> y) => Vector.Min(x, y);
    }
}
