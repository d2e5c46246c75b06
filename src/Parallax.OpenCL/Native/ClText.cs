using System.Text;

namespace Parallax.OpenCL.Native;

/// <summary>The zero-terminated texts of OpenCL.</summary>
internal static class ClText
{
    internal static string FromZeroTerminated(ReadOnlySpan<byte> bytes) =>
        Encoding.UTF8.GetString(bytes.IndexOf((byte)0) is var end and >= 0 ? bytes[..end] : bytes).Trim();

    internal static byte[] ZeroTerminated(string text) => Encoding.UTF8.GetBytes(text + '\0');
}
