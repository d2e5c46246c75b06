using System.Globalization;
using Parallax.Graphs.Ops;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu;

/// <summary>
/// Numbers as text and back. Floats are written with as few digits as read back to the same number; the values that are not finite are
/// <c>NaN</c>, <c>INF</c> and <c>-INF</c>, and are read in any case.
/// </summary>
internal static class TextConversion
{
    internal static Tensor ToStrings(Tensor from)
    {
        string[] strings = from.DType switch
        {
            DType.String => from.Strings.ToArray(),
            DType.Float32 => Array.ConvertAll(from.Span<float>().ToArray(), x => float.IsFinite(x) ? x.ToString("R", CultureInfo.InvariantCulture) : NotFinite(x)),
            DType.Float64 => Array.ConvertAll(from.Span<double>().ToArray(), x => double.IsFinite(x) ? x.ToString("R", CultureInfo.InvariantCulture) : NotFinite(x)),
            DType.Float16 => Array.ConvertAll(from.Span<Half>().ToArray(), x => Half.IsFinite(x) ? x.ToString("R", CultureInfo.InvariantCulture) : NotFinite((double)x)),
            DType.BFloat16 => Array.ConvertAll(from.Span<BFloat16>().ToArray(), x => (float)x is var f && float.IsFinite(f) ? f.ToString("R", CultureInfo.InvariantCulture) : NotFinite((float)x)),
            DType.Int64 => Integers<long>(from),
            DType.Int32 => Integers<int>(from),
            DType.Int16 => Integers<short>(from),
            DType.Int8 => Integers<sbyte>(from),
            DType.UInt64 => Integers<ulong>(from),
            DType.UInt32 => Integers<uint>(from),
            DType.UInt16 => Integers<ushort>(from),
            DType.UInt8 => Integers<byte>(from),
            DType.Bool => Array.ConvertAll(from.Span<byte>().ToArray(), x => x != 0 ? "True" : "False"),
            _ => throw new UnsupportedModelException($"{from} cannot be cast to strings", [$"Cast from {from.DType} to String"]),
        };
        return Tensor.FromStrings(strings, from.Dims);
    }

    /// <summary>Numbers are read as integers where the target is of integers and the text is of digits, else as doubles, and cast from there.</summary>
    internal static Tensor FromStrings(Tensor from, Cast op, HostContext context)
    {
        string[] strings = from.Strings.ToArray();
        Tensor result = context.Allocate(op.To, from.Dims);
        bool integers = op.To.IsInteger() && strings.All(s => long.TryParse(s, NumberStyles.Integer, CultureInfo.InvariantCulture, out _));
        Tensor numbers = integers
            ? Tensor.From(Array.ConvertAll(strings, s => long.Parse(s, NumberStyles.Integer, CultureInfo.InvariantCulture)), from.Dims)
            : op.To == DType.UInt64 && strings.All(s => ulong.TryParse(s, CultureInfo.InvariantCulture, out _))
                ? Tensor.From(Array.ConvertAll(strings, s => ulong.Parse(s, CultureInfo.InvariantCulture)), from.Dims)
                : Tensor.From(Array.ConvertAll(strings, Number), from.Dims);
        using Kernel kernel = CastKernels.Create(numbers.DType, op.To, numbers.ElementCount, op.Saturate, op.Rounding);
        context.RunKernel(kernel, [numbers], [result]);
        return result;
    }

    private static double Number(string text) => text.Trim().ToUpperInvariant() switch
    {
        "NAN" => double.NaN,
        "INF" or "+INF" or "INFINITY" or "+INFINITY" => double.PositiveInfinity,
        "-INF" or "-INFINITY" => double.NegativeInfinity,
        "TRUE" => 1,
        "FALSE" => 0,
        var number => double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value
            : throw new InvalidInputException($"'{text}' is not a number"),
    };

    private static string NotFinite(double x) => double.IsNaN(x) ? "NaN" : x > 0 ? "INF" : "-INF";

    private static string[] Integers<T>(Tensor from) where T : unmanaged, IFormattable =>
        Array.ConvertAll(from.Span<T>().ToArray(), x => x.ToString(null, CultureInfo.InvariantCulture));
}
