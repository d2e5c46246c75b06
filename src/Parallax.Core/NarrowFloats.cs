namespace Parallax;

/// <summary>A number kept in fewer bits than it is computed with: kernels widen it to <see cref="float"/>, compute, and round back.</summary>
public interface INarrowFloat<TSelf> where TSelf : unmanaged, INarrowFloat<TSelf>
{
    /// <summary>The value, exactly.</summary>
    static abstract float Widen(TSelf value);

    /// <summary>Rounds to nearest, ties to even. Out of range: the largest finite value if <paramref name="saturate"/>, else infinity or NaN as the format has it.</summary>
    static abstract TSelf Round(float value, bool saturate);
}

/// <summary>A complex number of two floats, as ONNX's complex64.</summary>
public readonly record struct Complex64(float Real, float Imaginary);

/// <summary>The upper half of a float32: 1 sign, 8 exponent, 7 mantissa bits.</summary>
public readonly record struct BFloat16(ushort Bits) : INarrowFloat<BFloat16>
{
    public static float Widen(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);

    public static BFloat16 Round(float value, bool saturate = false)
    {
        if (float.IsNaN(value)) return new BFloat16((ushort)((BitConverter.SingleToUInt32Bits(value) >> 16) | 0x40));
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return new BFloat16((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }

    public static explicit operator float(BFloat16 value) => Widen(value);

    public static explicit operator BFloat16(float value) => Round(value);

    public override string ToString() => Widen(this).ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>The rounding that all 8- and 4-bit float formats share.</summary>
internal static class NarrowFloat
{
    /// <summary>
    /// Rounds a finite, positive <paramref name="value"/> to nearest even on the grid of a format with the given mantissa bits and
    /// exponent bias, subnormals included. The result is the code without sign; codes past the format's largest are the caller's to judge.
    /// </summary>
    internal static int RoundMagnitude(float value, int mantissaBits, int bias)
    {
        double scaled = value;
        int exponent = Math.Max(Math.ILogB(scaled), 1 - bias);
        double step = Math.ScaleB(1.0, exponent - mantissaBits);
        long steps = (long)Math.Round(scaled / step, MidpointRounding.ToEven);
        // A code counts steps of the lowest binade; each binade above adds 2^mantissaBits codes.
        return (int)(((long)(exponent - (1 - bias)) << mantissaBits) + steps);
    }

    internal static float WidenMagnitude(int code, int mantissaBits, int bias)
    {
        int exponent = code >> mantissaBits, mantissa = code & ((1 << mantissaBits) - 1);
        return exponent == 0
            ? (float)Math.ScaleB(mantissa, 1 - bias - mantissaBits)
            : (float)Math.ScaleB(mantissa + (1 << mantissaBits), exponent - bias - mantissaBits);
    }
}

/// <summary>4 exponent, 3 mantissa bits, bias 7, no infinity; 0x7F and 0xFF are NaN (arXiv 2209.05433).</summary>
public readonly record struct Float8E4M3FN(byte Bits) : INarrowFloat<Float8E4M3FN>
{
    public static float Widen(Float8E4M3FN value)
    {
        int code = value.Bits & 0x7F;
        float magnitude = code == 0x7F ? float.NaN : NarrowFloat.WidenMagnitude(code, 3, 7);
        return value.Bits > 0x7F ? -magnitude : magnitude;
    }

    public static Float8E4M3FN Round(float value, bool saturate)
    {
        int sign = float.IsNegative(value) ? 0x80 : 0;
        if (float.IsNaN(value)) return new((byte)(sign | 0x7F));
        int code = float.IsInfinity(value) ? 0x7F : Math.Min(0x7F, NarrowFloat.RoundMagnitude(Math.Abs(value), 3, 7));
        return new((byte)(sign | (code == 0x7F && saturate ? 0x7E : code)));
    }
}

/// <summary>4 exponent, 3 mantissa bits, bias 8, no infinity and no negative zero; 0x80 is NaN (arXiv 2206.02915).</summary>
public readonly record struct Float8E4M3FNUZ(byte Bits) : INarrowFloat<Float8E4M3FNUZ>
{
    public static float Widen(Float8E4M3FNUZ value) => value.Bits == 0x80
        ? float.NaN
        : value.Bits > 0x80 ? -NarrowFloat.WidenMagnitude(value.Bits & 0x7F, 3, 8) : NarrowFloat.WidenMagnitude(value.Bits, 3, 8);

    public static Float8E4M3FNUZ Round(float value, bool saturate)
    {
        if (float.IsNaN(value)) return new(0x80);
        int code = float.IsInfinity(value) ? 0x80 : NarrowFloat.RoundMagnitude(Math.Abs(value), 3, 8);
        if (code > 0x7F)
        {
            if (!saturate) return new(0x80);
            code = 0x7F;
        }
        return new((byte)(code == 0 ? 0 : float.IsNegative(value) ? code | 0x80 : code));
    }
}

/// <summary>5 exponent, 2 mantissa bits, bias 15, with infinities and NaN as in IEEE 754 (arXiv 2209.05433).</summary>
public readonly record struct Float8E5M2(byte Bits) : INarrowFloat<Float8E5M2>
{
    public static float Widen(Float8E5M2 value)
    {
        int code = value.Bits & 0x7F;
        float magnitude = code > 0x7C ? float.NaN : code == 0x7C ? float.PositiveInfinity : NarrowFloat.WidenMagnitude(code, 2, 15);
        return value.Bits > 0x7F ? -magnitude : magnitude;
    }

    public static Float8E5M2 Round(float value, bool saturate)
    {
        int sign = float.IsNegative(value) ? 0x80 : 0;
        if (float.IsNaN(value)) return new((byte)(sign | 0x7F));
        int code = float.IsInfinity(value) ? 0x7C : Math.Min(0x7C, NarrowFloat.RoundMagnitude(Math.Abs(value), 2, 15));
        return new((byte)(sign | (code == 0x7C && saturate ? 0x7B : code)));
    }
}

/// <summary>5 exponent, 2 mantissa bits, bias 16, no infinity and no negative zero; 0x80 is NaN (arXiv 2206.02915).</summary>
public readonly record struct Float8E5M2FNUZ(byte Bits) : INarrowFloat<Float8E5M2FNUZ>
{
    public static float Widen(Float8E5M2FNUZ value) => value.Bits == 0x80
        ? float.NaN
        : value.Bits > 0x80 ? -NarrowFloat.WidenMagnitude(value.Bits & 0x7F, 2, 16) : NarrowFloat.WidenMagnitude(value.Bits, 2, 16);

    public static Float8E5M2FNUZ Round(float value, bool saturate)
    {
        if (float.IsNaN(value)) return new(0x80);
        int code = float.IsInfinity(value) ? 0x80 : NarrowFloat.RoundMagnitude(Math.Abs(value), 2, 16);
        if (code > 0x7F)
        {
            if (!saturate) return new(0x80);
            code = 0x7F;
        }
        return new((byte)(code == 0 ? 0 : float.IsNegative(value) ? code | 0x80 : code));
    }
}

/// <summary>A power of two: 8 exponent bits, bias 127, no sign, no mantissa; 0xFF is NaN (OCP Microscaling Formats 1.0).</summary>
public readonly record struct Float8E8M0(byte Bits) : INarrowFloat<Float8E8M0>
{
    public static float Widen(Float8E8M0 value) => value.Bits == 0xFF ? float.NaN : (float)Math.ScaleB(1.0, value.Bits - 127);

    public static Float8E8M0 Round(float value, bool saturate) => Round(value, saturate, MidpointRounding.ToPositiveInfinity);

    /// <summary>Rounds up, down, or to the nearest power of two, as ONNX's <c>round_mode</c> asks.</summary>
    public static Float8E8M0 Round(float value, bool saturate, MidpointRounding mode)
    {
        if (float.IsNaN(value)) return new(0xFF);
        double magnitude = Math.Abs((double)value);
        if (magnitude == 0) return new(0);
        if (double.IsInfinity(magnitude)) return new((byte)(saturate ? 0xFE : 0xFF));
        int exponent = Math.ILogB(magnitude);
        double fraction = magnitude / Math.ScaleB(1.0, exponent);
        if (mode == MidpointRounding.ToPositiveInfinity ? fraction > 1 : mode == MidpointRounding.ToEven && fraction >= 1.5) exponent++;
        int code = exponent + 127;
        return code < 0 ? new(0) : code > 0xFE ? new((byte)(saturate ? 0xFE : 0xFF)) : new((byte)code);
    }
}
