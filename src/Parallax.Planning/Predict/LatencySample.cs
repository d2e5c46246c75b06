namespace Parallax.Planning;

/// <summary>A time that was measured.</summary>
/// <param name="Problem">Names the problem; samples of one problem with different numbers of workers have the same name.</param>
/// <param name="Units">Workers, or the device's compute units.</param>
/// <param name="Us">Without the time of a dispatch, and without that of copying to and from the device.</param>
public sealed record LatencySample(string Device, string Problem, StepWork Work, int Units, KernelFacts Kernel, double Us)
{
    internal bool IsSound => Device is not null && Problem is not null && Units > 0 && ClassRate.IsPositive(Us);
}
