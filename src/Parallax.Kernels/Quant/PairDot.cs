using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>A vector of int32 lanes, each of which may also be seen as a pair of int16.</summary>
internal unsafe interface IPairDot<V> where V : struct, IPairDot<V>
{
    static abstract int Count { get; }

    static abstract V Load(short* pairs);

    /// <summary>One pair in every lane.</summary>
    static abstract V Broadcast(short* pair);

    static abstract void Store(int* target, V sums);

    static abstract V LoadSums(int* source);

    /// <summary>sums + a.low * b.low + a.high * b.high, lane by lane.</summary>
    static abstract V Add(V sums, V a, V b);
}

internal readonly unsafe struct PairDot512(Vector512<int> v) : IPairDot<PairDot512>
{
    private readonly Vector512<int> v = v;

    public static int Count => 16;
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot512 Load(short* pairs) => new(Vector512.Load((int*)pairs));
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot512 Broadcast(short* pair) => new(Vector512.Create(*(int*)pair));
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static void Store(int* target, PairDot512 sums) => Vector512.Store(sums.v, target);
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot512 LoadSums(int* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static PairDot512 Add(PairDot512 sums, PairDot512 a, PairDot512 b) => new(Avx512BW.IsSupported
        ? sums.v + Avx512BW.MultiplyAddAdjacent(a.v.AsInt16(), b.v.AsInt16())
        : sums.v + ((a.v << 16) >> 16) * ((b.v << 16) >> 16) + (a.v >> 16) * (b.v >> 16));
}

internal readonly unsafe struct PairDot256(Vector256<int> v) : IPairDot<PairDot256>
{
    private readonly Vector256<int> v = v;

    public static int Count => 8;
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot256 Load(short* pairs) => new(Vector256.Load((int*)pairs));
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot256 Broadcast(short* pair) => new(Vector256.Create(*(int*)pair));
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static void Store(int* target, PairDot256 sums) => Vector256.Store(sums.v, target);
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot256 LoadSums(int* source) => new(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static PairDot256 Add(PairDot256 sums, PairDot256 a, PairDot256 b) => new(Avx2.IsSupported
        ? sums.v + Avx2.MultiplyAddAdjacent(a.v.AsInt16(), b.v.AsInt16())
        : sums.v + ((a.v << 16) >> 16) * ((b.v << 16) >> 16) + (a.v >> 16) * (b.v >> 16));
}

internal readonly unsafe struct PairDot128(Vector128<int> v) : IPairDot<PairDot128>
{
    private readonly Vector128<int> v = v;

    public static int Count => 4;
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot128 Load(short* pairs) => new(Vector128.Load((int*)pairs));
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot128 Broadcast(short* pair) => new(Vector128.Create(*(int*)pair));
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static void Store(int* target, PairDot128 sums) => Vector128.Store(sums.v, target);
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot128 LoadSums(int* source) => new(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static PairDot128 Add(PairDot128 sums, PairDot128 a, PairDot128 b) => new(Sse2.IsSupported
        ? sums.v + Sse2.MultiplyAddAdjacent(a.v.AsInt16(), b.v.AsInt16())
        : sums.v + ((a.v << 16) >> 16) * ((b.v << 16) >> 16) + (a.v >> 16) * (b.v >> 16));
}

internal readonly unsafe struct PairDot1(int v) : IPairDot<PairDot1>
{
    private readonly int v = v;

    public static int Count => 1;
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot1 Load(short* pairs) => new(*(int*)pairs);
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot1 Broadcast(short* pair) => new(*(int*)pair);
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static void Store(int* target, PairDot1 sums) => *target = sums.v;
    [MethodImpl(MethodImplOptions.AggressiveInlining)] public static PairDot1 LoadSums(int* source) => new(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static PairDot1 Add(PairDot1 sums, PairDot1 a, PairDot1 b) => new(sums.v + (short)a.v * (short)b.v + (a.v >> 16) * (b.v >> 16));
}
