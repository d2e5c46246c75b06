using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>
/// What sums of products need of a machine's vectors T, which stay as they are. Beside <see cref="IVec{V}"/>, which can do everything but wraps its vectors: the JIT then
/// computes every second sum in the register of a factor and moves it back. The results have the same bits.
/// </summary>
internal unsafe interface ISums<T> where T : struct
{
    /// <summary>Lanes; a constant to the JIT.</summary>
    static abstract int Count { get; }

    static abstract T Load(float* source);

    /// <summary>Elements of <see cref="ShortFloats"/>, which are multiples of the scale.</summary>
    static abstract T Widen(short* source, T scale);

    static abstract void Store(float* destination, T value);
    static abstract T Create(float value);

    /// <summary>a * b + c, fused where the machine fuses.</summary>
    static abstract T MultiplyAdd(T a, T b, T c);
}

/// <summary>16 lanes.</summary>
internal readonly unsafe struct Sums512 : ISums<Vector512<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 16;
    [MethodImpl(Inline)] public static Vector512<float> Load(float* source) => Vector512.Load(source);
    [MethodImpl(Inline)] public static Vector512<float> Widen(short* source, Vector512<float> scale) => ShortFloats.Value(Vector512.WidenLower(Vector256.Load(source).ToVector512Unsafe()), scale);
    [MethodImpl(Inline)] public static void Store(float* destination, Vector512<float> value) => Vector512.Store(value, destination);
    [MethodImpl(Inline)] public static Vector512<float> Create(float value) => Vector512.Create(value);
    [MethodImpl(Inline)] public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.MultiplyAddEstimate(a, b, c);
}

/// <summary>8 lanes.</summary>
internal readonly unsafe struct Sums256 : ISums<Vector256<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 8;
    [MethodImpl(Inline)] public static Vector256<float> Load(float* source) => Vector256.Load(source);
    [MethodImpl(Inline)] public static Vector256<float> Widen(short* source, Vector256<float> scale) => ShortFloats.Value(Vector256.WidenLower(Vector128.Load(source).ToVector256Unsafe()), scale);
    [MethodImpl(Inline)] public static void Store(float* destination, Vector256<float> value) => Vector256.Store(value, destination);
    [MethodImpl(Inline)] public static Vector256<float> Create(float value) => Vector256.Create(value);
    [MethodImpl(Inline)] public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.MultiplyAddEstimate(a, b, c);
}

/// <summary>4 lanes.</summary>
internal readonly unsafe struct Sums128 : ISums<Vector128<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 4;
    [MethodImpl(Inline)] public static Vector128<float> Load(float* source) => Vector128.Load(source);
    [MethodImpl(Inline)] public static Vector128<float> Widen(short* source, Vector128<float> scale) => ShortFloats.Value(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(long*)source).AsInt16()), scale);
    [MethodImpl(Inline)] public static void Store(float* destination, Vector128<float> value) => Vector128.Store(value, destination);
    [MethodImpl(Inline)] public static Vector128<float> Create(float value) => Vector128.Create(value);
    [MethodImpl(Inline)] public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.MultiplyAddEstimate(a, b, c);
}

/// <summary>One lane.</summary>
internal readonly unsafe struct Sums1 : ISums<float>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 1;
    [MethodImpl(Inline)] public static float Load(float* source) => *source;
    [MethodImpl(Inline)] public static float Widen(short* source, float scale) => ShortFloats.Value(*source, scale);
    [MethodImpl(Inline)] public static void Store(float* destination, float value) => *destination = value;
    [MethodImpl(Inline)] public static float Create(float value) => value;
    [MethodImpl(Inline)] public static float MultiplyAdd(float a, float b, float c) => float.MultiplyAddEstimate(a, b, c);
}

/// <summary>How the elements of a right operand are kept, which tiles of vectors T multiply.</summary>
internal unsafe interface IElements<V, T> where V : struct, ISums<T> where T : struct
{
    /// <summary>Of an element.</summary>
    static abstract int Bytes { get; }

    /// <param name="scale">What the elements are multiples of, where that is not 1.</param>
    static abstract T Load(byte* source, T scale);
}

/// <summary>float32.</summary>
internal readonly unsafe struct FloatElements<V, T> : IElements<V, T> where V : struct, ISums<T> where T : struct
{
    public static int Bytes => sizeof(float);
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static T Load(byte* source, T scale) => V.Load((float*)source);
}

/// <summary><see cref="ShortFloats"/>.</summary>
internal readonly unsafe struct ShortElements<V, T> : IElements<V, T> where V : struct, ISums<T> where T : struct
{
    public static int Bytes => sizeof(short);
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static T Load(byte* source, T scale) => V.Widen((short*)source, scale);
}
