namespace Parallax.Onnx.Imports;

internal static class AttentionImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
