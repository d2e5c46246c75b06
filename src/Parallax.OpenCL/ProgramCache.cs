using System.Security.Cryptography;
using System.Text;

namespace Parallax.OpenCL;

/// <summary>
/// Built programs on disk, one file each. A file holds the hash of its binary in front of it: what is cut short or altered is not handed to a driver. Files are
/// written whole or not at all, so that several processes may share a folder. What cannot be read or written is built anew.
/// </summary>
/// <param name="folder">Need not exist; null where nothing is kept.</param>
internal sealed class ProgramCache(string? folder)
{
    /// <summary>The user's cache.</summary>
    internal static ProgramCache Default { get; } = new(CacheFolder.Path is { } caches ? Path.Combine(caches, "opencl") : null);

    /// <summary>Names a program: by all that its binary depends on.</summary>
    internal static string KeyOf(ClDevice device, string source, string options) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', device.Identity, options, source))));

    /// <summary>Null where there is no file, or no sound one.</summary>
    internal byte[]? Read(string key)
    {
        if (folder is null) return null;
        try
        {
            byte[] file = File.ReadAllBytes(PathOf(key));
            return file.Length > SHA256.HashSizeInBytes && SHA256.HashData(file.AsSpan(SHA256.HashSizeInBytes)).AsSpan().SequenceEqual(file.AsSpan(0, SHA256.HashSizeInBytes))
                ? file[SHA256.HashSizeInBytes..]
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    internal void Write(string key, byte[] binary)
    {
        if (folder is null) return;
        try
        {
            Directory.CreateDirectory(folder);
            string part = Path.Combine(folder, $"{key}.{Guid.NewGuid():n}");
            File.WriteAllBytes(part, [.. SHA256.HashData(binary), .. binary]);
            File.Move(part, PathOf(key), overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A full or read-only disk costs the next process a build.
        }
    }

    private string PathOf(string key) => Path.Combine(folder!, $"{key}.bin");
}
