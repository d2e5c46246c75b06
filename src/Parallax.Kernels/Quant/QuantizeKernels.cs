using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>Converters between stored elements and floats, for data that is quantized; chunks of at most <see cref="MaxElements"/>.</summary>
internal static unsafe class QuantizedElements
{
    internal const int MaxElements = 512;

    /// <summary>The smallest and largest integer of a type; null for floats.</summary>
    internal static (float Min, float Max)? Range(DType type) => type switch
    {
        DType.UInt8 => (0, 255),
        DType.Int8 => (-128, 127),
        DType.UInt16 => (0, 65535),
        DType.Int16 => (-32768, 32767),
        DType.UInt4 => (0, 15),
        DType.Int4 => (-8, 7),
        DType.UInt2 => (0, 3),
        DType.Int2 => (-2, 1),
        DType.Int32 => (int.MinValue, int.MaxValue),
        _ => null,
    };

    /// <summary>Elements of any numeric type as floats.</summary>
    internal static ElementDecoder<float> Decoder(DType type) => type switch
    {
        DType.Float32 => static (source, x) => Cast<float>(source).CopyTo(x),
        DType.Float64 => static (source, x) => TensorPrimitives.ConvertTruncating(Cast<double>(source), x),
        DType.Float16 => static (source, x) => TensorPrimitives.ConvertToSingle(Cast<Half>(source), x),
        DType.UInt8 => static (source, x) => TensorPrimitives.ConvertTruncating(source[..x.Length], x),
        DType.Int8 => static (source, x) =>
        {
            Span<short> shorts = stackalloc short[MaxElements];
            Span<int> ints = stackalloc int[MaxElements];
            TensorPrimitives.ConvertTruncating(Cast<sbyte>(source)[..x.Length], shorts);
            TensorPrimitives.ConvertTruncating(shorts[..x.Length], ints);
            TensorPrimitives.ConvertTruncating(ints[..x.Length], x);
        },
        DType.UInt16 => static (source, x) => TensorPrimitives.ConvertTruncating(Cast<ushort>(source), x),
        DType.Int16 => static (source, x) => TensorPrimitives.ConvertTruncating(Cast<short>(source), x),
        DType.Int32 => static (source, x) => TensorPrimitives.ConvertTruncating(Cast<int>(source), x),
        DType.UInt4 or DType.UInt2 => (source, x) =>
        {
            Span<byte> bytes = stackalloc byte[x.Length];
            PackedElements.ReadUnsigned(type)(source, bytes);
            TensorPrimitives.ConvertTruncating(bytes, x);
        },
        DType.Int4 or DType.Int2 => (source, x) =>
        {
            Span<sbyte> bytes = stackalloc sbyte[x.Length];
            PackedElements.ReadSigned(type)(source, bytes);
            for (int i = 0; i < x.Length; i++) x[i] = bytes[i];
        },
        _ => NarrowElements.Reader(type),
    };

    /// <summary>Floats, which are integers in the range of the type where that is an integer type, as elements.</summary>
    internal static ElementEncoder<float> Encoder(DType type, bool saturate) => type switch
    {
        DType.Float32 => static (x, destination) => x.CopyTo(Cast<float>(destination)),
        DType.Float16 => static (x, destination) => TensorPrimitives.ConvertToHalf(x, Cast<Half>(destination)),
        DType.UInt8 or DType.Int8 => static (x, destination) => ToBytes(x, destination),
        DType.UInt16 or DType.Int16 => static (x, destination) =>
        {
            Span<short> to = Cast<short>(destination);
            for (int i = 0; i < x.Length; i++) to[i] = (short)(int)x[i];
        },
        DType.UInt4 or DType.UInt2 or DType.Int4 or DType.Int2 => (x, destination) =>
        {
            Span<byte> bytes = stackalloc byte[x.Length];
            ToBytes(x, bytes);
            PackedElements.Writer(type)(bytes, destination);
        },
        _ => NarrowElements.Writer(type, saturate, MidpointRounding.ToEven),
    };

    /// <summary>The low bytes of floats that are integers of at most 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void ToBytes(ReadOnlySpan<float> x, Span<byte> bytes)
    {
        int i = 0;
        fixed (float* from = x)
        fixed (byte* to = bytes)
        {
            if (Vector256.IsHardwareAccelerated)
                for (; i <= x.Length - 32; i += 32)
                {
                    Vector256<short> low = Vector256.Narrow(Integers(from + i), Integers(from + i + 8)), high = Vector256.Narrow(Integers(from + i + 16), Integers(from + i + 24));
                    Vector256.Store(Vector256.Narrow(low, high).AsByte(), to + i);
                }
            for (; i < x.Length; i++) to[i] = (byte)(int)from[i];
        }

        static Vector256<int> Integers(float* at) => Vector256.ConvertToInt32(Vector256.Load(at));
    }

    /// <summary>Floats as bytes in a range, <c>limit(round(x / scale) + zero)</c>, ties to even; NaN becomes 0.</summary>
    internal static void Quantize(float* x, float scale, int zero, (float Min, float Max) range, byte* y, int count)
    {
        if (Vec512.IsSupported && count >= Vec512.Count) Quantize<Vec512>(x, scale, zero, range, y, count);
        else if (Vec256.IsSupported && count >= Vec256.Count) Quantize<Vec256>(x, scale, zero, range, y, count);
        else if (Vec128.IsSupported && count >= Vec128.Count) Quantize<Vec128>(x, scale, zero, range, y, count);
        else Quantize<Vec1>(x, scale, zero, range, y, count);
    }

    /// <summary>At least one vector, the last of which overlaps those before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Quantize<V>(float* x, float scale, int zero, (float Min, float Max) range, byte* y, int count) where V : struct, IVec<V>
    {
        V divisor = V.Create(scale), low = V.Create(range.Min), high = V.Create(range.Max), zeros = V.Create(zero);
        for (int i = 0; i < count; i += V.Count)
        {
            int at = Math.Min(i, count - V.Count);
            ByteLanes.Store(y + at, ByteLanes.ToInts(V.Min(high, V.Max(low, ByteLanes.Round(V.Load(x + at) / divisor) + zeros))));
        }
    }

    private static ReadOnlySpan<T> Cast<T>(ReadOnlySpan<byte> bytes) where T : unmanaged => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(bytes);

    private static Span<T> Cast<T>(Span<byte> bytes) where T : unmanaged => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(bytes);
}

/// <summary>What quantizing and dequantizing share: blocks of chunks, chunks of pieces that have their scales alike.</summary>
internal abstract unsafe class ScaledKernel(QuantizationLayout layout) : Kernel
{
    private const int BlockElements = 16384;

    public override int BlockCount(int phase) => checked((int)((layout.Count + BlockElements - 1) / BlockElements));

    /// <summary>One chunk: the address of its first element is that of the array plus <paramref name="start"/> elements.</summary>
    private protected abstract void RunChunk(long start, int length, in KernelArgs args);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long start = (long)block * BlockElements, end = Math.Min(start + BlockElements, layout.Count);
        for (; start < end; start += QuantizedElements.MaxElements) RunChunk(start, (int)Math.Min(QuantizedElements.MaxElements, end - start), args);
    }

    /// <summary>The next piece of a chunk: its length, and the index of its first scale.</summary>
    private protected int NextPiece(long element, long end, out long scale)
    {
        (long row, long column) = layout.Find(element);
        scale = layout.ScaleOf(row) + (layout.ScalePerElement ? column : 0);
        return (int)Math.Min(layout.Rest(element, column), end - element);
    }

    private protected int ScaleCount(int piece) => layout.ScalePerElement ? piece : 1;

    private protected static ReadOnlySpan<byte> Bytes(byte* data, long start, int length, int bits) => new(data + start * bits / 8, (int)(((long)length * bits + 7) / 8));

    /// <summary>Elements of a small array from any index on, packed or not, as floats.</summary>
    private protected static void ReadParameters(byte* data, ElementDecoder<float> decode, int bits, long first, Span<float> values)
    {
        if (bits >= 8)
        {
            decode(Bytes(data, first, values.Length, bits), values);
            return;
        }
        int perByte = 8 / bits, skip = (int)(first % perByte);
        Span<float> whole = stackalloc float[QuantizedElements.MaxElements + 4];
        whole = whole[..(values.Length + skip)];
        decode(Bytes(data, first - skip, whole.Length, bits), whole);
        whole[skip..].CopyTo(values);
    }
}

/// <summary>y = saturate(round(x / scale) + zero point), ties to even; into floats of 8 and 4 bits: the nearest to x / scale (+ zero point for 4 bits).</summary>
internal sealed unsafe class QuantizeKernel(QuantizationLayout layout, DType from, DType scaleType, DType to, bool hasZero, bool saturate) : ScaledKernel(layout)
{
    private readonly ElementDecoder<float> decode = QuantizedElements.Decoder(from), decodeScale = QuantizedElements.Decoder(scaleType), decodeZero = QuantizedElements.Decoder(to);
    private readonly ElementEncoder<float> encode = QuantizedElements.Encoder(to, saturate);
    private readonly (float Min, float Max)? range = QuantizedElements.Range(to);

    public override string Name => $"quantize_{from}_{to}".ToLowerInvariant();

    /// <summary>Whether floats become bytes with one scale after another, which takes one pass.</summary>
    private readonly bool isDirect = (from, scaleType) == (DType.Float32, DType.Float32) && to is DType.UInt8 or DType.Int8 && !layout.ScalePerElement;

    private protected override void RunChunk(long start, int length, in KernelArgs args)
    {
        if (isDirect)
        {
            RunDirect(start, length, args);
            return;
        }
        Span<float> x = stackalloc float[QuantizedElements.MaxElements], scales = stackalloc float[QuantizedElements.MaxElements], zeros = stackalloc float[QuantizedElements.MaxElements];
        x = x[..length];
        decode(Bytes(args.Input<byte>(0), start, length, from.BitWidth()), x);
        for (long at = start; at < start + length;)
        {
            int piece = NextPiece(at, start + length, out long scale);
            Span<float> part = x.Slice((int)(at - start), piece), partScales = scales[..ScaleCount(piece)], partZeros = zeros[..(hasZero ? partScales.Length : 0)];
            ReadParameters(args.Input<byte>(1), decodeScale, scaleType.BitWidth(), scale, partScales);
            if (hasZero) ReadParameters(args.Input<byte>(2), decodeZero, to.BitWidth(), scale, partZeros);
            Scale(part, partScales, partZeros);
            at += piece;
        }
        Span<byte> destination = new(args.Output<byte>(0) + start * to.BitWidth() / 8, (int)(((long)length * to.BitWidth() + 7) / 8));
        encode(x, destination);
    }

    private void RunDirect(long start, int length, in KernelArgs args)
    {
        float* x = args.Input<float>(0), scales = args.Input<float>(1);
        byte* zeros = args.Input<byte>(2), y = args.Output<byte>(0);
        for (long at = start; at < start + length;)
        {
            int piece = NextPiece(at, start + length, out long scale), zero = !hasZero ? 0 : to == DType.Int8 ? (sbyte)zeros[scale] : zeros[scale];
            QuantizedElements.Quantize(x + at, scales[scale], zero, range!.Value, y + at, piece);
            at += piece;
        }
    }

    private void Scale(Span<float> x, ReadOnlySpan<float> scales, ReadOnlySpan<float> zeros)
    {
        VectorRow.Run<float, VectorRow.Quotient<float>>(x, scales, x);
        if (range is not null) Round(x);
        else if (to.IsFloat8()) return;
        if (!zeros.IsEmpty) VectorRow.Run<float, VectorRow.Sum<float>>(x, zeros, x);
        if (range is not { } limits) return;
        VectorRow.Run<float, VectorRow.Larger<float>>(x, [limits.Min], x);
        VectorRow.Run<float, VectorRow.Smaller<float>>(x, [limits.Max], x);
    }

    /// <summary>To the nearest integer, ties to even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Round(Span<float> x)
    {
        int i = 0;
        for (; i <= x.Length - Vector<float>.Count; i += Vector<float>.Count) Vector.Round(new Vector<float>(x[i..])).CopyTo(x[i..]);
        for (; i < x.Length; i++) x[i] = MathF.Round(x[i]);
    }
}

/// <summary>y = (x - zero point) * scale</summary>
internal sealed unsafe class DequantizeKernel(QuantizationLayout layout, DType from, DType scaleType, DType to, bool hasZero) : ScaledKernel(layout)
{
    private readonly ElementDecoder<float> decode = QuantizedElements.Decoder(from), decodeScale = QuantizedElements.Decoder(scaleType);
    private readonly ElementEncoder<float> encode = QuantizedElements.Encoder(to, saturate: true);

    public override string Name => $"dequantize_{from}_{to}".ToLowerInvariant();

    private protected override void RunChunk(long start, int length, in KernelArgs args)
    {
        Span<float> x = stackalloc float[QuantizedElements.MaxElements], scales = stackalloc float[QuantizedElements.MaxElements], zeros = stackalloc float[QuantizedElements.MaxElements];
        if (to == DType.Float32) x = new Span<float>(args.Output<float>(0) + start, length);
        else x = x[..length];
        decode(Bytes(args.Input<byte>(0), start, length, from.BitWidth()), x);
        for (long at = start; at < start + length;)
        {
            int piece = NextPiece(at, start + length, out long scale);
            Span<float> part = x.Slice((int)(at - start), piece), partScales = scales[..ScaleCount(piece)], partZeros = zeros[..(hasZero ? partScales.Length : 0)];
            ReadParameters(args.Input<byte>(1), decodeScale, scaleType.BitWidth(), scale, partScales);
            if (hasZero) ReadParameters(args.Input<byte>(2), decode, from.BitWidth(), scale, partZeros);
            Scale(part, partScales, partZeros);
            at += piece;
        }
        if (to != DType.Float32) encode(x, new Span<byte>(args.Output<byte>(0) + start * to.BitWidth() / 8, length * to.BitWidth() / 8));
    }

    private static void Scale(Span<float> x, ReadOnlySpan<float> scales, ReadOnlySpan<float> zeros)
    {
        if (zeros.Length == x.Length || (zeros.Length == 1 && zeros[0] != 0)) VectorRow.Run<float, VectorRow.Difference<float>>(x, zeros, x);
        VectorRow.Run<float, VectorRow.Product<float>>(x, scales, x);
    }
}

/// <summary>Kernels that quantize and dequantize. Inputs: data, scale, zero point (optional, of the quantized type).</summary>
public static class QuantizeKernels
{
    public static Kernel Quantize(QuantizationLayout layout, DType from, DType scaleType, DType to, bool hasZero, bool saturate) =>
        new QuantizeKernel(layout, from, scaleType, to, hasZero, saturate);

    public static Kernel Dequantize(QuantizationLayout layout, DType from, DType scaleType, DType to, bool hasZero) =>
        new DequantizeKernel(layout, from, scaleType, to, hasZero);
}
