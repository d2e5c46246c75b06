using System.Collections.Immutable;
using Parallax.Graphs;

namespace Parallax.Onnx;

/// <summary>Turns an ONNX model into a <see cref="Graph"/>: functions are inlined, captured values become explicit inputs, old opsets are normalized.</summary>
public static class Importer
{
    /// <summary>Parses and imports; the model owns <paramref name="source"/> afterwards.</summary>
    /// <exception cref="InvalidModelException">The file is damaged or says what cannot be true.</exception>
    /// <exception cref="UnsupportedModelException">Operators are missing here; all of them are listed.</exception>
    public static ImportedModel Import(ModelSource source) => Import(ModelProto.Parse(source), source);

    /// <summary>Imports a model that is in memory.</summary>
    public static ImportedModel Import(ModelProto model, ModelSource? source = null)
    {
        var functions = new FunctionTable(model);
        UnsupportedOperators.Check(model, functions);
        var metadata = new Dictionary<string, string>();
        void Note(string key, string value)
        {
            if (value.Length > 0) metadata[key] = value;
        }
        Note("producer", $"{model.ProducerName} {model.ProducerVersion}".Trim());
        Note("domain", model.Domain);
        Note("description", model.DocString);
        Note("irVersion", $"{model.IrVersion}");
        Note("modelVersion", $"{model.ModelVersion}");
        Note("opsets", string.Join(", ", model.OpsetImport.Select(o => $"{(o.Domain.Length == 0 ? "ai.onnx" : o.Domain)} {o.Version}")));
        foreach (StringStringEntry entry in model.MetadataProps) metadata[entry.Key] = entry.Value;
        var environment = new ImportEnvironment(functions, OpsetTable.Of(model.OpsetImport), source);
        return new ImportedModel(GraphImporter.ImportModel(model.Graph, environment), metadata, source);
    }
}

/// <summary>What stays the same while the nodes of one graph or function body are imported.</summary>
/// <param name="FunctionAttributes">Attributes of the function call around, which attributes inside may refer to; null outside of functions.</param>
internal sealed record ImportEnvironment(FunctionTable Functions, OpsetTable Opsets, ModelSource? Source,
    IReadOnlyDictionary<string, AttributeProto>? FunctionAttributes = null, int FunctionDepth = 0);

/// <summary>Versions of the operator sets that a model or function asks for.</summary>
internal sealed class OpsetTable
{
    private readonly Dictionary<string, int> versions = [];

    internal static OpsetTable Of(IReadOnlyList<OperatorSetId> imports)
    {
        var table = new OpsetTable();
        foreach (OperatorSetId import in imports)
        {
            if (import.Version is < 1 or > int.MaxValue) throw new InvalidModelException($"opset version of domain '{import.Domain}' must be 1 or more, got {import.Version}");
            table.versions[Canonical(import.Domain)] = (int)import.Version;
        }
        return table;
    }

    internal static string Canonical(string domain) => domain == "ai.onnx" ? "" : domain;

    /// <summary>1 where the model names no version of the domain.</summary>
    internal int Version(string domain) => versions.GetValueOrDefault(Canonical(domain), 1);
}

/// <summary>The functions that a model defines itself.</summary>
internal sealed class FunctionTable(ModelProto model)
{
    private readonly Dictionary<string, FunctionProto> functions = model.Functions.GroupBy(f => Key(f.Domain, f.Name, f.Overload)).ToDictionary(g => g.Key, g => g.First());

    internal IEnumerable<FunctionProto> All => functions.Values;

    internal FunctionProto? Find(NodeProto node) => functions.GetValueOrDefault(Key(node.Domain, node.OpType, node.Overload));

    private static string Key(string domain, string name, string overload) => $"{OpsetTable.Canonical(domain)}\0{name}\0{overload}";
}

/// <summary>Finds everything that cannot be imported before anything is.</summary>
internal static class UnsupportedOperators
{
    internal static void Check(ModelProto model, FunctionTable functions)
    {
        var missing = new SortedSet<string>(StringComparer.Ordinal);
        Collect(model.Graph.Nodes, OpsetTable.Of(model.OpsetImport), functions, missing);
        foreach (FunctionProto function in functions.All) Collect(function.Nodes, OpsetTable.Of(function.OpsetImport), functions, missing);
        if (missing.Count > 0) throw new UnsupportedModelException($"unsupported operators: {string.Join(", ", missing)}", [.. missing]);
    }

    private static void Collect(IReadOnlyList<NodeProto> nodes, OpsetTable opsets, FunctionTable functions, SortedSet<string> missing)
    {
        foreach (NodeProto node in nodes)
        {
            int opset = opsets.Version(node.Domain);
            if (functions.Find(node) is null && OpCatalog.Find(node.Domain, node.OpType, opset) is null)
                missing.Add($"{(OpsetTable.Canonical(node.Domain) is { Length: > 0 } domain ? $"{domain}." : "")}{node.OpType} (opset {opset})");
            foreach (GraphProto body in Bodies(node)) Collect(body.Nodes, opsets, functions, missing);
        }
    }

    internal static IEnumerable<GraphProto> Bodies(NodeProto node) => node.Attributes.SelectMany(a => a.Type switch
    {
        AttributeType.Graph when a.RefAttrName.Length == 0 => [a.Graph],
        AttributeType.Graphs when a.RefAttrName.Length == 0 => a.Graphs,
        _ => (IReadOnlyList<GraphProto>)[],
    });
}
