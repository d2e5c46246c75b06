namespace Parallax;

/// <summary>Element type of a tensor. The numeric values are those of ONNX's <c>TensorProto.DataType</c>.</summary>
public enum DType : byte
{
    Undefined = 0,
    Float32 = 1,
    UInt8 = 2,
    Int8 = 3,
    UInt16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    String = 8,
    Bool = 9,
    Float16 = 10,
    Float64 = 11,
    UInt32 = 12,
    UInt64 = 13,
    Complex64 = 14,
    Complex128 = 15,
    BFloat16 = 16,
    Float8E4M3FN = 17,
    Float8E4M3FNUZ = 18,
    Float8E5M2 = 19,
    Float8E5M2FNUZ = 20,
    UInt4 = 21,
    Int4 = 22,
    Float4E2M1 = 23,
    Float8E8M0 = 24,
    UInt2 = 25,
    Int2 = 26,
}

/// <summary>Facts about element types.</summary>
public static class DTypes
{
    /// <summary>Bits of one element in memory; types narrower than a byte are packed, lowest bits first, as in ONNX. 0 for strings.</summary>
    public static int BitWidth(this DType type) => type switch
    {
        DType.UInt2 or DType.Int2 => 2,
        DType.UInt4 or DType.Int4 or DType.Float4E2M1 => 4,
        DType.UInt8 or DType.Int8 or DType.Bool or DType.Float8E4M3FN or DType.Float8E4M3FNUZ or DType.Float8E5M2
            or DType.Float8E5M2FNUZ or DType.Float8E8M0 => 8,
        DType.UInt16 or DType.Int16 or DType.Float16 or DType.BFloat16 => 16,
        DType.Float32 or DType.Int32 or DType.UInt32 => 32,
        DType.Float64 or DType.Int64 or DType.UInt64 or DType.Complex64 => 64,
        DType.Complex128 => 128,
        _ => 0,
    };

    /// <summary>Bytes that <paramref name="elements"/> packed elements take.</summary>
    public static long ByteCount(this DType type, long elements) => checked((elements * type.BitWidth() + 7) / 8);

    /// <summary>Bytes of one element; throws for types that are packed below a byte and for strings.</summary>
    public static int ElementBytes(this DType type) => type.BitWidth() is var bits and >= 8
        ? bits / 8
        : throw new NotSupportedException($"{type} has no whole number of bytes per element");

    public static bool IsFloat(this DType type) => type is DType.Float32 or DType.Float64 or DType.Float16 or DType.BFloat16;

    public static bool IsFloat8(this DType type) => type is DType.Float8E4M3FN or DType.Float8E4M3FNUZ or DType.Float8E5M2
        or DType.Float8E5M2FNUZ or DType.Float8E8M0;

    public static bool IsSubByte(this DType type) => type.BitWidth() is 2 or 4;

    public static bool IsSignedInteger(this DType type) => type is DType.Int8 or DType.Int16 or DType.Int32 or DType.Int64 or DType.Int4 or DType.Int2;

    public static bool IsUnsignedInteger(this DType type) => type is DType.UInt8 or DType.UInt16 or DType.UInt32 or DType.UInt64 or DType.UInt4 or DType.UInt2;

    public static bool IsInteger(this DType type) => type.IsSignedInteger() || type.IsUnsignedInteger();

    /// <summary>The element type that CLR type <typeparamref name="T"/> stores.</summary>
    public static DType Of<T>() => OrUndefined<T>() is var type and not DType.Undefined
        ? type
        : throw new NotSupportedException($"no tensor element type is stored as {typeof(T).Name}");

    private static DType OrUndefined<T>()
    {
        if (typeof(T) == typeof(float)) return DType.Float32;
        if (typeof(T) == typeof(double)) return DType.Float64;
        if (typeof(T) == typeof(Half)) return DType.Float16;
        if (typeof(T) == typeof(BFloat16)) return DType.BFloat16;
        if (typeof(T) == typeof(byte)) return DType.UInt8;
        if (typeof(T) == typeof(sbyte)) return DType.Int8;
        if (typeof(T) == typeof(ushort)) return DType.UInt16;
        if (typeof(T) == typeof(short)) return DType.Int16;
        if (typeof(T) == typeof(int)) return DType.Int32;
        if (typeof(T) == typeof(long)) return DType.Int64;
        if (typeof(T) == typeof(uint)) return DType.UInt32;
        if (typeof(T) == typeof(ulong)) return DType.UInt64;
        if (typeof(T) == typeof(bool)) return DType.Bool;
        if (typeof(T) == typeof(string)) return DType.String;
        if (typeof(T) == typeof(Complex64)) return DType.Complex64;
        if (typeof(T) == typeof(System.Numerics.Complex)) return DType.Complex128;
        if (typeof(T) == typeof(Float8E4M3FN)) return DType.Float8E4M3FN;
        if (typeof(T) == typeof(Float8E4M3FNUZ)) return DType.Float8E4M3FNUZ;
        if (typeof(T) == typeof(Float8E5M2)) return DType.Float8E5M2;
        if (typeof(T) == typeof(Float8E5M2FNUZ)) return DType.Float8E5M2FNUZ;
        if (typeof(T) == typeof(Float8E8M0)) return DType.Float8E8M0;
        return DType.Undefined;
    }
}
