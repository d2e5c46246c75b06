namespace Parallax.Runtime.Cpu.Bindings;

internal static class PoolingBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
