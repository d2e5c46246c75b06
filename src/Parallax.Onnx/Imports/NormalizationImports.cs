namespace Parallax.Onnx.Imports;

internal static class NormalizationImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
