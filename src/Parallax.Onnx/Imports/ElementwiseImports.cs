namespace Parallax.Onnx.Imports;

internal static class ElementwiseImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
