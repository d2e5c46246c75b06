namespace Parallax.Runtime.Cpu.Bindings;

internal static class ShapeBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
