namespace Parallax.Runtime.Cpu.Bindings;

internal static class AttentionBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
