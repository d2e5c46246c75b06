using Parallax.Cli.Commands;
using Parallax.Graphs;
using Parallax.Onnx;

namespace Parallax.Cli.Models;

/// <summary>Reads the inputs that the call names files for.</summary>
internal static class InputFiles
{
    /// <param name="specs">NAME=FILE, where NAME is the tensor's name or its file-safe form.</param>
    internal static Dictionary<string, Datum> Read(Graph graph, IEnumerable<string> specs)
    {
        var result = new Dictionary<string, Datum>();
        foreach (string spec in specs)
        {
            (string name, string file) = Split(graph, spec);
            if (!result.TryAdd(name, ReadFile(file, graph.Fact(graph.Inputs.First(i => graph[i].Name == name))))) throw new InvalidInputException($"--input gives '{name}' twice");
        }
        return result;
    }

    /// <summary>Names and paths may both hold '=': the longest name that the model has counts.</summary>
    private static (string Name, string File) Split(Graph graph, string spec)
    {
        foreach (string name in graph.Inputs.Select(i => graph[i].Name).OrderByDescending(n => n.Length))
            foreach (string form in (string[])[name, Output.FileSafeName.Of(name)])
                if (spec.Length > form.Length && spec[form.Length] == '=' && spec.StartsWith(form, StringComparison.Ordinal)) return (name, spec[(form.Length + 1)..]);
        int at = spec.IndexOf('=');
        if (at <= 0) throw new InvalidInputException($"--input must be NAME=FILE, got '{spec}'");
        return (InputShapes.FindInput(graph, spec[..at], "--input"), spec[(at + 1)..]);
    }

    private static Datum ReadFile(string path, Fact fact)
    {
        if (Directory.Exists(path)) throw new InvalidInputException($"{path}: is a folder, not a .npy or .pb file");
        if (!File.Exists(path)) throw new InvalidInputException($"{path}: no such file");
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".npy" => Npy.Read(path),
            ".pb" => DatumFile.Read(path, TypeOf(fact)),
            _ => throw new InvalidInputException($"{path}: an input must be a .npy or .pb file (a picture goes behind --image)"),
        };
    }

    private static TypeProto TypeOf(Fact fact) => fact switch
    {
        TensorFact tensor => new TensorTypeProto(tensor.Type),
        SequenceFact sequence => new SequenceTypeProto(TypeOf(sequence.Item)),
        OptionalFact optional => new OptionalTypeProto(TypeOf(optional.Item)),
        _ => throw new InvalidInputException($"a {fact} cannot be read from a file"),
    };
}
