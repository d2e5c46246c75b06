using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>4 float32 lanes in one <see cref="Vector128{T}"/>.</summary>
public readonly unsafe struct Vec128 : IVec<Vec128>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly Vector128<float> v;

    [MethodImpl(Inline)]
    private Vec128(Vector128<float> v) => this.v = v;

    public static int Count => 4;
    public static bool IsSupported => Vector128.IsHardwareAccelerated;
    [MethodImpl(Inline)] public static Vec128 Load(float* source) => new(Vector128.Load(source));
    [MethodImpl(Inline)] public static void Store(float* destination, Vec128 value) => Vector128.Store(value.v, destination);
    [MethodImpl(Inline)] public static Vec128 Create(float value) => new(Vector128.Create(value));
    [MethodImpl(Inline)] public static Vec128 CreateBits(int bits) => new(Vector128.Create(bits).AsSingle());
    [MethodImpl(Inline)] public static Vec128 operator +(Vec128 a, Vec128 b) => new(a.v + b.v);
    [MethodImpl(Inline)] public static Vec128 operator -(Vec128 a, Vec128 b) => new(a.v - b.v);
    [MethodImpl(Inline)] public static Vec128 operator *(Vec128 a, Vec128 b) => new(a.v * b.v);
    [MethodImpl(Inline)] public static Vec128 operator /(Vec128 a, Vec128 b) => new(a.v / b.v);
    [MethodImpl(Inline)] public static Vec128 MultiplyAdd(Vec128 a, Vec128 b, Vec128 c) => new(Vector128.MultiplyAddEstimate(a.v, b.v, c.v));
    [MethodImpl(Inline)] public static Vec128 Sqrt(Vec128 a) => new(Vector128.Sqrt(a.v));
    [MethodImpl(Inline)] public static Vec128 Min(Vec128 a, Vec128 b) => new(Vector128.MinNative(a.v, b.v));
    [MethodImpl(Inline)] public static Vec128 Max(Vec128 a, Vec128 b) => new(Vector128.MaxNative(a.v, b.v));
    [MethodImpl(Inline)] public static Vec128 Less(Vec128 a, Vec128 b) => new(Vector128.LessThan(a.v, b.v));
    [MethodImpl(Inline)] public static bool AllLess(Vec128 a, Vec128 b) => Vector128.LessThanAll(a.v, b.v);
    [MethodImpl(Inline)] public static Vec128 And(Vec128 a, Vec128 b) => new(a.v & b.v);
    [MethodImpl(Inline)] public static Vec128 Or(Vec128 a, Vec128 b) => new(a.v | b.v);
    [MethodImpl(Inline)] public static Vec128 Xor(Vec128 a, Vec128 b) => new(a.v ^ b.v);
    [MethodImpl(Inline)] public static Vec128 Select(Vec128 mask, Vec128 a, Vec128 b) => new(Vector128.ConditionalSelect(mask.v, a.v, b.v));
    [MethodImpl(Inline)] public static Vec128 AddBits(Vec128 a, Vec128 b) => new((a.v.AsInt32() + b.v.AsInt32()).AsSingle());
    [MethodImpl(Inline)] public static Vec128 SubtractBits(Vec128 a, Vec128 b) => new((a.v.AsInt32() - b.v.AsInt32()).AsSingle());
    [MethodImpl(Inline)] public static Vec128 ShiftLeftBits(Vec128 a, int count) => new((a.v.AsInt32() << count).AsSingle());
    [MethodImpl(Inline)] public static Vec128 ShiftRightBits(Vec128 a, int count) => new((a.v.AsInt32() >> count).AsSingle());
    [MethodImpl(Inline)] public static float Sum(Vec128 a) => Vector128.Sum(a.v);
    [MethodImpl(Inline)] public static float Largest(Vec128 a) => Largest(a.v);

    [MethodImpl(Inline)]
    internal static float Largest(Vector128<float> a)
    {
        a = Vector128.MaxNative(a, Vector128.Shuffle(a, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(a, Vector128.Shuffle(a, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    [MethodImpl(Inline)]
    public static void LoadColumns(float* source, out Vec128 column0, out Vec128 column1)
    {
        Vector128<float> a = Vector128.Load(source), b = Vector128.Load(source + 4);
        (column0, column1) = (new(Lanes128.Even(a, b)), new(Lanes128.Odd(a, b)));
    }

    [MethodImpl(Inline)]
    public static void LoadColumns(float* source, out Vec128 column0, out Vec128 column1, out Vec128 column2, out Vec128 column3)
    {
        Vector128<float> a = Vector128.Load(source), b = Vector128.Load(source + 4), c = Vector128.Load(source + 8), d = Vector128.Load(source + 12);
        Lanes128.Transpose(ref a, ref b, ref c, ref d);
        (column0, column1, column2, column3) = (new(a), new(b), new(c), new(d));
    }

    [MethodImpl(Inline)]
    public static void StoreColumns(float* destination, Vec128 column0, Vec128 column1)
    {
        Vector128.Store(Lanes128.ZipLower(column0.v, column1.v), destination);
        Vector128.Store(Lanes128.ZipUpper(column0.v, column1.v), destination + 4);
    }

    [MethodImpl(Inline)]
    public static void StoreColumns(float* destination, Vec128 column0, Vec128 column1, Vec128 column2, Vec128 column3)
    {
        Vector128<float> a = column0.v, b = column1.v, c = column2.v, d = column3.v;
        Lanes128.Transpose(ref a, ref b, ref c, ref d);
        Vector128.Store(a, destination);
        Vector128.Store(b, destination + 4);
        Vector128.Store(c, destination + 8);
        Vector128.Store(d, destination + 12);
    }
}
