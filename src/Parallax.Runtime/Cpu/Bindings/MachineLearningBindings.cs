namespace Parallax.Runtime.Cpu.Bindings;

internal static class MachineLearningBindings
{
    internal static readonly Binding[] All =
    [
    ];
}
