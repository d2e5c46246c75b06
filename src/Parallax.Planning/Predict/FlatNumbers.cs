using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Parallax.Planning;

/// <summary>Long lists of numbers of single precision in JSON, on one line however the rest is indented.</summary>
internal static class FlatNumbers
{
    internal static List<double> Read(ref Utf8JsonReader reader)
    {
        var numbers = new List<double>();
        if (reader.TokenType != JsonTokenType.StartArray) throw new JsonException("a list of numbers is expected");
        while (reader.Read() && reader.TokenType == JsonTokenType.Number) numbers.Add(reader.GetDouble());
        if (reader.TokenType != JsonTokenType.EndArray) throw new JsonException("a list of numbers is expected");
        return numbers;
    }

    internal static void Write(Utf8JsonWriter writer, IEnumerable<double> numbers)
    {
        var text = new StringBuilder("[");
        foreach (double number in numbers)
        {
            if (text.Length > 1) text.Append(',');
            text.Append(((float)number).ToString("R", CultureInfo.InvariantCulture));
        }
        writer.WriteRawValue(text.Append(']').ToString());
    }
}

internal sealed class IntsOnOneLine : JsonConverter<ImmutableArray<int>>
{
    public override ImmutableArray<int> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        [.. FlatNumbers.Read(ref reader).Select(n => (int)n)];

    public override void Write(Utf8JsonWriter writer, ImmutableArray<int> value, JsonSerializerOptions options) =>
        FlatNumbers.Write(writer, value.Select(v => (double)v));
}

internal sealed class FloatsOnOneLine : JsonConverter<ImmutableArray<float>>
{
    public override ImmutableArray<float> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        [.. FlatNumbers.Read(ref reader).Select(n => (float)n)];

    public override void Write(Utf8JsonWriter writer, ImmutableArray<float> value, JsonSerializerOptions options) =>
        FlatNumbers.Write(writer, value.Select(v => (double)v));
}

internal sealed class NodesOnOneLine : JsonConverter<ImmutableArray<TreeNode>>
{
    public override ImmutableArray<TreeNode> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        List<double> numbers = FlatNumbers.Read(ref reader);
        if (numbers.Count % 3 != 0) throw new JsonException("a tree's nodes are three numbers each");
        var nodes = ImmutableArray.CreateBuilder<TreeNode>(numbers.Count / 3);
        for (int i = 0; i < numbers.Count; i += 3) nodes.Add(new TreeNode((int)numbers[i], (float)numbers[i + 1], (int)numbers[i + 2]));
        return nodes.MoveToImmutable();
    }

    public override void Write(Utf8JsonWriter writer, ImmutableArray<TreeNode> value, JsonSerializerOptions options) =>
        FlatNumbers.Write(writer, value.SelectMany(n => (double[])[n.Feature, n.Value, n.Next]));
}
