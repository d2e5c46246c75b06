using System.Collections.Immutable;
using System.CommandLine;
using Parallax.OpenCL;
using Parallax.Planning;
using Parallax.Runtime;

namespace Parallax.Cli.Commands;

/// <summary>What <c>--device</c> and the options beside it ask for.</summary>
/// <param name="OffloadAll">Whether devices get all that they can compute, or what is predicted to be faster there.</param>
internal sealed record DeviceSettings(ImmutableArray<IBackend> Backends, bool OffloadAll, ImmutableArray<string> Exclude)
{
    internal static DeviceSettings CpuOnly { get; } = new([], false, []);

    internal ImmutableArray<LayerSplit> Splits { get; init; } = [];

    /// <summary>As <see cref="SessionOptions.EachForItself"/>.</summary>
    internal bool EachForItself { get; init; }
}

/// <summary>Declares and reads the options that say where work is done, and opens the devices. OpenCL is not touched unless the call asks for it.</summary>
internal static class DeviceOptions
{
    private const string OpenCl = "opencl";

    private static readonly Option<string> Device = CommonOptions.Text("--device", "cpu|opencl|auto",
        "Where the work is done: on the CPU; all that it can compute on an OpenCL device (opencl:N for the one that 'devices' numbers so); or what is predicted to be faster there, where there is one (default: cpu).");
    private static readonly Option<string> Sharing = CommonOptions.Text("--opencl-sharing", "atomics|fine|copied", "How memory is shared with an OpenCL device (default: the best way that it has).");
    private static readonly Option<string[]> Exclude = CommonOptions.Many("--exclude", "NODE_OR_OP", "A node, or an operator such as Conv, that stays on the CPU; may be repeated.");
    private static readonly Option<string[]> Split = CommonOptions.Many("--split", "[NODE_OR_OP=]SHARE[:rows]",
        "Convolutions and products that the CPU and the device compute together, and the CPU's share of their output channels, between 0 and 1, or with :rows of the rows of products and images; without a name all that can be split; may be repeated.");

    internal static void AddTo(Command command)
    {
        command.Options.Add(Device);
        command.Options.Add(Sharing);
    }

    /// <summary>For commands that run models: what the devices get of one.</summary>
    internal static void AddPlacementTo(Command command)
    {
        command.Options.Add(Exclude);
        command.Options.Add(Split);
    }

    internal static DeviceSettings Read(ParseResult parsed)
    {
        ImmutableArray<string> exclude = [.. CommonOptions.Values(parsed, Exclude)];
        ImmutableArray<LayerSplit> splits = [.. CommonOptions.Values(parsed, Split).Select(ReadSplit)];
        string device = CommonOptions.Value(parsed, Device) ?? "cpu";
        if (device == "cpu" && !splits.IsEmpty) throw new InvalidInputException($"--split takes a device beside the CPU: --device {OpenCl} or auto");
        return (device == "cpu" ? DeviceSettings.CpuOnly : ReadOpenCl(device, CommonOptions.Value(parsed, Sharing), parsed.InvocationConfiguration.Error)) with { Exclude = exclude, Splits = splits };
    }

    private static LayerSplit ReadSplit(string text)
    {
        int at = text.LastIndexOf('=');
        string share = text[(at + 1)..];
        OutputAxis? axis = Enum.GetValues<OutputAxis>().Cast<OutputAxis?>().FirstOrDefault(a => share.EndsWith($":{OutputAxes.NameOf(a!.Value)}", StringComparison.Ordinal));
        return new LayerSplit(at < 0 ? LayerSplit.All : text[..at], CommonOptions.Real("--split", axis is null ? share : share[..share.LastIndexOf(':')], 0, 1)) { Axis = axis };
    }

    /// <summary>Apart from <see cref="Read"/>, so that a call that stays on the CPU does not even load the library.</summary>
    private static DeviceSettings ReadOpenCl(string device, string? way, TextWriter error)
    {
        ClSharing? sharing = way is null ? null : ReadSharing(way);
        if (device == "auto") return new DeviceSettings(TryOpen(sharing, error), OffloadAll: false, []);
        if (device == OpenCl || device.StartsWith($"{OpenCl}:", StringComparison.Ordinal)) return new DeviceSettings([Open(device, sharing)], OffloadAll: true, []);
        throw new InvalidInputException($"--device must be cpu, {OpenCl}, {OpenCl}:N or auto, got '{device}'");
    }

    private static ImmutableArray<IBackend> TryOpen(ClSharing? sharing, TextWriter error)
    {
        if (ClBackend.Preferred is not { } device) return [];
        try
        {
            return [Open(device, sharing)];
        }
        catch (DeviceException e)
        {
            error.WriteLine($"parallax: {device} is left out: {e.Message}");
            return [];
        }
    }

    private static ClBackend Open(string name, ClSharing? sharing)
    {
        if (ClDevice.All.IsEmpty) throw new InvalidInputException($"--device {name}: there is no OpenCL device on this machine");
        if (name == OpenCl) return Open(ClBackend.Preferred!, sharing);
        int number = (int)CommonOptions.Whole($"--device {OpenCl}:N", name[(OpenCl.Length + 1)..], 0, ClDevice.All.Length - 1);
        return Open(ClDevice.All[number], sharing);
    }

    private static ClBackend Open(ClDevice device, ClSharing? sharing)
    {
        if (sharing is { } way && !device.Supports(way)) throw new InvalidInputException($"--opencl-sharing {NameOf(way)}: {device} has no such memory");
        return ClBackend.Open(device, new ClBackendOptions { Sharing = sharing });
    }

    /// <summary>As <c>--opencl-sharing</c> calls it.</summary>
    internal static string NameOf(ClSharing sharing) => sharing switch
    {
        ClSharing.FineGrainedAtomics => "atomics",
        ClSharing.FineGrained => "fine",
        _ => "copied",
    };

    private static ClSharing ReadSharing(string text) => Enum.GetValues<ClSharing>().Cast<ClSharing?>().FirstOrDefault(s => NameOf(s!.Value) == text)
        ?? throw new InvalidInputException($"--opencl-sharing must be {string.Join(", ", Enum.GetValues<ClSharing>().Select(NameOf))}, got '{text}'");
}
