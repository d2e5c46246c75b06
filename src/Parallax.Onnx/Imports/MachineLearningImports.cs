namespace Parallax.Onnx.Imports;

internal static class MachineLearningImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
