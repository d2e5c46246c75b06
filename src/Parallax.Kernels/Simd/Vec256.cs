using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>8 float32 lanes in one <see cref="Vector256{T}"/>.</summary>
public readonly unsafe struct Vec256 : IVec<Vec256>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly Vector256<float> v;

    [MethodImpl(Inline)]
    private Vec256(Vector256<float> v) => this.v = v;

    public static int Count => 8;
    public static bool IsSupported => Vector256.IsHardwareAccelerated;
    [MethodImpl(Inline)] public static Vec256 Load(float* source) => new(Vector256.Load(source));
    [MethodImpl(Inline)] public static void Store(float* destination, Vec256 value) => Vector256.Store(value.v, destination);
    [MethodImpl(Inline)] public static Vec256 Create(float value) => new(Vector256.Create(value));
    [MethodImpl(Inline)] public static Vec256 CreateBits(int bits) => new(Vector256.Create(bits).AsSingle());
    [MethodImpl(Inline)] public static Vec256 operator +(Vec256 a, Vec256 b) => new(a.v + b.v);
    [MethodImpl(Inline)] public static Vec256 operator -(Vec256 a, Vec256 b) => new(a.v - b.v);
    [MethodImpl(Inline)] public static Vec256 operator *(Vec256 a, Vec256 b) => new(a.v * b.v);
    [MethodImpl(Inline)] public static Vec256 operator /(Vec256 a, Vec256 b) => new(a.v / b.v);
    [MethodImpl(Inline)] public static Vec256 MultiplyAdd(Vec256 a, Vec256 b, Vec256 c) => new(Vector256.MultiplyAddEstimate(a.v, b.v, c.v));
    [MethodImpl(Inline)] public static Vec256 Sqrt(Vec256 a) => new(Vector256.Sqrt(a.v));
    [MethodImpl(Inline)] public static Vec256 Min(Vec256 a, Vec256 b) => new(Vector256.MinNative(a.v, b.v));
    [MethodImpl(Inline)] public static Vec256 Max(Vec256 a, Vec256 b) => new(Vector256.MaxNative(a.v, b.v));
    [MethodImpl(Inline)] public static Vec256 Less(Vec256 a, Vec256 b) => new(Vector256.LessThan(a.v, b.v));
    [MethodImpl(Inline)] public static bool AllLess(Vec256 a, Vec256 b) => Vector256.LessThanAll(a.v, b.v);
    [MethodImpl(Inline)] public static Vec256 And(Vec256 a, Vec256 b) => new(a.v & b.v);
    [MethodImpl(Inline)] public static Vec256 Or(Vec256 a, Vec256 b) => new(a.v | b.v);
    [MethodImpl(Inline)] public static Vec256 Xor(Vec256 a, Vec256 b) => new(a.v ^ b.v);
    [MethodImpl(Inline)] public static Vec256 Select(Vec256 mask, Vec256 a, Vec256 b) => new(Vector256.ConditionalSelect(mask.v, a.v, b.v));
    [MethodImpl(Inline)] public static Vec256 AddBits(Vec256 a, Vec256 b) => new((a.v.AsInt32() + b.v.AsInt32()).AsSingle());
    [MethodImpl(Inline)] public static Vec256 SubtractBits(Vec256 a, Vec256 b) => new((a.v.AsInt32() - b.v.AsInt32()).AsSingle());
    [MethodImpl(Inline)] public static Vec256 ShiftLeftBits(Vec256 a, int count) => new((a.v.AsInt32() << count).AsSingle());
    [MethodImpl(Inline)] public static Vec256 ShiftRightBits(Vec256 a, int count) => new((a.v.AsInt32() >> count).AsSingle());
    [MethodImpl(Inline)] public static float Sum(Vec256 a) => Sum(a.v);
    [MethodImpl(Inline)] internal static float Sum(Vector256<float> a) => Vector128.Sum(a.GetLower() + a.GetUpper());
    [MethodImpl(Inline)] public static float Largest(Vec256 a) => Largest(a.v);
    [MethodImpl(Inline)] internal static float Largest(Vector256<float> a) => Vec128.Largest(Vector128.MaxNative(a.GetLower(), a.GetUpper()));

    [MethodImpl(Inline)]
    public static void LoadColumns(float* source, out Vec256 column0, out Vec256 column1)
    {
        Vector256<float> a = Halves(source, source + 8), b = Halves(source + 4, source + 12);
        (column0, column1) = (new(Avx.Shuffle(a, b, 0b10_00_10_00)), new(Avx.Shuffle(a, b, 0b11_01_11_01)));
    }

    [MethodImpl(Inline)]
    public static void LoadColumns(float* source, out Vec256 column0, out Vec256 column1, out Vec256 column2, out Vec256 column3)
    {
        Vector256<float> a = Halves(source, source + 16), b = Halves(source + 4, source + 20);
        Vector256<float> c = Halves(source + 8, source + 24), d = Halves(source + 12, source + 28);
        Transpose(ref a, ref b, ref c, ref d);
        (column0, column1, column2, column3) = (new(a), new(b), new(c), new(d));
    }

    [MethodImpl(Inline)]
    public static void StoreColumns(float* destination, Vec256 column0, Vec256 column1)
    {
        Vector256<float> low = Avx.UnpackLow(column0.v, column1.v), high = Avx.UnpackHigh(column0.v, column1.v);
        Vector256.Store(Avx.Permute2x128(low, high, 0x20), destination);
        Vector256.Store(Avx.Permute2x128(low, high, 0x31), destination + 8);
    }

    [MethodImpl(Inline)]
    public static void StoreColumns(float* destination, Vec256 column0, Vec256 column1, Vec256 column2, Vec256 column3)
    {
        Vector256<float> a = column0.v, b = column1.v, c = column2.v, d = column3.v;
        Transpose(ref a, ref b, ref c, ref d);
        Vector256.Store(Avx.Permute2x128(a, b, 0x20), destination);
        Vector256.Store(Avx.Permute2x128(c, d, 0x20), destination + 8);
        Vector256.Store(Avx.Permute2x128(a, b, 0x31), destination + 16);
        Vector256.Store(Avx.Permute2x128(c, d, 0x31), destination + 24);
    }

    [MethodImpl(Inline)]
    private static Vector256<float> Halves(float* lower, float* upper) => Vector256.Create(Vector128.Load(lower), Vector128.Load(upper));

    /// <summary>Transposes the 4x4 matrix of each half. Only x86 has vectors of this width.</summary>
    [MethodImpl(Inline)]
    private static void Transpose(ref Vector256<float> a, ref Vector256<float> b, ref Vector256<float> c, ref Vector256<float> d)
    {
        Vector256<float> ab0 = Avx.UnpackLow(a, b), ab1 = Avx.UnpackHigh(a, b), cd0 = Avx.UnpackLow(c, d), cd1 = Avx.UnpackHigh(c, d);
        a = Avx.Shuffle(ab0, cd0, 0b01_00_01_00);
        b = Avx.Shuffle(ab0, cd0, 0b11_10_11_10);
        c = Avx.Shuffle(ab1, cd1, 0b01_00_01_00);
        d = Avx.Shuffle(ab1, cd1, 0b11_10_11_10);
    }
}
