namespace Parallax.Onnx.Imports;

internal static class RandomImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
