using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

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
    [MethodImpl(Inline)] public static Vec512 Less(Vec512 a, Vec512 b) => new(Vector512.LessThan(a.v, b.v));
    [MethodImpl(Inline)] public static Vec512 And(Vec512 a, Vec512 b) => new(a.v & b.v);
    [MethodImpl(Inline)] public static Vec512 Or(Vec512 a, Vec512 b) => new(a.v | b.v);
    [MethodImpl(Inline)] public static Vec512 Xor(Vec512 a, Vec512 b) => new(a.v ^ b.v);
    [MethodImpl(Inline)] public static Vec512 Select(Vec512 mask, Vec512 a, Vec512 b) => new(Vector512.ConditionalSelect(mask.v, a.v, b.v));
    [MethodImpl(Inline)] public static Vec512 AddBits(Vec512 a, Vec512 b) => new((a.v.AsInt32() + b.v.AsInt32()).AsSingle());
    [MethodImpl(Inline)] public static Vec512 SubtractBits(Vec512 a, Vec512 b) => new((a.v.AsInt32() - b.v.AsInt32()).AsSingle());
    [MethodImpl(Inline)] public static Vec512 ShiftLeftBits(Vec512 a, int count) => new((a.v.AsInt32() << count).AsSingle());
    [MethodImpl(Inline)] public static Vec512 ShiftRightBits(Vec512 a, int count) => new((a.v.AsInt32() >> count).AsSingle());
    [MethodImpl(Inline)] public static float Sum(Vec512 a) => Vector512.Sum(a.v);
}
