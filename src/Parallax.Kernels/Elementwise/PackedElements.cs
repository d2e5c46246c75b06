using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>Integers of 2 and 4 bits, packed lowest bits first.</summary>
public static class PackedElements
{
    public static ElementDecoder<sbyte> ReadSigned(DType type) => type == DType.Int4
        ? static (source, elements) => UnpackSigned(source, elements, 4)
        : static (source, elements) => UnpackSigned(source, elements, 2);

    public static ElementDecoder<byte> ReadUnsigned(DType type) => type == DType.UInt4
        ? static (source, elements) => Unpack(source, elements, 4)
        : static (source, elements) => Unpack(source, elements, 2);

    /// <summary>Keeps the low bits of each byte.</summary>
    public static ElementEncoder<byte> Writer(DType type) => type.BitWidth() == 4
        ? static (elements, destination) => Pack(elements, destination, 4)
        : static (elements, destination) => Pack(elements, destination, 2);

    public static void Unpack(ReadOnlySpan<byte> source, Span<byte> elements, int bits)
    {
        int perByte = 8 / bits, mask = (1 << bits) - 1;
        for (int i = 0; i < elements.Length; i++) elements[i] = (byte)((source[i / perByte] >> (i % perByte * bits)) & mask);
    }

    public static void Pack(ReadOnlySpan<byte> elements, Span<byte> destination, int bits)
    {
        int perByte = 8 / bits, mask = (1 << bits) - 1;
        destination.Clear();
        for (int i = 0; i < elements.Length; i++) destination[i / perByte] |= (byte)((elements[i] & mask) << (i % perByte * bits));
    }

    private static void UnpackSigned(ReadOnlySpan<byte> source, Span<sbyte> elements, int bits)
    {
        int perByte = 8 / bits;
        for (int i = 0; i < elements.Length; i++)
        {
            int raised = source[i / perByte] << (8 - bits - i % perByte * bits); // the element's sign is now bit 7
            elements[i] = (sbyte)((sbyte)raised >> (8 - bits));
        }
    }
}

/// <summary>Floats of 16 bits and less that CLR arithmetic does not know.</summary>
public static class NarrowElements
{
    private static readonly float[] E4M3FN = Table<Float8E4M3FN>(b => new(b));
    private static readonly float[] E4M3FNUZ = Table<Float8E4M3FNUZ>(b => new(b));
    private static readonly float[] E5M2 = Table<Float8E5M2>(b => new(b));
    private static readonly float[] E5M2FNUZ = Table<Float8E5M2FNUZ>(b => new(b));
    private static readonly float[] E8M0 = Table<Float8E8M0>(b => new(b));
    private static readonly float[] E2M1 = [0f, 0.5f, 1f, 1.5f, 2f, 3f, 4f, 6f, -0f, -0.5f, -1f, -1.5f, -2f, -3f, -4f, -6f];

    public static ElementDecoder<float> Reader(DType type) => type switch
    {
        DType.Float8E4M3FN => static (source, elements) => LookUp(source, elements, E4M3FN),
        DType.Float8E4M3FNUZ => static (source, elements) => LookUp(source, elements, E4M3FNUZ),
        DType.Float8E5M2 => static (source, elements) => LookUp(source, elements, E5M2),
        DType.Float8E5M2FNUZ => static (source, elements) => LookUp(source, elements, E5M2FNUZ),
        DType.Float8E8M0 => static (source, elements) => LookUp(source, elements, E8M0),
        DType.BFloat16 => ReadBFloat16,
        DType.Float4E2M1 => static (source, elements) =>
        {
            for (int i = 0; i < elements.Length; i++) elements[i] = E2M1[(source[i / 2] >> (i % 2 * 4)) & 0xF];
        },
        _ => throw Unknown(type),
    };

    public static ElementEncoder<float> Writer(DType type, bool saturate, MidpointRounding rounding) => type switch
    {
        DType.Float8E4M3FN => (elements, destination) => Round(elements, destination, x => Float8E4M3FN.Round(x, saturate).Bits),
        DType.Float8E4M3FNUZ => (elements, destination) => Round(elements, destination, x => Float8E4M3FNUZ.Round(x, saturate).Bits),
        DType.Float8E5M2 => (elements, destination) => Round(elements, destination, x => Float8E5M2.Round(x, saturate).Bits),
        DType.Float8E5M2FNUZ => (elements, destination) => Round(elements, destination, x => Float8E5M2FNUZ.Round(x, saturate).Bits),
        DType.Float8E8M0 => (elements, destination) => Round(elements, destination, x => Float8E8M0.Round(x, saturate, rounding).Bits),
        DType.BFloat16 => WriteBFloat16,
        DType.Float4E2M1 => static (elements, destination) =>
        {
            destination.Clear();
            for (int i = 0; i < elements.Length; i++) destination[i / 2] |= (byte)(RoundToE2M1(elements[i]) << (i % 2 * 4));
        },
        _ => throw Unknown(type),
    };

    /// <summary>To nearest, ties to the even code; out of range and infinity give 6; the format has no NaN, which becomes -0.</summary>
    public static int RoundToE2M1(float value)
    {
        if (float.IsNaN(value)) return 8;
        float magnitude = Math.Abs(value);
        int code = 7;
        // Halfway points between the codes; a tie goes to the even code of the two.
        ReadOnlySpan<float> halfway = [0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5f];
        for (int i = 0; i < halfway.Length; i++)
            if (magnitude < halfway[i] || (magnitude == halfway[i] && (i & 1) == 0))
            {
                code = i;
                break;
            }
        return float.IsNegative(value) ? code | 8 : code;
    }

    private static float[] Table<T>(Func<byte, T> fromBits) where T : unmanaged, INarrowFloat<T>
    {
        var values = new float[256];
        for (int i = 0; i < values.Length; i++) values[i] = T.Widen(fromBits((byte)i));
        return values;
    }

    private static void LookUp(ReadOnlySpan<byte> source, Span<float> elements, float[] table)
    {
        for (int i = 0; i < elements.Length; i++) elements[i] = table[source[i]];
    }

    private static void Round(ReadOnlySpan<float> elements, Span<byte> destination, Func<float, byte> round)
    {
        for (int i = 0; i < elements.Length; i++) destination[i] = round(elements[i]);
    }

    private static void ReadBFloat16(ReadOnlySpan<byte> source, Span<float> elements)
    {
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(elements);
        TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, ushort>(source)[..bits.Length], bits);
        TensorPrimitives.ShiftLeft(bits, 16, bits);
    }

    private static void WriteBFloat16(ReadOnlySpan<float> elements, Span<byte> destination)
    {
        Span<BFloat16> to = MemoryMarshal.Cast<byte, BFloat16>(destination);
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
            for (; i <= elements.Length - 16; i += 16)
            {
                ReadOnlySpan<float> from = elements.Slice(i, 16);
                if (!TryRound(Vector256.Create(from), out Vector256<uint> low) || !TryRound(Vector256.Create(from[8..]), out Vector256<uint> high))
                {
                    for (int j = 0; j < 16; j++) to[i + j] = BFloat16.Round(from[j]);
                    continue;
                }
                Vector256.Narrow(low, high).CopyTo(MemoryMarshal.Cast<BFloat16, ushort>(to[i..]));
            }
        for (; i < elements.Length; i++) to[i] = BFloat16.Round(elements[i]);
    }

    /// <summary>The upper halves, rounded to nearest even; false where there is a NaN, whose bits must not be rounded.</summary>
    private static bool TryRound(Vector256<float> x, out Vector256<uint> upper)
    {
        Vector256<uint> bits = x.AsUInt32();
        upper = (bits + Vector256.Create(0x7FFFu) + ((bits >>> 16) & Vector256<uint>.One)) >>> 16;
        return Vector256.EqualsAll(x, x);
    }

    private static UnsupportedModelException Unknown(DType type) => new($"elements of type {type} are not numbers", [$"numbers of type {type}"]);
}
