namespace Parallax.OpenCL;

/// <summary>How a device is used. Immutable.</summary>
public sealed record ClBackendOptions
{
    /// <summary>How memory is shared; null for the best way that the device has. Any device takes <see cref="ClSharing.Copied"/>.</summary>
    public ClSharing? Sharing { get; init; }

    /// <summary>
    /// Whether every tensor that a kernel is handed is checked to lie in memory that the device was given. Some drivers take any address; a mistake that they
    /// would hide then ends the run. For finding errors.
    /// </summary>
    public bool Strict { get; init; }

    /// <summary>What plans and warnings call the device; null for "opencl", followed by ":" and its number where it is not the first of <see cref="ClDevice.All"/>.</summary>
    public string? Name { get; init; }
}
