namespace Parallax.Onnx.Imports;

internal static class ShapeImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
