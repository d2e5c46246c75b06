namespace Parallax.Runtime.Cpu.Bindings;

internal static class RecurrentBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
