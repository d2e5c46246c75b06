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

    /// <summary>Pairs of bytes, the first of which is the low one, as lanes of int32.</summary>
    [MethodImpl(Inline)]
    internal static V LoadWords<V>(byte* source) where V : struct, IVec<V>
    {
        if (typeof(V) == typeof(Vec512))
            return As<V, Vector512<int>>(Avx512F.IsSupported
                ? Avx512F.ConvertToVector512Int32(Vector256.Load((ushort*)source))
                : Vector512.Create(Widen8((ushort*)source), Widen8((ushort*)source + 8)));
        if (typeof(V) == typeof(Vec256)) return As<V, Vector256<int>>(Widen8((ushort*)source));
        if (typeof(V) == typeof(Vec128)) return As<V, Vector128<int>>(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)source).AsUInt16()).AsInt32());
        return As<V, int>(*(ushort*)source);
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
            *(ulong*)target = Narrow(v, v).AsUInt64()[0];
        }
        else if (typeof(V) == typeof(Vec128))
        {
            Vector128<int> v = As<Vector128<int>, V>(integers);
            Vector128<ushort> words = Vector128.Narrow(v, v).AsUInt16();
            *(uint*)target = Vector128.Narrow(words, words).AsUInt32()[0];
        }
        else *target = (byte)As<int, V>(integers);
    }

    /// <summary>a limited to [min, max]; not for NaN.</summary>
    [MethodImpl(Inline)]
    internal static V Clamp<V>(V a, V min, V max) where V : struct, IVec<V>
    {
        if (typeof(V) == typeof(Vec512))
            return As<V, Vector512<float>>(Vector512.MinNative(Vector512.MaxNative(As<Vector512<float>, V>(a), As<Vector512<float>, V>(min)), As<Vector512<float>, V>(max)));
        if (typeof(V) == typeof(Vec256))
            return As<V, Vector256<float>>(Vector256.MinNative(Vector256.MaxNative(As<Vector256<float>, V>(a), As<Vector256<float>, V>(min)), As<Vector256<float>, V>(max)));
        if (typeof(V) == typeof(Vec128))
            return As<V, Vector128<float>>(Vector128.MinNative(Vector128.MaxNative(As<Vector128<float>, V>(a), As<Vector128<float>, V>(min)), As<Vector128<float>, V>(max)));
        return Vec.Clamp(a, min, max);
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
    private static Vector256<int> Widen8(ushort* source)
    {
        if (Avx2.IsSupported) return Avx2.ConvertToVector256Int32(Vector128.Load(source));
        (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(Vector128.Load(source));
        return Vector256.Create(low, high).AsInt32();
    }

    [MethodImpl(Inline)]
    private static Vector128<byte> Narrow(Vector256<int> low, Vector256<int> high)
    {
        Vector256<ushort> words = Vector256.Narrow(low, high).AsUInt16();
        return Vector128.Narrow(words.GetLower(), words.GetUpper());
    }

    [MethodImpl(Inline)]
    private static To As<To, From>(From value) where To : struct where From : struct => Unsafe.BitCast<From, To>(value);
}
