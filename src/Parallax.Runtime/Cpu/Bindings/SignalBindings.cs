namespace Parallax.Runtime.Cpu.Bindings;

internal static class SignalBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
