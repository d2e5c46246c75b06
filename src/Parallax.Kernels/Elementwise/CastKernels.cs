using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Parallax.Kernels;

/// <summary>
/// Kernels that convert element types. Narrow types go through a wider one: float8, float4 and bfloat16 through float, packed integers through bytes.
/// Numbers out of range: floats become integers of up to 16 bits (and packed ones) by their low bits, wider ones saturate; integers wrap; NaN becomes 0.
/// </summary>
public static class CastKernels
{
    /// <param name="saturate">Float8 targets: out of range gives the largest finite value instead of infinity or NaN.</param>
    /// <param name="rounding">Float8E8M0 targets.</param>
    public static Kernel Create(DType from, DType to, long count, bool saturate = true, MidpointRounding rounding = MidpointRounding.ToPositiveInfinity)
    {
        string name = $"cast_{from}_{to}".ToLowerInvariant();
        ElementReader reader = ElementReader.For(from);
        ElementWriter writer = ElementWriter.For(to, saturate, rounding);
        return reader.CreateKernel(name, count, from, to, writer);
    }
}

/// <summary>Converts between the types that hold decoded elements.</summary>
internal static class Conversion
{
    /// <summary>The row function from <typeparamref name="TX"/> to <typeparamref name="TY"/>.</summary>
    internal static UnaryRow<TX, TY> Row<TX, TY>(bool toBool) where TX : unmanaged, INumber<TX> where TY : unmanaged, INumber<TY>
    {
        if (toBool) return static (x, y) =>
        {
            for (int i = 0; i < x.Length; i++) y[i] = TX.IsZero(x[i]) ? TY.Zero : TY.One;
        };
        if (typeof(TX) == typeof(Half) && typeof(TY) == typeof(float))
            return static (x, y) => TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<TX, Half>(x), MemoryMarshal.Cast<TY, float>(y));
        if (typeof(TX) == typeof(float) && typeof(TY) == typeof(Half))
            return static (x, y) => TensorPrimitives.ConvertToHalf(MemoryMarshal.Cast<TX, float>(x), MemoryMarshal.Cast<TY, Half>(y));
        if (!IsFloat<TX>() || IsFloat<TY>()) return static (x, y) => TensorPrimitives.ConvertTruncating(x, y);
        if (Unsafe.SizeOf<TY>() >= 4) return static (x, y) => TensorPrimitives.ConvertSaturating(x, y);
        return static (x, y) =>
        {
            for (int i = 0; i < x.Length; i++) y[i] = TY.CreateTruncating(int.CreateSaturating(x[i]));
        };
    }

    private static bool IsFloat<T>() => typeof(T) == typeof(float) || typeof(T) == typeof(double) || typeof(T) == typeof(Half);
}

/// <summary>Reads elements of one storage type as numbers of one CLR type.</summary>
internal abstract class ElementReader
{
    internal static ElementReader For(DType type) => type switch
    {
        DType.Float32 => new Native<float>(),
        DType.Float64 => new Native<double>(),
        DType.Float16 => new Native<Half>(),
        DType.Int64 => new Native<long>(),
        DType.Int32 => new Native<int>(),
        DType.Int16 => new Native<short>(),
        DType.Int8 => new Native<sbyte>(),
        DType.UInt64 => new Native<ulong>(),
        DType.UInt32 => new Native<uint>(),
        DType.UInt16 => new Native<ushort>(),
        DType.UInt8 or DType.Bool => new Native<byte>(),
        DType.Int4 or DType.Int2 => new Decoded<sbyte>(PackedElements.ReadSigned(type)),
        DType.UInt4 or DType.UInt2 => new Decoded<byte>(PackedElements.ReadUnsigned(type)),
        _ => new Decoded<float>(NarrowElements.Reader(type)),
    };

    internal abstract Kernel CreateKernel(string name, long count, DType from, DType to, ElementWriter writer);

    /// <summary>Elements that lie in memory as the CLR type has them.</summary>
    private sealed class Native<T> : ElementReader where T : unmanaged, INumber<T>
    {
        internal override Kernel CreateKernel(string name, long count, DType from, DType to, ElementWriter writer) =>
            writer.CreateKernel<T>(name, count, from, to, null);
    }

    private sealed class Decoded<T>(ElementDecoder<T> decode) : ElementReader where T : unmanaged, INumber<T>
    {
        internal override Kernel CreateKernel(string name, long count, DType from, DType to, ElementWriter writer) =>
            writer.CreateKernel(name, count, from, to, decode);
    }
}

/// <summary>Writes numbers as elements of one storage type.</summary>
internal abstract class ElementWriter
{
    internal static ElementWriter For(DType type, bool saturate, MidpointRounding rounding) => type switch
    {
        DType.Float32 => new To<float>(null),
        DType.Float64 => new To<double>(null),
        DType.Float16 => new To<Half>(null),
        DType.Int64 => new To<long>(null),
        DType.Int32 => new To<int>(null),
        DType.Int16 => new To<short>(null),
        DType.Int8 => new To<sbyte>(null),
        DType.UInt64 => new To<ulong>(null),
        DType.UInt32 => new To<uint>(null),
        DType.UInt16 => new To<ushort>(null),
        DType.UInt8 or DType.Bool => new To<byte>(null),
        DType.Int4 or DType.Int2 or DType.UInt4 or DType.UInt2 => new To<byte>(PackedElements.Writer(type)),
        _ => new To<float>(NarrowElements.Writer(type, saturate, rounding)),
    };

    internal abstract Kernel CreateKernel<T>(string name, long count, DType from, DType to, ElementDecoder<T>? decode) where T : unmanaged, INumber<T>;

    private sealed class To<TY>(ElementEncoder<TY>? encode) : ElementWriter where TY : unmanaged, INumber<TY>
    {
        internal override Kernel CreateKernel<T>(string name, long count, DType from, DType to, ElementDecoder<T>? decode) =>
            new CastKernel<T, TY>(name, count, from.BitWidth(), to.BitWidth(), decode, Conversion.Row<T, TY>(to == DType.Bool), encode);
    }
}

/// <summary>Reads the elements from the first byte of <paramref name="source"/> on.</summary>
public delegate void ElementDecoder<T>(ReadOnlySpan<byte> source, Span<T> elements);

/// <summary>Writes elements from the first byte of <paramref name="destination"/> on; bits behind the last element are zero.</summary>
public delegate void ElementEncoder<T>(ReadOnlySpan<T> elements, Span<byte> destination);

/// <summary>Decode, convert, encode; a step that does nothing is null.</summary>
internal sealed unsafe class CastKernel<TX, TY>(string name, long count, int fromBits, int toBits, ElementDecoder<TX>? decode, UnaryRow<TX, TY> convert,
    ElementEncoder<TY>? encode) : Kernel where TX : unmanaged where TY : unmanaged
{
    private const int BlockElements = 16384;
    private const int ChunkElements = 512; // of a byte's multiple of any packed type

    public override string Name => name;

    public override int BlockCount(int phase) => checked((int)((count + BlockElements - 1) / BlockElements));

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long start = (long)block * BlockElements, end = Math.Min(start + BlockElements, count);
        byte* source = args.Input<byte>(0), destination = args.Output<byte>(0);
        if (decode is null && encode is null)
        {
            convert(new ReadOnlySpan<TX>((TX*)source + start, (int)(end - start)), new Span<TY>((TY*)destination + start, (int)(end - start)));
            return;
        }
        TX* decoded = stackalloc TX[ChunkElements];
        TY* converted = stackalloc TY[ChunkElements];
        for (; start < end; start += ChunkElements)
        {
            int length = (int)Math.Min(ChunkElements, end - start);
            TX* x = decode is null ? (TX*)source + start : decoded;
            TY* y = encode is null ? (TY*)destination + start : converted;
            if (decode is not null) decode(Bytes(source, start, length, fromBits), new Span<TX>(x, length));
            convert(new ReadOnlySpan<TX>(x, length), new Span<TY>(y, length));
            if (encode is not null) encode(new ReadOnlySpan<TY>(y, length), Bytes(destination, start, length, toBits));
        }
    }

    public override bool CanRunInPlace(int input) => input == 0 && fromBits == toBits && fromBits >= 8;

    private static Span<byte> Bytes(byte* data, long start, int length, int bits) => new(data + start * bits / 8, (int)(((long)length * bits + 7) / 8));
}
