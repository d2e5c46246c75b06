namespace Parallax.Onnx.Imports;

internal static class ResamplingImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
