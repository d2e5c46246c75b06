namespace Parallax.Runtime.Cpu.Bindings;

internal static class MovementBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
