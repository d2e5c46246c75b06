namespace Parallax.Onnx.Imports;

internal static class PoolingImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
