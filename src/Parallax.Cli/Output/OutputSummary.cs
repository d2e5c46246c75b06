using System.Numerics;
using System.Text.Json;
using Parallax.Cli.Conformance;

namespace Parallax.Cli.Output;

/// <summary>What is worth saying of one output: for numbers their range, for the rest a glimpse.</summary>
/// <param name="Type">As in <c>Float32</c>, or what else it is.</param>
/// <param name="Dims">Null where it is no tensor.</param>
/// <param name="Glimpse">What stands in the place of the range where there are no real numbers; else empty.</param>
internal sealed record OutputSummary(string Name, string Type, long[]? Dims, double Min, double Max, double Mean, long NanCount, string Glimpse)
{
    private const int GlimpseItems = 4, GlimpseLetters = 24;

    internal static IEnumerable<OutputSummary> Of(string name, Datum datum)
    {
        switch (datum)
        {
            case Tensor tensor:
                yield return OfTensor(name, tensor);
                break;
            case TensorSequence sequence:
                yield return Other(name, $"sequence of {sequence.Items.Count}", $"{sequence.ElementType}");
                for (int i = 0; i < sequence.Items.Count; i++)
                    foreach (OutputSummary item in Of($"{name}[{i}]", sequence.Items[i])) yield return item;
                break;
            case OptionalDatum { Value: { } value }:
                foreach (OutputSummary item in Of(name, value)) yield return item with { Type = $"optional {item.Type}" };
                break;
            default:
                yield return Other(name, "optional", "none");
                break;
        }
    }

    internal string ShapeText => Dims is null ? "" : Shape.ToString(Dims);

    internal string[] Row() => Glimpse.Length > 0
        ? [Name, Type, ShapeText, "", "", Glimpse]
        : [Name, Type, ShapeText, Numbers.Value(Min), Numbers.Value(Max), $"{Numbers.Value(Mean)}{(NanCount > 0 ? $" and {NanCount} NaN" : "")}"];

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("name", Name);
        json.WriteString("type", Type);
        if (Dims is null) json.WriteNull("shape");
        else
        {
            json.WriteStartArray("shape");
            foreach (long dim in Dims) json.WriteNumberValue(dim);
            json.WriteEndArray();
        }
        json.Finite("min", Min);
        json.Finite("max", Max);
        json.Finite("mean", Mean);
        json.WriteNumber("nanCount", NanCount);
        if (Glimpse.Length > 0) json.WriteString("glimpse", Glimpse);
        json.WriteEndObject();
    }

    private static OutputSummary Other(string name, string type, string glimpse) => new(name, type, null, double.NaN, double.NaN, double.NaN, 0, glimpse);

    private static OutputSummary OfTensor(string name, Tensor tensor)
    {
        var plain = new OutputSummary(name, tensor.DType.ToString(), tensor.Dims.ToArray(), double.NaN, double.NaN, double.NaN, 0, "");
        if (tensor.ElementCount == 0) return plain with { Glimpse = "empty" };
        if (tensor.DType == DType.String) return plain with { Glimpse = Strings(tensor.Strings) };
        if (tensor.DType is DType.Complex64 or DType.Complex128) return plain with { Glimpse = Complexes(tensor) };
        (double min, double max, double sum, long nan) = (double.PositiveInfinity, double.NegativeInfinity, 0, 0);
        foreach (double value in ElementReader.ToDoubles(Npy.Widened(tensor)))
        {
            if (double.IsNaN(value)) nan++;
            else (min, max, sum) = (Math.Min(min, value), Math.Max(max, value), sum + value);
        }
        long numbers = tensor.ElementCount - nan;
        return numbers == 0 ? plain with { NanCount = nan, Glimpse = "all NaN" } : plain with { Min = min, Max = max, Mean = sum / numbers, NanCount = nan };
    }

    private static string Strings(ReadOnlySpan<string> strings)
    {
        var shown = new List<string>();
        foreach (string text in strings[..Math.Min(strings.Length, GlimpseItems)])
        {
            string line = text.ReplaceLineEndings(" ");
            shown.Add($"\"{(line.Length > GlimpseLetters ? $"{line[..GlimpseLetters]}..." : line)}\"");
        }
        return string.Join(", ", shown) + (strings.Length > GlimpseItems ? ", ..." : "");
    }

    private static string Complexes(Tensor tensor)
    {
        double[] parts = ElementReader.Components(tensor);
        double largest = 0;
        for (int i = 0; i < parts.Length; i += 2) largest = Math.Max(largest, new Complex(parts[i], parts[i + 1]).Magnitude);
        return $"largest magnitude {Numbers.Value(largest)}";
    }
}
