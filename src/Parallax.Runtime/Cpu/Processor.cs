using System.Runtime.InteropServices;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu;

/// <summary>What the process may use of this machine's processor.</summary>
public static class Processor
{
    /// <summary>Cores without their hyperthreads, at most what the process may use.</summary>
    public static int PhysicalCores { get; } = CountPhysicalCores();

    /// <summary>As its maker calls it.</summary>
    public static string Name { get; } = Info("model name") ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unnamed processor";

    /// <summary>What measured constants depend on: the processor's model, how many of its cores the process may use, and the vectors in use.</summary>
    public static string Identity { get; } = string.Join(", ",
        Info("cpu family") is { } family ? $"{Name} {family}.{Info("model")}.{Info("stepping")}" : Name, RuntimeInformation.ProcessArchitecture, $"{PhysicalCores} cores", $"{32 * (int)Vec.Widest} bits");

    private static string? Info(string key)
    {
        const string File = "/proc/cpuinfo";
        try
        {
            if (!System.IO.File.Exists(File)) return null;
            foreach (string line in System.IO.File.ReadLines(File))
                if (line.IndexOf(':') is var at and > 0 && line.AsSpan(0, at).Trim().SequenceEqual(key)) return line[(at + 1)..].Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A name is nice to have.
        }
        return null;
    }

    private static int CountPhysicalCores()
    {
        int logical = Environment.ProcessorCount;
        if (!OperatingSystem.IsLinux()) return logical;
        try
        {
            var cores = new HashSet<string>();
            foreach (string cpu in Directory.EnumerateDirectories("/sys/devices/system/cpu", "cpu?*"))
            {
                string siblings = Path.Combine(cpu, "topology", "thread_siblings_list");
                if (File.Exists(siblings)) cores.Add(File.ReadAllText(siblings).Trim());
            }
            return cores.Count == 0 ? logical : Math.Min(cores.Count, logical);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return logical; // no topology to be read: every logical processor counts
        }
    }
}
