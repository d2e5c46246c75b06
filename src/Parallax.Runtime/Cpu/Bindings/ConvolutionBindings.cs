namespace Parallax.Runtime.Cpu.Bindings;

internal static class ConvolutionBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
