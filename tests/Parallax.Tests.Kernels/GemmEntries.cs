using Parallax.Kernels;
using Xunit;

namespace Parallax.Tests.Kernels;

/// <summary>The entries of <see cref="GemmCatalog"/> that run here, by name: of every width of vectors that the machine has, and without vectors.</summary>
public static class GemmEntries
{
    public static TheoryData<string> Names => [.. GemmCatalog.Entries.Where(entry => entry.IsSupported || entry.Width == VecWidth.Scalar).Select(entry => entry.Name)];

    internal static GemmMicroKernel Named(string name) => GemmCatalog.Entries.Single(entry => entry.Name == name);
}
