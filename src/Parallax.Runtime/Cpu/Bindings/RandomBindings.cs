namespace Parallax.Runtime.Cpu.Bindings;

internal static class RandomBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
