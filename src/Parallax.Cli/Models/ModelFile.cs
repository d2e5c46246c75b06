using Parallax.Graphs;
using Parallax.Onnx;
using Parallax.Runtime;
using Parallax.Zoo;

namespace Parallax.Cli.Models;

/// <summary>What MODEL names on the command line: a file, or a built-in network as <c>zoo:NAME</c>.</summary>
/// <param name="Name">As it was given.</param>
/// <param name="DefaultDims">Sizes of symbolic dimensions where nobody says otherwise.</param>
internal sealed record ModelFile(string Name, ImportedModel Model, IReadOnlyDictionary<string, long> DefaultDims) : IDisposable
{
    private const string ZooPrefix = "zoo:";

    internal Graph Graph => Model.Graph;

    /// <param name="dims">Dimensions that the call gives sizes to: a built-in network has them symbolic then.</param>
    /// <param name="file">Where the model lies as a file, where that is not its name.</param>
    internal static ModelFile Open(string name, IReadOnlyDictionary<string, long> dims, string? file = null)
    {
        ZooEntry? entry = Zoo(name);
        if (entry is not null && file is null) return new ModelFile(name, Importer.Import(entry.Build(new ZooOptions(Dynamic: IsDynamic(entry, dims)))), entry.DefaultDims);
        if (Directory.Exists(file ?? name)) throw new InvalidModelException($"{name}: is a folder, not a model file");
        return new ModelFile(name, Import(file ?? name), entry?.DefaultDims ?? new Dictionary<string, long>());
    }

    /// <summary>Whether a built-in network has symbolic dimensions, given that the call gives sizes to some.</summary>
    internal static bool IsDynamic(string name, IReadOnlyDictionary<string, long> dims) => Zoo(name) is { } entry && IsDynamic(entry, dims);

    private static bool IsDynamic(ZooEntry entry, IReadOnlyDictionary<string, long> dims) => dims.Keys.Any(entry.DefaultDims.ContainsKey);

    private static ZooEntry? Zoo(string name) => name.StartsWith(ZooPrefix, StringComparison.Ordinal) ? ZooCatalog.Find(name[ZooPrefix.Length..]) : null;

    private static ImportedModel Import(string path)
    {
        ModelSource source = MappedFile.OpenModel(path);
        try
        {
            return Importer.Import(source);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    public void Dispose() => Model.Dispose();
}
