namespace Parallax.Runtime.Cpu.Bindings;

internal static class MatrixBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
