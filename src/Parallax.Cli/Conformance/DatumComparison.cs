using System.Globalization;
using System.Numerics;

namespace Parallax.Cli.Conformance;

/// <summary>Compares results with what was expected, as NumPy's <c>assert_allclose</c> does: <c>|got - want| &lt;= atol + rtol * |want|</c>, NaN equal to NaN.</summary>
internal static class DatumComparison
{
    /// <summary>What differs, in one line; null where nothing does.</summary>
    internal static string? Difference(Datum expected, Datum got, double relative, double absolute)
    {
        if (expected is OptionalDatum { Value: { } content } && got is not OptionalDatum) return Difference(content, got, relative, absolute);
        if (got is OptionalDatum { Value: { } inner } && expected is not OptionalDatum) return Difference(expected, inner, relative, absolute);
        return (expected, got) switch
        {
            (Tensor want, Tensor have) => TensorDifference(want, have, relative, absolute),
            (TensorSequence want, TensorSequence have) => SequenceDifference(want, have, relative, absolute),
            (OptionalDatum want, OptionalDatum have) => want.Value is null || have.Value is null
                ? want.Value is null == have.Value is null ? null : $"expected {want}, got {have}"
                : Difference(want.Value, have.Value, relative, absolute),
            _ => $"expected {expected}, got {got}",
        };
    }

    private static string? SequenceDifference(TensorSequence want, TensorSequence have, double relative, double absolute)
    {
        if (want.Items.Count != have.Items.Count) return $"expected {want}, got {have}";
        for (int i = 0; i < want.Items.Count; i++)
            if (Difference(want.Items[i], have.Items[i], relative, absolute) is { } difference) return $"item {i}: {difference}";
        return null;
    }

    private static string? TensorDifference(Tensor want, Tensor have, double relative, double absolute)
    {
        if (want.DType != have.DType || !want.Dims.SequenceEqual(have.Dims)) return $"expected {want}, got {have}";
        if (want.DType == DType.String)
        {
            for (int i = 0; i < want.Strings.Length; i++)
                if (want.Strings[i] != have.Strings[i]) return $"element {i}: expected \"{want.Strings[i]}\", got \"{have.Strings[i]}\"";
            return null;
        }
        if (want.DType is DType.Complex64 or DType.Complex128) return Worst(ElementReader.Components(want), ElementReader.Components(have), relative, absolute);
        if (want.Bytes.SequenceEqual(have.Bytes)) return null;
        return Worst(ElementReader.ToDoubles(want), ElementReader.ToDoubles(have), relative, absolute);
    }

    private static string? Worst(double[] want, double[] have, double relative, double absolute)
    {
        int worst = -1, count = 0;
        double worstExcess = 0;
        for (int i = 0; i < want.Length; i++)
        {
            if (want[i] == have[i] || (double.IsNaN(want[i]) && double.IsNaN(have[i]))) continue;
            double excess = Math.Abs(have[i] - want[i]) / (absolute + relative * Math.Abs(want[i]));
            if (excess <= 1) continue;
            count++;
            if (worst >= 0 && !(excess > worstExcess) && !double.IsNaN(excess)) continue;
            worst = i;
            worstExcess = excess;
        }
        return worst < 0 ? null : string.Create(CultureInfo.InvariantCulture, $"{count} of {want.Length} elements differ; worst at {worst}: expected {want[worst]:R}, got {have[worst]:R}");
    }
}

/// <summary>Reads tensors of any element type as numbers.</summary>
internal static class ElementReader
{
    internal static double[] ToDoubles(Tensor tensor) => tensor.DType switch
    {
        DType.Float32 => Convert<float>(tensor),
        DType.Float64 => Convert<double>(tensor),
        DType.Float16 => Convert<Half>(tensor),
        DType.BFloat16 => Map<BFloat16>(tensor, v => BFloat16.Widen(v)),
        DType.Float8E4M3FN => Map<Float8E4M3FN>(tensor, v => Float8E4M3FN.Widen(v)),
        DType.Float8E4M3FNUZ => Map<Float8E4M3FNUZ>(tensor, v => Float8E4M3FNUZ.Widen(v)),
        DType.Float8E5M2 => Map<Float8E5M2>(tensor, v => Float8E5M2.Widen(v)),
        DType.Float8E5M2FNUZ => Map<Float8E5M2FNUZ>(tensor, v => Float8E5M2FNUZ.Widen(v)),
        DType.Float8E8M0 => Map<Float8E8M0>(tensor, v => Float8E8M0.Widen(v)),
        DType.Int8 => Convert<sbyte>(tensor),
        DType.Int16 => Convert<short>(tensor),
        DType.Int32 => Convert<int>(tensor),
        DType.Int64 => Convert<long>(tensor),
        DType.UInt8 or DType.Bool => Convert<byte>(tensor),
        DType.UInt16 => Convert<ushort>(tensor),
        DType.UInt32 => Convert<uint>(tensor),
        DType.UInt64 => Convert<ulong>(tensor),
        DType.UInt4 or DType.Int4 or DType.Float4E2M1 or DType.UInt2 or DType.Int2 => Unpack(tensor),
        _ => throw new InvalidInputException($"{tensor} has no real numbers"),
    };

    internal static double[] Components(Tensor tensor) => tensor.DType == DType.Complex64
        ? [.. tensor.Span<Complex64>().ToArray().SelectMany(c => (double[])[c.Real, c.Imaginary])]
        : [.. tensor.Span<Complex>().ToArray().SelectMany(c => (double[])[c.Real, c.Imaginary])];

    private static double[] Convert<T>(Tensor tensor) where T : unmanaged, INumber<T> => Map<T>(tensor, double.CreateChecked);

    private static double[] Map<T>(Tensor tensor, Func<T, double> read) where T : unmanaged
    {
        Span<T> span = tensor.Span<T>();
        var result = new double[span.Length];
        for (int i = 0; i < result.Length; i++) result[i] = read(span[i]);
        return result;
    }

    /// <summary>The codes of packed elements; equal values have equal codes.</summary>
    private static double[] Unpack(Tensor tensor)
    {
        int bits = tensor.DType.BitWidth(), perByte = 8 / bits;
        Span<byte> bytes = tensor.Bytes;
        var result = new double[tensor.ElementCount];
        for (int i = 0; i < result.Length; i++) result[i] = (bytes[i / perByte] >> (i % perByte * bits)) & ((1 << bits) - 1);
        return result;
    }
}
