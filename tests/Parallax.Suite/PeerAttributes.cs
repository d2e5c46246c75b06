using Xunit;

namespace Parallax.Suite;

/// <summary>A test beside ONNX Runtime; skipped, visibly, where PARALLAX_ORT_LIB does not name its library.</summary>
public sealed class PeerFactAttribute : FactAttribute
{
    public PeerFactAttribute() => Skip = Peer.WhyAbsent!;
}

/// <summary>The same for a test of many cases.</summary>
public sealed class PeerTheoryAttribute : TheoryAttribute
{
    public PeerTheoryAttribute() => Skip = Peer.WhyAbsent!;
}

internal static class Peer
{
    /// <summary>Null where the library is named.</summary>
    internal static string? WhyAbsent => Environment.GetEnvironmentVariable("PARALLAX_ORT_LIB") is { Length: > 0 } ? null : "PARALLAX_ORT_LIB does not name ONNX Runtime's library";
}
