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
    internal static ModelFile Open(string name, IReadOnlyDictionary<string, long> dims)
    {
        if (!name.StartsWith(ZooPrefix, StringComparison.Ordinal))
        {
            if (Directory.Exists(name)) throw new InvalidModelException($"{name}: is a folder, not a model file");
            return new ModelFile(name, Import(name), new Dictionary<string, long>());
        }
        ZooEntry entry = ZooCatalog.Find(name[ZooPrefix.Length..]);
        bool isDynamic = dims.Keys.Any(entry.DefaultDims.ContainsKey);
        return new ModelFile(name, Importer.Import(entry.Build(new ZooOptions(Dynamic: isDynamic))), entry.DefaultDims);
    }

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
