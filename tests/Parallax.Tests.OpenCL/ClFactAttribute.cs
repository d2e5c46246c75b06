using Parallax.OpenCL;
using Parallax.Suite;
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
    /// <param name="shared">A file or folder of the shared data that the test needs too; none where it is empty.</param>
    public ClFactAttribute(params string[] shared) => Skip = ClPresence.WhySkip ?? (shared.Length == 0 ? null : SharedFactAttribute.WhySkip(shared));
}

/// <inheritdoc cref="ClFactAttribute"/>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ClTheoryAttribute : TheoryAttribute
{
    public ClTheoryAttribute() => Skip = ClPresence.WhySkip;
}
