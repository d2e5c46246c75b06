using Xunit;

namespace Parallax.Suite;

/// <summary>A test that needs files outside the repository; skipped, visibly, where they are absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SharedFactAttribute : FactAttribute
{
    /// <param name="parts">The file or folder below <see cref="SharedData.Folder"/>.</param>
    public SharedFactAttribute(params string[] parts) => Skip = WhySkip(parts)!;

    /// <summary>Null where the data is there.</summary>
    public static string? WhySkip(params string[] parts) =>
        SharedData.Path(parts) is null ? $"no {string.Join('/', ["shared", .. parts])} here (PARALLAX_SHARED names the folder)" : null;
}
