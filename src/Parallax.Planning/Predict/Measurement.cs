using System.Text.Json;
using System.Text.Json.Serialization;

namespace Parallax.Planning;

/// <summary>What a file of measurements begins with: who may add to it.</summary>
/// <param name="Format">Of the lines, and of what is measured: measurements of another one are of no use.</param>
/// <param name="Machine">As <see cref="DeviceProfile.Machine"/>.</param>
/// <param name="Seed">Of the problems.</param>
public sealed record MeasurementHeader(int Format, string Machine, int Seed)
{
    public const int CurrentFormat = 6;
}

/// <summary>The constants of the CPU with up to so many workers.</summary>
public sealed record MeasuredCpu(int Workers, CostModel Model);

/// <summary>A problem that a device cannot compute, or not with so many workers.</summary>
public sealed record SkippedSample(string Device, string Problem, int Units);

/// <summary>One line of a file of measurements: exactly one member is there.</summary>
public sealed record Measurement(
    MeasurementHeader? Header = null, MeasuredCpu? Cpu = null, AcceleratorModel? Accelerator = null, LatencySample? Sample = null, SkippedSample? Skipped = null)
{
    /// <summary>Without line breaks.</summary>
    public string ToLine() => JsonSerializer.Serialize(this, MeasurementJson.Default.Measurement);

    /// <summary>Null where the line is no measurement.</summary>
    public static Measurement? FromLine(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, MeasurementJson.Default.Measurement) is { IsSound: true } read ? read : null;
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException or NotSupportedException)
        {
            return null;
        }
    }

    private bool IsSound => (Header, Cpu, Accelerator, Sample, Skipped) switch
    {
        ({ Machine: not null }, null, null, null, null) => true,
        (null, { Workers: > 0, Model: { Rates: not null, Cache: not null, Memory: not null } model }, null, null, null) => model.Fault() is null,
        (null, null, { } accelerator, null, null) => accelerator.Fault() is null,
        (null, null, null, { IsSound: true }, null) => true,
        (null, null, null, null, { Device: not null, Problem: not null }) => true,
        _ => false,
    };
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, IgnoreReadOnlyProperties = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(Measurement))]
internal sealed partial class MeasurementJson : JsonSerializerContext;
