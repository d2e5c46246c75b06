using System.Globalization;

namespace Parallax.Cli.Measuring;

/// <summary>
/// Energy that the machine has used, where Linux can tell: the counters of the processor's packages (RAPL), else the charge of a battery that is being used.
/// It is the whole machine's, whatever runs on it.
/// </summary>
/// <param name="root">The folder of sysfs; another one for tests.</param>
internal sealed class EnergyMeter(string root = "/sys")
{
    private readonly (string Counter, double Range)[] packages = Packages(root);
    private readonly string? battery = Battery(root);
    private double[] start = [];

    /// <summary>Starts to count. False where nothing can be read.</summary>
    internal bool Start()
    {
        start = Read();
        return start.Length > 0;
    }

    /// <summary>Joules since <see cref="Start"/>; null where they cannot be told.</summary>
    internal double? Joules()
    {
        double[] now = Read();
        if (now.Length == 0 || now.Length != start.Length) return null;
        if (packages.Length == 0)
        {
            double used = start[0] - now[0];
            return used > 0 ? used * 3600e-6 : null; // microwatt hours; a gauge too coarse, or a charger, shows nothing
        }
        double microjoules = 0;
        for (int i = 0; i < now.Length; i++) microjoules += now[i] >= start[i] ? now[i] - start[i] : now[i] - start[i] + packages[i].Range; // the counter began anew
        return microjoules * 1e-6;
    }

    private double[] Read()
    {
        double?[] values = packages.Length > 0 ? [.. packages.Select(p => Number(p.Counter))] : battery is not null ? [Number(battery)] : [];
        return values.All(v => v is not null) ? [.. values.Select(v => v!.Value)] : [];
    }

    /// <summary>Top-level zones only: those below are parts of them.</summary>
    private static (string, double)[] Packages(string root) =>
        [.. Folders(Path.Combine(root, "class", "powercap"), "intel-rapl:*")
            .Where(zone => Path.GetFileName(zone).Count(c => c == ':') == 1)
            .Select(zone => (Counter: Path.Combine(zone, "energy_uj"), Range: Number(Path.Combine(zone, "max_energy_range_uj")) ?? 0))
            .Where(p => Number(p.Counter) is not null)];

    private static string? Battery(string root) =>
        Folders(Path.Combine(root, "class", "power_supply"), "*").Select(supply => Path.Combine(supply, "energy_now")).FirstOrDefault(file => Number(file) is not null);

    private static string[] Folders(string folder, string pattern)
    {
        try
        {
            return Directory.Exists(folder) ? [.. Directory.EnumerateDirectories(folder, pattern).Order(StringComparer.Ordinal)] : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Null where there is no file, or only the administrator may read it.</summary>
    private static double? Number(string file)
    {
        try
        {
            return File.Exists(file) && double.TryParse(File.ReadAllText(file), NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
