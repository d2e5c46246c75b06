namespace Parallax.Runtime.Cpu.Bindings;

internal static class LossBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
