namespace Parallax.Runtime.Cpu.Bindings;

internal static class ControlFlowBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
