using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>
/// A vector of float32 lanes of one width. Code that is written once over <c>V : struct, IVec&lt;V&gt;</c> compiles to straight vector code
/// for each width: <see cref="Vec512"/>, <see cref="Vec256"/>, <see cref="Vec128"/> and the single lane <see cref="Vec1"/>.
/// Masks are vectors whose lanes have all bits set or none. All widths give the same bits for the same lane on one machine.
/// </summary>
public unsafe interface IVec<V> where V : struct, IVec<V>
{
    /// <summary>Lanes; a constant to the JIT.</summary>
    static abstract int Count { get; }

    /// <summary>Whether the width is worth using here: its operations are single instructions (always true for one lane).</summary>
    static abstract bool IsSupported { get; }

    static abstract V Load(float* source);
    static abstract void Store(float* destination, V value);
    static abstract V Create(float value);
    static abstract V CreateBits(int bits);

    static abstract V operator +(V a, V b);
    static abstract V operator -(V a, V b);
    static abstract V operator *(V a, V b);
    static abstract V operator /(V a, V b);

    /// <summary>a * b + c, fused where the machine fuses.</summary>
    static abstract V MultiplyAdd(V a, V b, V c);

    static abstract V Sqrt(V a);

    /// <summary>The lesser of two numbers; NaN where <paramref name="b"/> is NaN, which of two zeros is open.</summary>
    static abstract V Min(V a, V b);

    /// <summary>The greater of two numbers; NaN where <paramref name="b"/> is NaN, which of two zeros is open.</summary>
    static abstract V Max(V a, V b);

    /// <summary>Mask of a &lt; b; false where either is NaN.</summary>
    static abstract V Less(V a, V b);

    /// <summary>Whether a &lt; b in all lanes; false where any is NaN.</summary>
    static abstract bool AllLess(V a, V b);

    static abstract V And(V a, V b);
    static abstract V Or(V a, V b);
    static abstract V Xor(V a, V b);

    /// <summary>Lane by lane <paramref name="a"/> where the mask is set, <paramref name="b"/> elsewhere.</summary>
    static abstract V Select(V mask, V a, V b);

    /// <summary>Sum of the lanes' bits as 32-bit integers, wrapping.</summary>
    static abstract V AddBits(V a, V b);

    static abstract V SubtractBits(V a, V b);
    static abstract V ShiftLeftBits(V a, int count);

    /// <summary>Arithmetic right shift of the lanes' bits as 32-bit integers.</summary>
    static abstract V ShiftRightBits(V a, int count);

    /// <summary>The sum of all lanes, in a fixed order.</summary>
    static abstract float Sum(V a);

    /// <summary>The largest of all lanes; any of them where one is NaN.</summary>
    static abstract float Largest(V a);

    /// <summary>Loads 2 * Count elements; lane i of column j is element 2 i + j.</summary>
    static abstract void LoadColumns(float* source, out V column0, out V column1);

    /// <summary>Loads 4 * Count elements; lane i of column j is element 4 i + j.</summary>
    static abstract void LoadColumns(float* source, out V column0, out V column1, out V column2, out V column3);

    /// <summary>The inverse of loading two columns.</summary>
    static abstract void StoreColumns(float* destination, V column0, V column1);

    /// <summary>The inverse of loading four columns.</summary>
    static abstract void StoreColumns(float* destination, V column0, V column1, V column2, V column3);
}

/// <summary>The widths of <see cref="IVec{V}"/>, for choices that are made once.</summary>
public enum VecWidth
{
    Scalar = 1,
    V128 = 4,
    V256 = 8,
    V512 = 16,
}

/// <summary>Helpers over <see cref="IVec{V}"/>.</summary>
public static unsafe class Vec
{
    /// <summary>Elements of a cache line, which the widest vector has too.</summary>
    internal const int LineElements = 16;

    internal const int LineBytes = sizeof(float) * LineElements;

    /// <summary>The widest width that is supported here.</summary>
    public static VecWidth Widest =>
        Vec512.IsSupported ? VecWidth.V512 : Vec256.IsSupported ? VecWidth.V256 : Vec128.IsSupported ? VecWidth.V128 : VecWidth.Scalar;

    /// <summary>Bytes of as many whole cache lines as hold so many.</summary>
    internal static long WholeLines(long bytes) => (bytes + LineBytes - 1) / LineBytes * LineBytes;

    /// <summary>Elements of as many whole cache lines as hold so many.</summary>
    internal static long WholeLineElements(long elements) => (elements + LineElements - 1) / LineElements * LineElements;

    /// <summary>Asks for a cache line to be brought to the second-level cache, where the instruction exists. Any address will do.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(void* address)
    {
        if (Sse.IsSupported) Sse.Prefetch1(address);
    }

    /// <summary>Loads the first <paramref name="count"/> lanes and touches no byte behind them; the other lanes are zero.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static V LoadPartial<V>(float* source, int count) where V : struct, IVec<V>
    {
        float* lanes = stackalloc float[16];
        V.Store(lanes, default);
        for (int i = 0; i < count; i++)
            lanes[i] = source[i];
        return V.Load(lanes);
    }

    /// <summary>Stores the first <paramref name="count"/> lanes and touches no byte behind them.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void StorePartial<V>(float* destination, V value, int count) where V : struct, IVec<V>
    {
        float* lanes = stackalloc float[16];
        V.Store(lanes, value);
        for (int i = 0; i < count; i++)
            destination[i] = lanes[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Abs<V>(V a) where V : struct, IVec<V> => V.And(a, V.CreateBits(0x7FFFFFFF));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Negate<V>(V a) where V : struct, IVec<V> => V.Xor(a, V.CreateBits(int.MinValue));

    /// <summary><paramref name="a"/>, which is not negative or has that sign already, with the sign of <paramref name="sign"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V WithSign<V>(V a, V sign) where V : struct, IVec<V> => V.Or(a, V.And(sign, V.CreateBits(int.MinValue)));

    /// <summary>a limited to [min, max]; NaN stays NaN; max wins where min &gt; max.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Clamp<V>(V a, V min, V max) where V : struct, IVec<V> => V.Min(max, V.Max(min, a));
}
