namespace Parallax.Runtime.Cpu.Bindings;

internal static class ElementwiseBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
