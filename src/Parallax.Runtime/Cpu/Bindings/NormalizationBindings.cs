namespace Parallax.Runtime.Cpu.Bindings;

internal static class NormalizationBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
