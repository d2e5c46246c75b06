using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>A vector of int32 lanes, each of which may also be seen as a pair of int16 or as four 8-bit integers: the factors of one lane's part of a dot product.</summary>
internal unsafe interface IDotLanes<V> where V : struct, IDotLanes<V>
{
    static abstract int Count { get; }

    static abstract V Load(byte* factors);

    /// <summary>The four bytes at <paramref name="factors"/> in every lane.</summary>
    static abstract V Broadcast(byte* factors);

    static abstract void Store(int* target, V sums);

    /// <summary>sums + the dot products of a's and b's factors, lane by lane; exact while the sum fits an int32.</summary>
    static abstract V Add(V sums, V a, V b);
}

/// <summary>16 lanes of pairs.</summary>
internal readonly unsafe struct Pairs512(Vector512<int> v) : IDotLanes<Pairs512>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly Vector512<int> v = v;

    public static int Count => 16;
    [MethodImpl(Inline)] public static Pairs512 Load(byte* factors) => new(Vector512.Load((int*)factors));
    [MethodImpl(Inline)] public static Pairs512 Broadcast(byte* factors) => new(Vector512.Create(*(int*)factors));
    [MethodImpl(Inline)] public static void Store(int* target, Pairs512 sums) => Vector512.Store(sums.v, target);

    [MethodImpl(Inline)]
    public static Pairs512 Add(Pairs512 sums, Pairs512 a, Pairs512 b) => new(Avx512BW.IsSupported
        ? sums.v + Avx512BW.MultiplyAddAdjacent(a.v.AsInt16(), b.v.AsInt16())
        : sums.v + ((a.v << 16) >> 16) * ((b.v << 16) >> 16) + (a.v >> 16) * (b.v >> 16));
}

/// <summary>8 lanes of pairs.</summary>
internal readonly unsafe struct Pairs256(Vector256<int> v) : IDotLanes<Pairs256>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly Vector256<int> v = v;

    public static int Count => 8;
    [MethodImpl(Inline)] public static Pairs256 Load(byte* factors) => new(Vector256.Load((int*)factors));
    [MethodImpl(Inline)] public static Pairs256 Broadcast(byte* factors) => new(Vector256.Create(*(int*)factors));
    [MethodImpl(Inline)] public static void Store(int* target, Pairs256 sums) => Vector256.Store(sums.v, target);

    [MethodImpl(Inline)]
    public static Pairs256 Add(Pairs256 sums, Pairs256 a, Pairs256 b) => new(Avx2.IsSupported
        ? sums.v + Avx2.MultiplyAddAdjacent(a.v.AsInt16(), b.v.AsInt16())
        : sums.v + ((a.v << 16) >> 16) * ((b.v << 16) >> 16) + (a.v >> 16) * (b.v >> 16));
}

/// <summary>4 lanes of pairs.</summary>
internal readonly unsafe struct Pairs128(Vector128<int> v) : IDotLanes<Pairs128>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly Vector128<int> v = v;

    public static int Count => 4;
    [MethodImpl(Inline)] public static Pairs128 Load(byte* factors) => new(Vector128.Load((int*)factors));
    [MethodImpl(Inline)] public static Pairs128 Broadcast(byte* factors) => new(Vector128.Create(*(int*)factors));
    [MethodImpl(Inline)] public static void Store(int* target, Pairs128 sums) => Vector128.Store(sums.v, target);

    [MethodImpl(Inline)]
    public static Pairs128 Add(Pairs128 sums, Pairs128 a, Pairs128 b) => new(Sse2.IsSupported
        ? sums.v + Sse2.MultiplyAddAdjacent(a.v.AsInt16(), b.v.AsInt16())
        : sums.v + ((a.v << 16) >> 16) * ((b.v << 16) >> 16) + (a.v >> 16) * (b.v >> 16));
}

/// <summary>One lane of pairs: the portable last entry.</summary>
internal readonly unsafe struct Pairs1(int v) : IDotLanes<Pairs1>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly int v = v;

    public static int Count => 1;
    [MethodImpl(Inline)] public static Pairs1 Load(byte* factors) => new(*(int*)factors);
    [MethodImpl(Inline)] public static Pairs1 Broadcast(byte* factors) => new(*(int*)factors);
    [MethodImpl(Inline)] public static void Store(int* target, Pairs1 sums) => *target = sums.v;
    [MethodImpl(Inline)] public static Pairs1 Add(Pairs1 sums, Pairs1 a, Pairs1 b) => new(sums.v + (short)a.v * (short)b.v + (a.v >> 16) * (b.v >> 16));
}

/// <summary>8 lanes of four: a holds int8, b uint8. x86 with AVX-VNNI.</summary>
internal readonly unsafe struct Quads256(Vector256<int> v) : IDotLanes<Quads256>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly Vector256<int> v = v;

    public static int Count => 8;
    [MethodImpl(Inline)] public static Quads256 Load(byte* factors) => new(Vector256.Load((int*)factors));
    [MethodImpl(Inline)] public static Quads256 Broadcast(byte* factors) => new(Vector256.Create(*(int*)factors));
    [MethodImpl(Inline)] public static void Store(int* target, Quads256 sums) => Vector256.Store(sums.v, target);
    [MethodImpl(Inline)] public static Quads256 Add(Quads256 sums, Quads256 a, Quads256 b) => new(AvxVnni.MultiplyWideningAndAdd(sums.v, b.v.AsByte(), a.v.AsSByte()));
}

/// <summary>8 lanes of four: a holds uint8, b int8. x86 with AVX-VNNI.</summary>
internal readonly unsafe struct TurnedQuads256(Vector256<int> v) : IDotLanes<TurnedQuads256>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly Vector256<int> v = v;

    public static int Count => 8;
    [MethodImpl(Inline)] public static TurnedQuads256 Load(byte* factors) => new(Vector256.Load((int*)factors));
    [MethodImpl(Inline)] public static TurnedQuads256 Broadcast(byte* factors) => new(Vector256.Create(*(int*)factors));
    [MethodImpl(Inline)] public static void Store(int* target, TurnedQuads256 sums) => Vector256.Store(sums.v, target);
    [MethodImpl(Inline)] public static TurnedQuads256 Add(TurnedQuads256 sums, TurnedQuads256 a, TurnedQuads256 b) => new(AvxVnni.MultiplyWideningAndAdd(sums.v, a.v.AsByte(), b.v.AsSByte()));
}

/// <summary>4 lanes of four: a and b hold int8. ARM with dot products.</summary>
internal readonly unsafe struct Quads128(Vector128<int> v) : IDotLanes<Quads128>
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    private readonly Vector128<int> v = v;

    public static int Count => 4;
    [MethodImpl(Inline)] public static Quads128 Load(byte* factors) => new(Vector128.Load((int*)factors));
    [MethodImpl(Inline)] public static Quads128 Broadcast(byte* factors) => new(Vector128.Create(*(int*)factors));
    [MethodImpl(Inline)] public static void Store(int* target, Quads128 sums) => Vector128.Store(sums.v, target);
    [MethodImpl(Inline)] public static Quads128 Add(Quads128 sums, Quads128 a, Quads128 b) => new(Dp.DotProduct(sums.v, a.v.AsSByte(), b.v.AsSByte()));
}
