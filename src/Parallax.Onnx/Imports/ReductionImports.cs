namespace Parallax.Onnx.Imports;

internal static class ReductionImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
