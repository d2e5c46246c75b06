namespace Parallax.Zoo;

/// <summary>How a network is built.</summary>
/// <param name="Seed">What its weights are drawn from.</param>
/// <param name="Dynamic">Whether image sizes and the batch are symbolic where the published export has them fixed; language networks are always dynamic.</param>
public sealed record ZooOptions(int Seed = 1, bool Dynamic = false);
