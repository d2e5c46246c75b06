using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

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
    [MethodImpl(Inline)] public static Vec256 Less(Vec256 a, Vec256 b) => new(Vector256.LessThan(a.v, b.v));
    [MethodImpl(Inline)] public static Vec256 And(Vec256 a, Vec256 b) => new(a.v & b.v);
    [MethodImpl(Inline)] public static Vec256 Or(Vec256 a, Vec256 b) => new(a.v | b.v);
    [MethodImpl(Inline)] public static Vec256 Xor(Vec256 a, Vec256 b) => new(a.v ^ b.v);
    [MethodImpl(Inline)] public static Vec256 Select(Vec256 mask, Vec256 a, Vec256 b) => new(Vector256.ConditionalSelect(mask.v, a.v, b.v));
    [MethodImpl(Inline)] public static Vec256 AddBits(Vec256 a, Vec256 b) => new((a.v.AsInt32() + b.v.AsInt32()).AsSingle());
    [MethodImpl(Inline)] public static Vec256 SubtractBits(Vec256 a, Vec256 b) => new((a.v.AsInt32() - b.v.AsInt32()).AsSingle());
    [MethodImpl(Inline)] public static Vec256 ShiftLeftBits(Vec256 a, int count) => new((a.v.AsInt32() << count).AsSingle());
    [MethodImpl(Inline)] public static Vec256 ShiftRightBits(Vec256 a, int count) => new((a.v.AsInt32() >> count).AsSingle());
    [MethodImpl(Inline)] public static float Sum(Vec256 a) => Vector256.Sum(a.v);
}
