namespace Parallax.Tests.Conformance;

/// <summary>Cases that do not pass; <c>docs/conformance.md</c> has the reason for each.</summary>
internal static class KnownFailures
{
    internal static readonly IReadOnlySet<string> Simple = new HashSet<string>
    {
        "test_gradient_of_add",
        "test_gradient_of_add_and_mul",
    };

    internal static readonly IReadOnlySet<string> Node = new HashSet<string>
    {
    };
}
