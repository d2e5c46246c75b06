namespace Parallax.Graphs.Ops;

/// <summary>
/// An operator that sums products and can finish its result while it is in cache: a bias, then input 3, a residual of the result's shape, then an
/// activation; or the activation first and the residual behind it. Only for float32.
/// </summary>
public interface IFusible
{
    /// <summary>Position of the optional residual input.</summary>
    const int ResidualInput = 3;

    Activation Activation { get; init; }

    /// <summary>Whether the residual is added behind the activation instead of before it.</summary>
    bool ResidualAfterActivation { get; init; }
}
