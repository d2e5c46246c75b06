using System.Collections.Immutable;
using System.Text.Json;

namespace Parallax.Planning;

/// <summary>A time that was measured.</summary>
/// <param name="Problem">Names the problem; samples of one problem with different numbers of workers have the same name.</param>
/// <param name="Units">Workers, or the device's compute units.</param>
/// <param name="Us">Without the time of a dispatch.</param>
public sealed record LatencySample(string Device, string Problem, StepWork Work, int Units, KernelFacts Kernel, double Us);

/// <summary>Samples of one machine, as they are kept while more are measured.</summary>
public sealed record LatencySamples(string Machine, ImmutableArray<LatencySample> Samples)
{
    public string ToJson() => JsonSerializer.Serialize(this, PlanningJson.Default.LatencySamples);

    /// <exception cref="InvalidInputException">The text holds no samples.</exception>
    public static LatencySamples FromJson(string json)
    {
        try
        {
            if (JsonSerializer.Deserialize(json, PlanningJson.Default.LatencySamples) is { Machine: not null, Samples.IsDefault: false } read
                && read.Samples.All(s => s is { Device: not null, Problem: not null, Units: > 0, Us: > 0 } && double.IsFinite(s.Us))) return read;
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            throw new InvalidInputException($"no measured samples: {e.Message.ReplaceLineEndings(" ")}", e);
        }
        throw new InvalidInputException("no measured samples: some lack their device, problem or time");
    }
}
