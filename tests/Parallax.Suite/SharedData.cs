namespace Parallax.Suite;

/// <summary>Where test data outside the repository lies: the folder that PARALLAX_SHARED names, or a folder <c>shared</c> beside the repository.</summary>
public static class SharedData
{
    /// <summary>The folder, or null where there is none: tests that need it are then skipped.</summary>
    public static string? Folder { get; } = Find();

    /// <summary>A file or folder below <see cref="Folder"/>, or null where it is absent.</summary>
    public static string? Path(params string[] parts)
    {
        if (Folder is null)
            return null;
        string path = System.IO.Path.Combine([Folder, .. parts]);
        return File.Exists(path) || Directory.Exists(path) ? path : null;
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("PARALLAX_SHARED") is { Length: > 0 } named)
            return Directory.Exists(named) ? named : null;
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (!File.Exists(System.IO.Path.Combine(at.FullName, "Parallax.slnx")))
                continue;
            string beside = System.IO.Path.Combine(at.FullName, "..", "shared");
            return Directory.Exists(beside) ? System.IO.Path.GetFullPath(beside) : null;
        }
        return null;
    }
}
