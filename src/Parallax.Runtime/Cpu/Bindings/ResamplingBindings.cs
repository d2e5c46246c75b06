namespace Parallax.Runtime.Cpu.Bindings;

internal static class ResamplingBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
