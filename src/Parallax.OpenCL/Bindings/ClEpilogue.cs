using Parallax.Graphs.Ops;
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

/// <summary>What follows a sum of products: <see cref="IFusible"/> with the operands that are there.</summary>
internal readonly record struct ClFinish(Activation Activation, bool HasResidual, bool ResidualAfterActivation)
{
    internal static ClFinish Of(IFusible op, ClPrepareContext x) => new(op.Activation, x.Has(IFusible.ResidualInput), op.ResidualAfterActivation);

    /// <summary>HAS_BIAS, RESIDUAL_BEFORE and RESIDUAL_AFTER of the kernels.</summary>
    internal int Flags(bool hasBias) => (hasBias ? 1 : 0) | (!HasResidual ? 0 : ResidualAfterActivation ? 4 : 2);
}
