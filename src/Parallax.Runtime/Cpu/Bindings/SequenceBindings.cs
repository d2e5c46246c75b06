namespace Parallax.Runtime.Cpu.Bindings;

internal static class SequenceBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
