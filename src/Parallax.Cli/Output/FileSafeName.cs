namespace Parallax.Cli.Output;

/// <summary>Names of tensors as names of files: every character outside <c>[A-Za-z0-9._-]</c> is <c>_</c>.</summary>
internal static class FileSafeName
{
    internal static string Of(string name) => string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_'));

    /// <summary>A file name per tensor name; where two names become one, the later ones get a number.</summary>
    internal static string[] Distinct(IReadOnlyList<string> names)
    {
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        return [.. names.Select(name =>
        {
            string safe = Of(name), unique = safe;
            for (int i = 2; !taken.Add(unique); i++) unique = $"{safe}_{i}";
            return unique;
        })];
    }
}
