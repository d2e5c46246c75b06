namespace Parallax.Runtime.Cpu.Bindings;

internal static class IndexingBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
