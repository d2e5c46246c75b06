namespace Parallax.Onnx.Imports;

internal static class TextImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
