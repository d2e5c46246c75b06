namespace Parallax.Onnx.Imports;

internal static class MatrixImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
