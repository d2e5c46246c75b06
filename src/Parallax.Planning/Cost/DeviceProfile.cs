using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Parallax.Planning;

/// <summary>The measured constants and the predictors of one machine, as <c>parallax calibrate</c> writes them.</summary>
/// <param name="Machine">Names the machine that was measured, so that a profile is not used on another by accident.</param>
/// <param name="Workers">Workers that the measurements used at most.</param>
public sealed record DeviceProfile(string Machine, int Workers, CostModel Cpu, ImmutableArray<AcceleratorModel> Accelerators)
{
    /// <summary>Of what a profile holds: the features of predictors are of one version only.</summary>
    public const int CurrentVersion = 3;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>What is assumed of a machine that was never measured.</summary>
    public static DeviceProfile Default { get; } = new("default", 1, CostModel.Default, []);

    public string ToJson() => JsonSerializer.Serialize(this, PlanningJson.Default.DeviceProfile);

    /// <exception cref="InvalidInputException">The text is no device profile.</exception>
    public static DeviceProfile FromJson(string json)
    {
        DeviceProfile? profile;
        try
        {
            if (JsonSerializer.Deserialize(json, PlanningJson.Default.ProfileVersion) is { Machine: not null, Version: not CurrentVersion and var version })
                throw new ProfileVersionException($"the device profile is of version {version}, this program takes {CurrentVersion}");
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
        foreach (AcceleratorModel? accelerator in accelerators)
            if (accelerator is null || accelerator.Fault() is not null) throw new InvalidInputException($"not a usable device profile: {accelerator?.Fault() ?? "an accelerator is missing"}");
        return profile with { Accelerators = accelerators };
    }
}

/// <summary>The profile is of a version that this program does not take.</summary>
public sealed class ProfileVersionException(string message) : ParallaxException(message);

/// <summary>The part of a profile that tells whether the rest can be read.</summary>
/// <param name="Version">0 where the profile is older than versions.</param>
internal sealed record ProfileVersion(string? Machine, int Version);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, IgnoreReadOnlyProperties = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(DeviceProfile))]
[JsonSerializable(typeof(ProfileVersion))]
internal sealed partial class PlanningJson : JsonSerializerContext;
