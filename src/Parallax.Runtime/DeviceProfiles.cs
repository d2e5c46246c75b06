using System.Collections.Concurrent;
using Parallax.Planning;
using Parallax.Runtime.Cpu;

namespace Parallax;

/// <summary>A device profile and where it comes from.</summary>
/// <param name="Path">The file; null where the constants are assumed.</param>
/// <param name="Note">Which profile it is and why, for people.</param>
public sealed record LoadedProfile(DeviceProfile Profile, string? Path, string Note);

/// <summary>Finds and keeps device profiles. A file is read once in a process while it does not change. Thread-safe.</summary>
public static class DeviceProfiles
{
    /// <summary>Names the assumed constants, as an option and in <c>PARALLAX_PROFILE</c>.</summary>
    public const string None = "none";

    private const string Variable = "PARALLAX_PROFILE";

    private static readonly ConcurrentDictionary<(string Path, DateTime Written), DeviceProfile> Known = [];

    /// <summary>Identifies this machine in a profile.</summary>
    public static string Machine => Processor.Identity;

    /// <summary>Where the profile is looked for and written: <c>$PARALLAX_PROFILE</c>, else in the user's folder for caches; null where there is none.</summary>
    public static string? DefaultPath => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named
        ? named == None ? null : named
        : CacheFolder.Path is { } folder ? Path.Combine(folder, "profile.json") : null;

    /// <summary>
    /// The profile that an option names: a file, which is taken as it is; null, the one at <see cref="DefaultPath"/> where it is this machine's; or <see cref="None"/>.
    /// </summary>
    /// <exception cref="InvalidInputException">The named file is missing, or a file that is there is no device profile.</exception>
    public static LoadedProfile Load(string? option)
    {
        if (option == None) return Assumed("none was asked for");
        if (option is not null)
        {
            DeviceProfile asked = Read(option) ?? throw new InvalidInputException($"{option}: no such device profile; 'parallax calibrate --output {option}' makes one");
            return new LoadedProfile(asked, option, asked.Machine == Machine ? "measured on this machine" : $"measured on another machine: {asked.Machine}");
        }
        return AtDefault(DefaultPath);
    }

    /// <summary>The profile at the default place, where it is one for this machine and this program.</summary>
    internal static LoadedProfile AtDefault(string? path)
    {
        if (path is null) return Assumed("there is no place for one");
        DeviceProfile? found;
        try
        {
            found = Read(path);
        }
        catch (InvalidInputException e) when (e.InnerException is ProfileVersionException)
        {
            return Assumed($"{e.Message}, and is ignored");
        }
        if (found is null) return Assumed($"no {path}; 'parallax calibrate' makes it");
        return found.Machine == Machine
            ? new LoadedProfile(found, path, "measured on this machine")
            : Assumed($"{path} was measured on another machine and is ignored: {found.Machine}");
    }

    private static LoadedProfile Assumed(string why) => new(DeviceProfile.Default, null, $"assumed constants: {why}");

    /// <summary>Null where there is no file.</summary>
    private static DeviceProfile? Read(string path)
    {
        try
        {
            if (!File.Exists(path)) return Directory.Exists(path) ? throw new InvalidInputException($"{path}: is a folder, not a device profile") : null;
            (string, DateTime) key = (Path.GetFullPath(path), File.GetLastWriteTimeUtc(path));
            if (Known.TryGetValue(key, out DeviceProfile? known)) return known;
            return Known[key] = DeviceProfile.FromJson(File.ReadAllText(path));
        }
        catch (ParallaxException e) when (!e.Message.StartsWith(path, StringComparison.Ordinal))
        {
            throw new InvalidInputException($"{path}: {e.Message}; 'parallax calibrate' makes it anew", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be read: {e.Message}", e);
        }
    }
}
