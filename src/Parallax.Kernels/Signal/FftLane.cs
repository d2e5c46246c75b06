using System.Numerics;
using System.Runtime.CompilerServices;

namespace Parallax.Kernels.Signal;

/// <summary>One or several neighbouring numbers, so that a butterfly is written once for both.</summary>
internal unsafe interface IFftLane<TSelf, T> where TSelf : struct, IFftLane<TSelf, T> where T : unmanaged
{
    static abstract int Count { get; }

    static abstract TSelf Load(T* source);
    static abstract TSelf Create(T value);
    void Store(T* target);

    static abstract TSelf operator +(TSelf a, TSelf b);
    static abstract TSelf operator -(TSelf a, TSelf b);
    static abstract TSelf operator *(TSelf a, TSelf b);
}

internal readonly unsafe struct OneLane<T>(T value) : IFftLane<OneLane<T>, T> where T : unmanaged, INumber<T>
{
    private readonly T value = value;

    public static int Count => 1;

    public static OneLane<T> Load(T* source) => new(*source);
    public static OneLane<T> Create(T value) => new(value);
    public void Store(T* target) => *target = value;

    public static OneLane<T> operator +(OneLane<T> a, OneLane<T> b) => new(a.value + b.value);
    public static OneLane<T> operator -(OneLane<T> a, OneLane<T> b) => new(a.value - b.value);
    public static OneLane<T> operator *(OneLane<T> a, OneLane<T> b) => new(a.value * b.value);
}

internal readonly unsafe struct WideLane<T>(Vector<T> value) : IFftLane<WideLane<T>, T> where T : unmanaged
{
    private readonly Vector<T> value = value;

    public static int Count => Vector<T>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static WideLane<T> Load(T* source) => new(Unsafe.ReadUnaligned<Vector<T>>(source));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static WideLane<T> Create(T value) => new(new Vector<T>(value));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(T* target) => Unsafe.WriteUnaligned(target, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static WideLane<T> operator +(WideLane<T> a, WideLane<T> b) => new(a.value + b.value);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static WideLane<T> operator -(WideLane<T> a, WideLane<T> b) => new(a.value - b.value);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static WideLane<T> operator *(WideLane<T> a, WideLane<T> b) => new(a.value * b.value);
}
