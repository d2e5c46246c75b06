using Parallax.OpenCL;
using Xunit;

namespace Parallax.Tests.OpenCL;

internal static class ClPresence
{
    /// <summary>Null where there is a device.</summary>
    internal static string? WhySkip { get; } = ClDevice.All.IsEmpty ? "no OpenCL device here" : null;
}

/// <summary>A test that needs an OpenCL device; skipped, visibly, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ClFactAttribute : FactAttribute
{
    public ClFactAttribute() => Skip = ClPresence.WhySkip;
}

/// <inheritdoc cref="ClFactAttribute"/>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ClTheoryAttribute : TheoryAttribute
{
    public ClTheoryAttribute() => Skip = ClPresence.WhySkip;
}
