namespace Parallax.Onnx.Imports;

internal static class RecurrentImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
