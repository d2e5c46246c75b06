namespace Parallax.Onnx.Imports;

internal static class MovementImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
