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
    public const int CurrentVersion = 7;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>What is assumed of a machine that was never measured.</summary>
    public static DeviceProfile Default { get; } = new("default", 1, CostModel.Default, []);

    /// <summary>What was measured of a device; null where nothing was.</summary>
    /// <param name="device">As <see cref="AcceleratorModel.Device"/>: one that is described otherwise is another one.</param>
    public AcceleratorModel? Accelerator(string name, string device) => Accelerators.FirstOrDefault(a => a.Name == name && a.Device == device);

    public string ToJson() => JsonSerializer.Serialize(this, PlanningJson.Default.DeviceProfile);

    /// <exception cref="InvalidInputException">The text is no device profile.</exception>
    /// <exception cref="ProfileVersionException">It is one of another version.</exception>
    public static DeviceProfile FromJson(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return Checked(new ProfileValue(document.RootElement, "").Object(ProfileReader.Profile));
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            throw new InvalidInputException($"not a device profile: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    /// <exception cref="InvalidInputException">Something is missing that every profile has, or is of no use.</exception>
    internal static DeviceProfile Checked(DeviceProfile? profile)
    {
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

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, IgnoreReadOnlyProperties = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(DeviceProfile))]
internal sealed partial class PlanningJson : JsonSerializerContext;
