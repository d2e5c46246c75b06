namespace Parallax.Onnx.Imports;

internal static class ControlFlowImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
