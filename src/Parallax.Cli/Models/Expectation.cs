using System.Globalization;
using System.Text.Json;
using Parallax.Cli.Conformance;
using Parallax.Cli.Output;

namespace Parallax.Cli.Models;

/// <summary>How an output compares with what was expected of it.</summary>
/// <param name="Difference">Null where it agrees.</param>
internal sealed record Verdict(string Output, string? Difference)
{
    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("output", Output);
        json.WriteBoolean("agrees", Difference is null);
        json.WriteString("difference", Difference);
        json.WriteEndObject();
    }
}

/// <summary>Outputs as <c>NAME.npy</c> in a folder, and the limits within which they must be met: <c>|got - want| &lt;= atol + rtol * |want|</c>.</summary>
internal sealed record Expectation(string Folder, double Absolute, double Relative)
{
    internal string Limits => string.Create(CultureInfo.InvariantCulture, $"atol {Absolute}, rtol {Relative}");

    /// <exception cref="InvalidInputException">A file is missing or damaged.</exception>
    internal IReadOnlyList<Verdict> Compare(RunResult result)
    {
        if (!Directory.Exists(Folder)) throw new InvalidInputException($"{Folder}: no such folder");
        string[] files = FileSafeName.Distinct([.. result.Select(r => r.Key)]);
        return [.. result.Select((output, i) => Compare(output.Key, Path.Combine(Folder, $"{files[i]}.npy"), output.Value))];
    }

    private Verdict Compare(string name, string path, Datum got)
    {
        if (got is not Tensor tensor) throw new InvalidInputException($"output '{name}' is {got}; only tensors can be compared with .npy files");
        if (!File.Exists(path)) throw new InvalidInputException($"{path}: no such file (what to expect of output '{name}')");
        return new Verdict(name, DatumComparison.Difference(Npy.Read(path), Npy.Widened(tensor), Relative, Absolute));
    }
}
