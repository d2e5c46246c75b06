namespace Parallax.Onnx;

/// <summary>
/// The path of an external file. A model is data from anywhere, and must not be able to name files of its reader's: what it names
/// must lie in the model's folder, also after symbolic links are followed.
/// </summary>
internal static class ExternalPath
{
    private const int MaxLinks = 40; // as Linux

    internal static string Resolve(string folder, string location, string what)
    {
        if (location.Length == 0 || location.Contains('\0')) throw new InvalidModelException($"{what}: expected the path of a file, got '{location.Replace('\0', '?')}'");
        if (Path.IsPathRooted(location) || location[0] is '/' or '\\' || (location.Length > 1 && location[1] == ':'))
            throw new InvalidModelException($"{what}: expected a path relative to the model's folder, got '{location}'");
        string root = Path.GetFullPath(folder);
        string path = Path.GetFullPath(Path.Combine(root, location));
        if (!IsInside(path, root)) throw Leaves(location, what);
        try
        {
            string real = RealPath(path);
            return IsInside(real, RealPath(root)) ? real : throw Leaves(location, what);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InvalidModelException($"{what}: external file '{location}' cannot be read ({error.Message})", error);
        }
    }

    private static InvalidModelException Leaves(string location, string what) =>
        new($"{what}: expected a file in the model's folder, but '{location}' leaves it");

    private static bool IsInside(string path, string folder) =>
        path.StartsWith(Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    /// <summary>The full path with every symbolic link on the way replaced by its target.</summary>
    private static string RealPath(string path)
    {
        int links = 0;
        var pending = new Stack<string>(Parts(path).Reverse());
        string real = Path.GetPathRoot(path)!;
        while (pending.TryPop(out string? part))
        {
            string next = Path.GetFullPath(Path.Combine(real, part));
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                real = next;
                continue;
            }
            if (++links > MaxLinks) throw new IOException("too many symbolic links");
            if (Path.IsPathRooted(target)) real = Path.GetPathRoot(target)!;
            foreach (string step in Parts(target).Reverse()) pending.Push(step);
        }
        return real;
    }

    private static IEnumerable<string> Parts(string path) =>
        path[Path.GetPathRoot(path)!.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
}
