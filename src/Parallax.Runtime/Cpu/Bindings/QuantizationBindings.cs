namespace Parallax.Runtime.Cpu.Bindings;

internal static class QuantizationBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
