using Parallax.OpenCL.Calls;

namespace Parallax.OpenCL.Bindings;

/// <summary>The activation at the end of a kernel: <c>ACTIVATE</c> and <c>ACTIVATION_ARGS</c> of common.cl.</summary>
internal static class ClEpilogue
{
    /// <summary>The option that chooses it.</summary>
    internal static string Options(Activation activation) => $"-DACTIVATION={(int)activation.Kind}";

    /// <summary>The arguments that it reads.</summary>
    internal static ClArg[] Args(Activation activation) => [ClArg.Float(activation.Alpha), ClArg.Float(activation.Beta)];
}
