using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Parallax.Cli.Output;

/// <summary>Where machine-readable output goes: a file, or standard output, which then gets nothing else.</summary>
/// <param name="Path">Null: standard output.</param>
internal sealed record JsonTarget(string? Path);

internal static class JsonOutput
{
    private static readonly JsonWriterOptions Options = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static void Write(JsonTarget target, TextWriter output, Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, Options)) write(writer);
        if (target.Path is null) output.WriteLine(Encoding.UTF8.GetString(stream.ToArray()));
        else AtomicFile.Write(target.Path, file => file.Write(stream.ToArray()));
    }

    internal static void Strings(this Utf8JsonWriter writer, string name, IEnumerable<string> values)
    {
        writer.WriteStartArray(name);
        foreach (string value in values) writer.WriteStringValue(value);
        writer.WriteEndArray();
    }

    /// <summary>A number; null where it is not finite, for which JSON has no word.</summary>
    internal static void Finite(this Utf8JsonWriter writer, string name, double value, int digits = 15)
    {
        if (!double.IsFinite(value)) writer.WriteNull(name);
        else writer.WriteNumber(name, digits < 15 ? Math.Round(value, digits) : value);
    }
}
