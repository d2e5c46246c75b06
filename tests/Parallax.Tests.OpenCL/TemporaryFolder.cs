namespace Parallax.Tests.OpenCL;

/// <summary>A folder of a test's own, removed at its end.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("parallax-opencl-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
