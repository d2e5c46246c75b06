using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Parallax.Planning;

/// <summary>The measured constants of one machine, as <c>parallax calibrate</c> writes them.</summary>
/// <param name="Machine">Names the machine that was measured, so that a profile is not used on another by accident.</param>
/// <param name="Workers">Workers that the measurements used at most.</param>
public sealed record DeviceProfile(string Machine, int Workers, CostModel Cpu, ImmutableArray<AcceleratorModel> Accelerators)
{
    /// <summary>What is assumed of a machine that was never measured.</summary>
    public static DeviceProfile Default { get; } = new("default", 1, CostModel.Default, []);

    public string ToJson() => JsonSerializer.Serialize(this, PlanningJson.Default.DeviceProfile);

    /// <exception cref="InvalidInputException">The text is no device profile.</exception>
    public static DeviceProfile FromJson(string json)
    {
        DeviceProfile? profile;
        try
        {
            profile = JsonSerializer.Deserialize(json, PlanningJson.Default.DeviceProfile);
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            throw new InvalidInputException($"not a device profile: {e.Message.ReplaceLineEndings(" ")}", e);
        }
        if (profile?.Cpu is not { Rates: not null, Cache: not null, Memory: not null } || profile.Machine is null)
            throw new InvalidInputException("not a device profile: it has no constants of the CPU");
        if (profile.Cpu.Fault() is { } fault) throw new InvalidInputException($"not a usable device profile: {fault}");
        ImmutableArray<AcceleratorModel> accelerators = profile.Accelerators.IsDefault ? [] : profile.Accelerators;
        foreach (LatencyPredictor? predictor in profile.Cpu.Predictors.Concat(accelerators.SelectMany(a => a.Predictors)))
            if (predictor is null || predictor.Fault() is not null) throw new InvalidInputException($"not a usable device profile: {predictor?.Fault() ?? "a predictor is missing"}");
        foreach (AcceleratorModel accelerator in accelerators)
            if (accelerator.Units < 1 || accelerator.Sync is { IsSound: false }) throw new InvalidInputException($"not a usable device profile: {accelerator.Name} has compute units or costs of synchronization that are none");
        return profile with { Accelerators = accelerators };
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(DeviceProfile))]
[JsonSerializable(typeof(LatencySamples))]
internal sealed partial class PlanningJson : JsonSerializerContext;
