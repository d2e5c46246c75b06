namespace Parallax.Onnx.Imports;

internal static class QuantizationImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
