namespace Parallax.Runtime.Cpu.Bindings;

internal static class ReductionBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
