using System.Diagnostics;
using System.Globalization;

namespace Parallax.Cli.Measuring;

/// <summary>Memory of this process, as the operating system tells.</summary>
internal static class ProcessMemory
{
    /// <summary>The most memory that was resident since the process began or <see cref="ResetPeak"/>.</summary>
    internal static long PeakResidentBytes()
    {
        if (KiB("/proc/self/status", "VmHWM:") is { } kib) return kib * 1024;
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    /// <summary>Lets the peak begin anew at what is resident now, where the operating system can do that.</summary>
    internal static void ResetPeak()
    {
        try
        {
            if (OperatingSystem.IsLinux()) File.WriteAllText("/proc/self/clear_refs", "5");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not allowed in every container: the peak is then that of the whole process.
        }
    }

    private static long? KiB(string file, string key)
    {
        string? line = Lines(file).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal));
        return line is not null && long.TryParse(line[key.Length..].Replace("kB", "").Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long kib) ? kib : null;
    }

    private static string[] Lines(string file)
    {
        try
        {
            return File.Exists(file) ? File.ReadAllLines(file) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
