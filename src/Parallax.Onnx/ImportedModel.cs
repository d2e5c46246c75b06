using Parallax.Graphs;

namespace Parallax.Onnx;

/// <summary>A model's graph, what the file says of itself, and the bytes that its constants lie over. Dispose after the last use of the constants.</summary>
public sealed class ImportedModel(Graph graph, IReadOnlyDictionary<string, string> metadata, ModelSource? source) : IDisposable
{
    public Graph Graph { get; } = graph;

    public IReadOnlyDictionary<string, string> Metadata { get; } = metadata;

    public void Dispose() => source?.Dispose();
}
