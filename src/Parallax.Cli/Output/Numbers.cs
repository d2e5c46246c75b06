using System.Globalization;

namespace Parallax.Cli.Output;

/// <summary>Numbers as people read them.</summary>
internal static class Numbers
{
    internal static string Value(double value) => value.ToString(Math.Abs(value) >= 1e6 && value == Math.Floor(value) && Math.Abs(value) < 1e15 ? "F0" : "G7", CultureInfo.InvariantCulture);

    internal static string Ms(double milliseconds) => milliseconds.ToString(milliseconds < 1 ? "F3" : milliseconds < 100 ? "F2" : "F1", CultureInfo.InvariantCulture);

    internal static string Fixed(double value, int digits = 1) => value.ToString($"F{digits}", CultureInfo.InvariantCulture);

    /// <summary>As in <c>1 worker</c>, <c>2 workers</c>, <c>2 branches</c>.</summary>
    internal static string Count(int count, string what) => $"{count} {what}{(count == 1 ? "" : what.EndsWith('h') ? "es" : "s")}";

    internal static string Bytes(long bytes) => bytes switch
    {
        < 1 << 10 => string.Create(CultureInfo.InvariantCulture, $"{bytes} B"),
        < 1 << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:F1} KiB"),
        < 1 << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:F1} MiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1073741824.0:F2} GiB"),
    };
}
