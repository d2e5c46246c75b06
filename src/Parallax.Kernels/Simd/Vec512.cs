using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>16 float32 lanes in one <see cref="Vector512{T}"/>.</summary>
public readonly unsafe struct Vec512 : IVec<Vec512>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly Vector512<float> v;

    [MethodImpl(Inline)]
    private Vec512(Vector512<float> v) => this.v = v;

    public static int Count => 16;
    public static bool IsSupported => Vector512.IsHardwareAccelerated;
    [MethodImpl(Inline)] public static Vec512 Load(float* source) => new(Vector512.Load(source));
    [MethodImpl(Inline)] public static void Store(float* destination, Vec512 value) => Vector512.Store(value.v, destination);
    [MethodImpl(Inline)] public static Vec512 Create(float value) => new(Vector512.Create(value));
    [MethodImpl(Inline)] public static Vec512 CreateBits(int bits) => new(Vector512.Create(bits).AsSingle());
    [MethodImpl(Inline)] public static Vec512 operator +(Vec512 a, Vec512 b) => new(a.v + b.v);
    [MethodImpl(Inline)] public static Vec512 operator -(Vec512 a, Vec512 b) => new(a.v - b.v);
    [MethodImpl(Inline)] public static Vec512 operator *(Vec512 a, Vec512 b) => new(a.v * b.v);
    [MethodImpl(Inline)] public static Vec512 operator /(Vec512 a, Vec512 b) => new(a.v / b.v);
    [MethodImpl(Inline)] public static Vec512 MultiplyAdd(Vec512 a, Vec512 b, Vec512 c) => new(Vector512.MultiplyAddEstimate(a.v, b.v, c.v));
    [MethodImpl(Inline)] public static Vec512 Sqrt(Vec512 a) => new(Vector512.Sqrt(a.v));
    [MethodImpl(Inline)] public static Vec512 Min(Vec512 a, Vec512 b) => new(Vector512.MinNative(a.v, b.v));
    [MethodImpl(Inline)] public static Vec512 Max(Vec512 a, Vec512 b) => new(Vector512.MaxNative(a.v, b.v));
    [MethodImpl(Inline)] public static Vec512 Less(Vec512 a, Vec512 b) => new(Vector512.LessThan(a.v, b.v));
    [MethodImpl(Inline)] public static bool AllLess(Vec512 a, Vec512 b) => Vector512.LessThanAll(a.v, b.v);
    [MethodImpl(Inline)] public static Vec512 And(Vec512 a, Vec512 b) => new(a.v & b.v);
    [MethodImpl(Inline)] public static Vec512 Or(Vec512 a, Vec512 b) => new(a.v | b.v);
    [MethodImpl(Inline)] public static Vec512 Xor(Vec512 a, Vec512 b) => new(a.v ^ b.v);
    [MethodImpl(Inline)] public static Vec512 Select(Vec512 mask, Vec512 a, Vec512 b) => new(Vector512.ConditionalSelect(mask.v, a.v, b.v));
    [MethodImpl(Inline)] public static Vec512 AddBits(Vec512 a, Vec512 b) => new((a.v.AsInt32() + b.v.AsInt32()).AsSingle());
    [MethodImpl(Inline)] public static Vec512 SubtractBits(Vec512 a, Vec512 b) => new((a.v.AsInt32() - b.v.AsInt32()).AsSingle());
    [MethodImpl(Inline)] public static Vec512 ShiftLeftBits(Vec512 a, int count) => new((a.v.AsInt32() << count).AsSingle());
    [MethodImpl(Inline)] public static Vec512 ShiftRightBits(Vec512 a, int count) => new((a.v.AsInt32() >> count).AsSingle());
    [MethodImpl(Inline)] public static float Sum(Vec512 a) => Vec256.Sum(a.v.GetLower() + a.v.GetUpper());
    [MethodImpl(Inline)] public static float Largest(Vec512 a) => Vec256.Largest(Vector256.MaxNative(a.v.GetLower(), a.v.GetUpper()));

    // Only x86 has vectors of this width.
    [MethodImpl(Inline)]
    public static void LoadColumns(float* source, out Vec512 column0, out Vec512 column1)
    {
        Vector512<float> a = Vector512.Load(source), b = Vector512.Load(source + 16);
        column0 = new(Avx512F.PermuteVar16x32x2(a, Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), b));
        column1 = new(Avx512F.PermuteVar16x32x2(a, Vector512.Create(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), b));
    }

    [MethodImpl(Inline)]
    public static void LoadColumns(float* source, out Vec512 column0, out Vec512 column1, out Vec512 column2, out Vec512 column3)
    {
        Vector512<int> first = Vector512.Create(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
        Vector512<int> second = Vector512.Create(2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
        Vector512<float> a = Vector512.Load(source), b = Vector512.Load(source + 16), c = Vector512.Load(source + 32), d = Vector512.Load(source + 48);
        Vector512<float> ab01 = Avx512F.PermuteVar16x32x2(a, first, b), cd01 = Avx512F.PermuteVar16x32x2(c, first, d);
        Vector512<float> ab23 = Avx512F.PermuteVar16x32x2(a, second, b), cd23 = Avx512F.PermuteVar16x32x2(c, second, d);
        column0 = new(Avx512F.Shuffle4x128(ab01, cd01, 0b01_00_01_00));
        column1 = new(Avx512F.Shuffle4x128(ab01, cd01, 0b11_10_11_10));
        column2 = new(Avx512F.Shuffle4x128(ab23, cd23, 0b01_00_01_00));
        column3 = new(Avx512F.Shuffle4x128(ab23, cd23, 0b11_10_11_10));
    }

    [MethodImpl(Inline)]
    public static void StoreColumns(float* destination, Vec512 column0, Vec512 column1)
    {
        Vector512<int> lower = Vector512.Create(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        Vector512<int> upper = Vector512.Create(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        Vector512.Store(Avx512F.PermuteVar16x32x2(column0.v, lower, column1.v), destination);
        Vector512.Store(Avx512F.PermuteVar16x32x2(column0.v, upper, column1.v), destination + 16);
    }

    [MethodImpl(Inline)]
    public static void StoreColumns(float* destination, Vec512 column0, Vec512 column1, Vec512 column2, Vec512 column3)
    {
        Vector512<float> ab0 = Avx512F.UnpackLow(column0.v, column1.v), ab1 = Avx512F.UnpackHigh(column0.v, column1.v);
        Vector512<float> cd0 = Avx512F.UnpackLow(column2.v, column3.v), cd1 = Avx512F.UnpackHigh(column2.v, column3.v);
        // Lane group g of tile t holds elements 16 g + 4 t to 16 g + 4 t + 3 of the result: what is left is a transposition of lane groups.
        Vector512<float> t0 = Avx512F.Shuffle(ab0, cd0, 0b01_00_01_00), t1 = Avx512F.Shuffle(ab0, cd0, 0b11_10_11_10);
        Vector512<float> t2 = Avx512F.Shuffle(ab1, cd1, 0b01_00_01_00), t3 = Avx512F.Shuffle(ab1, cd1, 0b11_10_11_10);
        Vector512<float> even = Avx512F.Shuffle4x128(t0, t1, 0b10_00_10_00), odd = Avx512F.Shuffle4x128(t0, t1, 0b11_01_11_01);
        Vector512<float> even2 = Avx512F.Shuffle4x128(t2, t3, 0b10_00_10_00), odd2 = Avx512F.Shuffle4x128(t2, t3, 0b11_01_11_01);
        Vector512.Store(Avx512F.Shuffle4x128(even, even2, 0b10_00_10_00), destination);
        Vector512.Store(Avx512F.Shuffle4x128(odd, odd2, 0b10_00_10_00), destination + 16);
        Vector512.Store(Avx512F.Shuffle4x128(even, even2, 0b11_01_11_01), destination + 32);
        Vector512.Store(Avx512F.Shuffle4x128(odd, odd2, 0b11_01_11_01), destination + 48);
    }
}
