namespace Parallax.Onnx.Imports;

internal static class SignalImports
{
    internal static readonly OpImport[] All =
    [
    ];
}
