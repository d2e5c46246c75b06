namespace Parallax.Onnx.Imports;

internal static class IndexingImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
