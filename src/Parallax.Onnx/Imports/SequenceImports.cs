namespace Parallax.Onnx.Imports;

internal static class SequenceImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
