using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>Moves between lanes of float32 or int32 and arrays of bytes; what <see cref="IVec{V}"/> lacks for quantized data. No byte beyond the lanes is touched.</summary>
internal static unsafe class ByteLanes
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    /// <summary>Unsigned bytes as lanes of int32.</summary>
    [MethodImpl(Inline)]
    internal static V Load<V>(byte* source) where V : struct, IVec<V>
    {
        if (typeof(V) == typeof(Vec512))
            return As<V, Vector512<int>>(Avx512F.IsSupported ? Avx512F.ConvertToVector512Int32(Vector128.Load(source)) : Vector512.Create(Widen8(source), Widen8(source + 8)));
        if (typeof(V) == typeof(Vec256)) return As<V, Vector256<int>>(Widen8(source));
        if (typeof(V) == typeof(Vec128)) return As<V, Vector128<int>>(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(uint*)source).AsByte())).AsInt32());
        return As<V, int>(*source);
    }

    /// <summary>Lanes that hold floats that are integers as int32.</summary>
    [MethodImpl(Inline)]
    internal static V ToInts<V>(V floats) where V : struct, IVec<V>
    {
        if (typeof(V) == typeof(Vec512)) return As<V, Vector512<int>>(Vector512.ConvertToInt32Native(As<Vector512<float>, V>(floats)));
        if (typeof(V) == typeof(Vec256)) return As<V, Vector256<int>>(Vector256.ConvertToInt32Native(As<Vector256<float>, V>(floats)));
        if (typeof(V) == typeof(Vec128)) return As<V, Vector128<int>>(Vector128.ConvertToInt32Native(As<Vector128<float>, V>(floats)));
        return As<V, int>((int)As<float, V>(floats));
    }

    /// <summary>Floats that are small enough as the nearest integers, ties to even; <paramref name="farthest"/> becomes the farthest that any in its lane was from one.</summary>
    [MethodImpl(Inline)]
    internal static V RoundToInts<V>(V floats, ref V farthest) where V : struct, IVec<V>
    {
        if (typeof(V) == typeof(Vec512) && Avx512DQ.IsSupported)
        {
            // The first control means: less the nearest integer, ties to even. The second: the larger magnitude, without its sign.
            Vector512<float> v = As<Vector512<float>, V>(floats), rest = Avx512DQ.Reduce(v, 0);
            farthest = As<V, Vector512<float>>(Avx512DQ.Range(rest, As<Vector512<float>, V>(farthest), 0b1011));
            return As<V, Vector512<int>>(Avx512F.ConvertToVector512Int32(v));
        }
        V rounded = Round(floats);
        farthest = V.Max(Vec.Abs(floats - rounded), farthest);
        return ToInts(rounded);
    }

    /// <summary>Floats as the nearest integers, ties to even.</summary>
    [MethodImpl(Inline)]
    internal static V Round<V>(V floats) where V : struct, IVec<V>
    {
        if (typeof(V) == typeof(Vec512)) return As<V, Vector512<float>>(Vector512.Round(As<Vector512<float>, V>(floats)));
        if (typeof(V) == typeof(Vec256)) return As<V, Vector256<float>>(Vector256.Round(As<Vector256<float>, V>(floats)));
        if (typeof(V) == typeof(Vec128)) return As<V, Vector128<float>>(Vector128.Round(As<Vector128<float>, V>(floats)));
        return As<V, float>(MathF.Round(As<float, V>(floats)));
    }

    /// <summary>Lanes that hold int32 as the nearest floats.</summary>
    [MethodImpl(Inline)]
    internal static V FromInts<V>(V integers) where V : struct, IVec<V>
    {
        if (typeof(V) == typeof(Vec512)) return As<V, Vector512<float>>(Vector512.ConvertToSingle(As<Vector512<int>, V>(integers)));
        if (typeof(V) == typeof(Vec256)) return As<V, Vector256<float>>(Vector256.ConvertToSingle(As<Vector256<int>, V>(integers)));
        if (typeof(V) == typeof(Vec128)) return As<V, Vector128<float>>(Vector128.ConvertToSingle(As<Vector128<int>, V>(integers)));
        return V.Create(As<int, V>(integers));
    }

    /// <summary>The low bytes of lanes that hold int32.</summary>
    [MethodImpl(Inline)]
    internal static void Store<V>(byte* target, V integers) where V : struct, IVec<V>
    {
        if (typeof(V) == typeof(Vec512))
        {
            Vector512<int> v = As<Vector512<int>, V>(integers);
            if (Avx512F.IsSupported) Vector128.Store(Avx512F.ConvertToVector128Byte(v), target);
            else Vector128.Store(Narrow(v.GetLower(), v.GetUpper()), target);
        }
        else if (typeof(V) == typeof(Vec256))
        {
            Vector256<int> v = As<Vector256<int>, V>(integers);
            *(ulong*)target = Sse41.IsSupported ? Pack(v.GetLower(), v.GetUpper()).AsUInt64()[0] : Narrow(v, v).AsUInt64()[0];
        }
        else if (typeof(V) == typeof(Vec128))
        {
            Vector128<int> v = As<Vector128<int>, V>(integers);
            if (Sse41.IsSupported)
            {
                *(uint*)target = Pack(v, v).AsUInt32()[0];
                return;
            }
            Vector128<ushort> words = Vector128.Narrow(v, v).AsUInt16();
            *(uint*)target = Vector128.Narrow(words, words).AsUInt32()[0];
        }
        else *target = (byte)As<int, V>(integers);
    }

    /// <summary><c>(source[i] xor flip) - shift</c>, for bytes and integers that lie one behind the other.</summary>
    internal static void Widen(byte* source, int flip, int shift, int* target, int count)
    {
        if (Vec512.IsSupported) Widen<Vec512>(source, flip, shift, target, count);
        else if (Vec256.IsSupported) Widen<Vec256>(source, flip, shift, target, count);
        else Widen<Vec128>(source, flip, shift, target, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Widen<V>(byte* source, int flip, int shift, int* target, int count) where V : struct, IVec<V>
    {
        V flips = V.CreateBits(flip), shifts = V.CreateBits(shift);
        int i = 0;
        for (; i <= count - V.Count; i += V.Count) V.Store((float*)target + i, V.SubtractBits(V.Xor(Load<V>(source + i), flips), shifts));
        for (; i < count; i++) target[i] = (source[i] ^ flip) - shift;
    }

    /// <summary>Sixteen unsigned bytes as int16.</summary>
    [MethodImpl(Inline)]
    internal static void Widen(Vector128<byte> bytes, short* target)
    {
        if (Avx2.IsSupported)
        {
            Vector256.Store(Avx2.ConvertToVector256Int16(bytes), target);
            return;
        }
        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(bytes);
        Vector128.Store(low.AsInt16(), target);
        Vector128.Store(high.AsInt16(), target + Vector128<short>.Count);
    }

    [MethodImpl(Inline)]
    private static Vector256<int> Widen8(byte* source)
    {
        Vector128<byte> bytes = Vector128.CreateScalarUnsafe(*(ulong*)source).AsByte();
        if (Avx2.IsSupported) return Avx2.ConvertToVector256Int32(bytes);
        (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(Vector128.WidenLower(bytes));
        return Vector256.Create(low, high).AsInt32();
    }

    [MethodImpl(Inline)]
    private static Vector128<byte> Narrow(Vector256<int> low, Vector256<int> high)
    {
        Vector256<ushort> words = Vector256.Narrow(low, high).AsUInt16();
        return Vector128.Narrow(words.GetLower(), words.GetUpper());
    }

    /// <summary>The low bytes of eight integers, in the lower half: with bytes alone in them, packs that saturate have nothing to limit.</summary>
    [MethodImpl(Inline)]
    private static Vector128<byte> Pack(Vector128<int> low, Vector128<int> high)
    {
        Vector128<int> bytes = Vector128.Create(0xFF);
        Vector128<short> words = Sse41.PackUnsignedSaturate(low & bytes, high & bytes).AsInt16();
        return Sse2.PackUnsignedSaturate(words, words);
    }

    [MethodImpl(Inline)]
    private static To As<To, From>(From value) where To : struct where From : struct => Unsafe.BitCast<From, To>(value);
}
