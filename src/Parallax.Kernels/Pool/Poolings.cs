using System.Numerics;

namespace Parallax.Kernels.Pool;

/// <summary>What a pooling does with the elements of a window: map each, combine all, finish with the number of elements counted.</summary>
internal interface IPooling<T> where T : unmanaged, INumber<T>
{
    static abstract string Name { get; }

    /// <summary>What padding and an empty window hold before they are finished.</summary>
    static abstract T Identity { get; }

    static abstract T Map(T element, double p);

    static abstract Vector<T> Map(Vector<T> element);

    static abstract T Combine(T a, T b);

    static abstract Vector<T> Combine(Vector<T> a, Vector<T> b);

    static abstract T Finish(T folded, int count, double p);

    /// <summary>Whether <see cref="Finish"/> changes what was combined.</summary>
    static abstract bool Finishes { get; }

    /// <summary>Whether <see cref="Map(Vector{T})"/> does what the pooling with exponent <paramref name="p"/> needs.</summary>
    static abstract bool MapsVectors(double p);
}

internal readonly struct MaxPooling<T> : IPooling<T> where T : unmanaged, INumber<T>
{
    public static string Name => "maxpool";
    public static T Identity => T.CreateSaturating(double.NegativeInfinity);
    public static T Map(T element, double p) => element;
    public static Vector<T> Map(Vector<T> element) => element;
    public static T Combine(T a, T b) => T.Max(a, b);
    public static Vector<T> Combine(Vector<T> a, Vector<T> b) => Vector.Max(a, b);
    public static T Finish(T folded, int count, double p) => folded;
    public static bool Finishes => false;
    public static bool MapsVectors(double p) => true;
}

internal readonly struct AveragePooling<T> : IPooling<T> where T : unmanaged, INumber<T>
{
    public static string Name => "averagepool";
    public static T Identity => T.Zero;
    public static T Map(T element, double p) => element;
    public static Vector<T> Map(Vector<T> element) => element;
    public static T Combine(T a, T b) => a + b;
    public static Vector<T> Combine(Vector<T> a, Vector<T> b) => a + b;
    public static T Finish(T folded, int count, double p) => count == 0 ? T.Zero : folded / T.CreateChecked(count);
    public static bool Finishes => true;
    public static bool MapsVectors(double p) => true;
}

internal readonly struct LpPooling<T> : IPooling<T> where T : unmanaged, INumber<T>
{
    public static string Name => "lppool";
    public static T Identity => T.Zero;
    public static T Map(T element, double p) => p == 2 ? element * element : T.CreateSaturating(Math.Pow(Math.Abs(double.CreateSaturating(element)), p));
    public static Vector<T> Map(Vector<T> element) => element * element;
    public static T Combine(T a, T b) => a + b;
    public static Vector<T> Combine(Vector<T> a, Vector<T> b) => a + b;
    public static T Finish(T folded, int count, double p) => T.CreateSaturating(p == 2 ? Math.Sqrt(double.CreateSaturating(folded)) : Math.Pow(double.CreateSaturating(folded), 1 / p));
    public static bool Finishes => true;
    public static bool MapsVectors(double p) => p == 2;
}
