namespace Parallax.Runtime.Cpu.Bindings;

internal static class TextBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
