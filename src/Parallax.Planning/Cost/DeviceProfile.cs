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
        catch (JsonException e)
        {
            throw new InvalidInputException($"not a device profile: {e.Message}", e);
        }
        if (profile?.Cpu is not { Dense: not null, Elementwise: not null, Reduction: not null })
            throw new InvalidInputException("not a device profile: it has no constants of the CPU");
        return profile with { Accelerators = profile.Accelerators.IsDefault ? [] : profile.Accelerators };
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(DeviceProfile))]
internal sealed partial class PlanningJson : JsonSerializerContext;
