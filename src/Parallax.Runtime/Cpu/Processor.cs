namespace Parallax.Runtime.Cpu;

/// <summary>What the process may use of this machine's processor.</summary>
public static class Processor
{
    /// <summary>Cores without their hyperthreads, at most what the process may use.</summary>
    public static int PhysicalCores { get; } = CountPhysicalCores();

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
