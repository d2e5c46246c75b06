namespace Parallax.Onnx.Imports;

internal static class LossImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
