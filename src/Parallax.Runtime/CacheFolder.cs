namespace Parallax;

/// <summary>Where files lie that can be made again.</summary>
internal static class CacheFolder
{
    /// <summary>The library's part of the user's folder for caches, which may not exist yet; null where the user has none.</summary>
    internal static string? Path
    {
        get
        {
            string? folder = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            if (string.IsNullOrEmpty(folder) && OperatingSystem.IsLinux())
                folder = Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } home ? System.IO.Path.Combine(home, ".cache") : null;
            else if (string.IsNullOrEmpty(folder)) folder = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData);
            return string.IsNullOrEmpty(folder) ? null : System.IO.Path.Combine(folder, "parallax");
        }
    }
}
