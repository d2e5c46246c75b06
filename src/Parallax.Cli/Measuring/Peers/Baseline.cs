using System.Text.Json;
using Parallax.Cli.Output;

namespace Parallax.Cli.Measuring.Peers;

/// <summary>What another runtime took for the same model, inputs and number of threads, its runs in turns with ours.</summary>
/// <param name="Difference">The largest difference of an output from ours, relative to its largest magnitude; infinite where shapes or types differ.</param>
internal sealed record Baseline(string Name, string Version, Latencies Times, double LoadMs, long PeakRssBytes, double CpuMsPerRun, double Difference)
{
    /// <summary>Outputs further apart are not the same computation.</summary>
    internal const double Tolerance = 1e-3;

    internal double RatioP50(BenchResult ours) => Times.Percentile(50) / ours.Times.Percentile(50);

    internal static readonly string[] Columns = ["model", "beside", ">its p50 ms", ">ratio", ">its load ms", ">ratio", ">its peak RSS", ">ratio", ">its cpu ms/run", ">ratio", ">outputs differ by"];

    /// <summary>Ratios above 1 are in our favour.</summary>
    internal string[] Row(BenchResult ours) =>
    [
        ours.Model, $"{Name} {Version}", Numbers.Ms(Times.Percentile(50)), Numbers.Fixed(RatioP50(ours), 2), Numbers.Ms(LoadMs), Numbers.Fixed(LoadMs / ours.LoadMs, 2),
        Numbers.Bytes(PeakRssBytes), Numbers.Fixed((double)PeakRssBytes / ours.PeakRssBytes, 2), Numbers.Ms(CpuMsPerRun), Numbers.Fixed(CpuMsPerRun / ours.CpuMsPerRun, 2),
        Difference.ToString("E1", System.Globalization.CultureInfo.InvariantCulture),
    ];

    internal void Write(Utf8JsonWriter json, BenchResult ours)
    {
        json.WriteStartObject();
        json.WriteString("name", Name);
        json.WriteString("version", Version);
        json.Finite("p50Ms", Times.Percentile(50), 4);
        json.Finite("minMs", Times.Min, 4);
        json.Finite("loadMs", LoadMs, 4);
        json.WriteNumber("peakRssBytes", PeakRssBytes);
        json.Finite("cpuMsPerRun", CpuMsPerRun, 4);
        json.Finite("ratioP50", RatioP50(ours), 4);
        json.Finite("outputDifference", Difference, 9);
        json.WriteEndObject();
    }
}
