namespace Parallax.Onnx.Imports;

internal static class ConvolutionImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
