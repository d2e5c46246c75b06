using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>One float32 lane: the portable last entry of every catalog.</summary>
public readonly unsafe struct Vec1 : IVec<Vec1>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly float v;

    [MethodImpl(Inline)]
    private Vec1(float v) => this.v = v;

    public static int Count => 1;
    public static bool IsSupported => true;
    [MethodImpl(Inline)] public static Vec1 Load(float* source) => new(*source);
    [MethodImpl(Inline)] public static void Store(float* destination, Vec1 value) => *destination = value.v;
    [MethodImpl(Inline)] public static Vec1 Create(float value) => new(value);
    [MethodImpl(Inline)] public static Vec1 CreateBits(int bits) => new(BitConverter.Int32BitsToSingle(bits));
    [MethodImpl(Inline)] public static Vec1 operator +(Vec1 a, Vec1 b) => new(a.v + b.v);
    [MethodImpl(Inline)] public static Vec1 operator -(Vec1 a, Vec1 b) => new(a.v - b.v);
    [MethodImpl(Inline)] public static Vec1 operator *(Vec1 a, Vec1 b) => new(a.v * b.v);
    [MethodImpl(Inline)] public static Vec1 operator /(Vec1 a, Vec1 b) => new(a.v / b.v);
    [MethodImpl(Inline)] public static Vec1 MultiplyAdd(Vec1 a, Vec1 b, Vec1 c) => new(float.MultiplyAddEstimate(a.v, b.v, c.v));
    [MethodImpl(Inline)] public static Vec1 Sqrt(Vec1 a) => new(MathF.Sqrt(a.v));
    [MethodImpl(Inline)] public static Vec1 Min(Vec1 a, Vec1 b) => new(float.MinNative(a.v, b.v));
    [MethodImpl(Inline)] public static Vec1 Max(Vec1 a, Vec1 b) => new(float.MaxNative(a.v, b.v));
    [MethodImpl(Inline)] public static Vec1 Less(Vec1 a, Vec1 b) => CreateBits(a.v < b.v ? -1 : 0);
    [MethodImpl(Inline)] public static bool AllLess(Vec1 a, Vec1 b) => a.v < b.v;
    [MethodImpl(Inline)] public static Vec1 And(Vec1 a, Vec1 b) => CreateBits(Bits(a) & Bits(b));
    [MethodImpl(Inline)] public static Vec1 Or(Vec1 a, Vec1 b) => CreateBits(Bits(a) | Bits(b));
    [MethodImpl(Inline)] public static Vec1 Xor(Vec1 a, Vec1 b) => CreateBits(Bits(a) ^ Bits(b));
    [MethodImpl(Inline)] public static Vec1 Select(Vec1 mask, Vec1 a, Vec1 b) => Bits(mask) != 0 ? a : b;
    [MethodImpl(Inline)] public static Vec1 AddBits(Vec1 a, Vec1 b) => CreateBits(Bits(a) + Bits(b));
    [MethodImpl(Inline)] public static Vec1 SubtractBits(Vec1 a, Vec1 b) => CreateBits(Bits(a) - Bits(b));
    [MethodImpl(Inline)] public static Vec1 ShiftLeftBits(Vec1 a, int count) => CreateBits(Bits(a) << count);
    [MethodImpl(Inline)] public static Vec1 ShiftRightBits(Vec1 a, int count) => CreateBits(Bits(a) >> count);
    [MethodImpl(Inline)] public static float Sum(Vec1 a) => a.v;
    [MethodImpl(Inline)] public static float Largest(Vec1 a) => a.v;

    [MethodImpl(Inline)]
    public static void LoadColumns(float* source, out Vec1 column0, out Vec1 column1) => (column0, column1) = (new(source[0]), new(source[1]));

    [MethodImpl(Inline)]
    public static void LoadColumns(float* source, out Vec1 column0, out Vec1 column1, out Vec1 column2, out Vec1 column3)
    {
        LoadColumns(source, out column0, out column1);
        LoadColumns(source + 2, out column2, out column3);
    }

    [MethodImpl(Inline)]
    public static void StoreColumns(float* destination, Vec1 column0, Vec1 column1) => (destination[0], destination[1]) = (column0.v, column1.v);

    [MethodImpl(Inline)]
    public static void StoreColumns(float* destination, Vec1 column0, Vec1 column1, Vec1 column2, Vec1 column3)
    {
        StoreColumns(destination, column0, column1);
        StoreColumns(destination + 2, column2, column3);
    }

    [MethodImpl(Inline)]
    private static int Bits(Vec1 a) => BitConverter.SingleToInt32Bits(a.v);
}
