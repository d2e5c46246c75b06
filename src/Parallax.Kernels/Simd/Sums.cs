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
    static abstract void Store(float* destination, T value);
    static abstract T Create(float value);
    static abstract T Add(T a, T b);

    /// <summary>a * b + c, fused where the machine fuses.</summary>
    static abstract T MultiplyAdd(T a, T b, T c);
}

/// <summary>16 lanes.</summary>
internal readonly unsafe struct Sums512 : ISums<Vector512<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 16;
    [MethodImpl(Inline)] public static Vector512<float> Load(float* source) => Vector512.Load(source);
    [MethodImpl(Inline)] public static void Store(float* destination, Vector512<float> value) => Vector512.Store(value, destination);
    [MethodImpl(Inline)] public static Vector512<float> Create(float value) => Vector512.Create(value);
    [MethodImpl(Inline)] public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;
    [MethodImpl(Inline)] public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.MultiplyAddEstimate(a, b, c);
}

/// <summary>8 lanes.</summary>
internal readonly unsafe struct Sums256 : ISums<Vector256<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 8;
    [MethodImpl(Inline)] public static Vector256<float> Load(float* source) => Vector256.Load(source);
    [MethodImpl(Inline)] public static void Store(float* destination, Vector256<float> value) => Vector256.Store(value, destination);
    [MethodImpl(Inline)] public static Vector256<float> Create(float value) => Vector256.Create(value);
    [MethodImpl(Inline)] public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;
    [MethodImpl(Inline)] public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.MultiplyAddEstimate(a, b, c);
}

/// <summary>4 lanes.</summary>
internal readonly unsafe struct Sums128 : ISums<Vector128<float>>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 4;
    [MethodImpl(Inline)] public static Vector128<float> Load(float* source) => Vector128.Load(source);
    [MethodImpl(Inline)] public static void Store(float* destination, Vector128<float> value) => Vector128.Store(value, destination);
    [MethodImpl(Inline)] public static Vector128<float> Create(float value) => Vector128.Create(value);
    [MethodImpl(Inline)] public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;
    [MethodImpl(Inline)] public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.MultiplyAddEstimate(a, b, c);
}

/// <summary>One lane.</summary>
internal readonly unsafe struct Sums1 : ISums<float>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static int Count => 1;
    [MethodImpl(Inline)] public static float Load(float* source) => *source;
    [MethodImpl(Inline)] public static void Store(float* destination, float value) => *destination = value;
    [MethodImpl(Inline)] public static float Create(float value) => value;
    [MethodImpl(Inline)] public static float Add(float a, float b) => a + b;
    [MethodImpl(Inline)] public static float MultiplyAdd(float a, float b, float c) => float.MultiplyAddEstimate(a, b, c);
}
