using Parallax.Suite;
using Xunit;

namespace Parallax.Tests;

/// <summary>A test that needs a file or folder of <see cref="SharedData"/>, and is reported as skipped where that is absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute(params string[] parts)
    {
        if (SharedData.Path(parts) is null) Skip = $"needs the shared file {string.Join('/', parts)}";
    }
}
