using System.CommandLine;
using System.Globalization;
using Parallax.Cli.Output;
using Parallax.Planning;

namespace Parallax.Cli.Commands;

/// <summary>The options that most commands share, read once.</summary>
/// <param name="Threads">0: all physical cores.</param>
/// <param name="MemoryBudgetBytes">Null: what is free, less the margin.</param>
/// <param name="Json">Null: output is for people.</param>
internal sealed record CommonSettings(int Threads, ScheduleMode Mode, int Seed, long? MemoryBudgetBytes, double Margin, IReadOnlyDictionary<string, long> Dims,
    IReadOnlyDictionary<string, long[]> Shapes, JsonTarget? Json) : IDisposable
{
    /// <summary>Their backends belong to the settings that were read, not to changed copies of them.</summary>
    internal DeviceSettings Devices { get; init; } = DeviceSettings.CpuOnly;

    internal SchedulePolicy Policy { get; init; } = SchedulePolicy.Latency;

    internal Precision Precision { get; init; } = Precision.Standard;

    /// <summary>Null: this machine's, where there is one.</summary>
    internal string? DeviceProfile { get; init; }

    /// <summary>What holds where the call says nothing.</summary>
    internal static CommonSettings Default { get; } = new(0, ScheduleMode.Auto, 1, null, 0.4, new Dictionary<string, long>(), new Dictionary<string, long[]>(), null);

    internal SessionOptions Session(IReadOnlyDictionary<string, long> dimensions) => new()
    {
        Threads = Threads, Mode = Mode, MemoryBudgetBytes = MemoryBudgetBytes, MemoryMargin = Margin, Dimensions = dimensions, Policy = Policy, DeviceProfile = DeviceProfile,
        Precision = Precision, Backends = Devices.Backends, OffloadAll = Devices.OffloadAll, Exclude = Devices.Exclude, Splits = Devices.Splits, EachForItself = Devices.EachForItself,
    };

    /// <summary>Closes the devices, after all sessions.</summary>
    public void Dispose()
    {
        foreach (Runtime.IBackend backend in Devices.Backends) backend.Dispose();
    }
}

/// <summary>Declares and reads the shared options. Values are read by us, not by the parser, for errors that say what was expected.</summary>
internal static class CommonOptions
{
    private static readonly Option<string> Threads = Text("--threads", "N", "Threads that may work on a run (default: all physical cores).");
    private static readonly Option<string> Seed = Text("--seed", "N", "Seed of the inputs that are not given (default: 1).");
    private static readonly Option<string> Mode = Text("--mode", "auto|parallel|layered|sequential", "How the branches of the graph are scheduled (default: auto).");
    private static readonly Option<string> Policy = Text("--policy", "latency|efficiency", "What the schedule is best at; efficiency leaves out workers that add little (default: latency).");
    private static readonly Option<string> Exactness = Text("--precision", "standard|strict|compact|half", "Whether convolutions may be computed in a transformed domain, within 5e-5 of a layer's largest result (all but strict), factors of products rounded to 16 bits (compact, half), and such products computed in half precision by devices that have it (half; default: standard).");
    private static readonly Option<string> Profile = Text("--device-profile", "FILE|none", "The machine's constants, as calibrate writes them (default: those of this machine, where it was calibrated).");
    private static readonly Option<string> MemoryBudget = Text("--memory-budget", "64MiB|auto", "The most memory that a run's arena may take.");
    private static readonly Option<string> Margin = Text("--margin", "0.4", "Share of the free memory that an automatic budget leaves alone.");
    private static readonly Option<string[]> Dim = Many("--dim", "NAME=VALUE", "The size of a symbolic dimension; may be repeated.");
    private static readonly Option<string[]> Shape = Many("--shape", "INPUT=1x3x640x640", "The shape of an input; may be repeated.");
    private static readonly Option<string> Json = new("--json") { Description = "Machine-readable output; to standard output where no file is named.", HelpName = "FILE", Arity = ArgumentArity.ZeroOrOne };

    internal static void AddTo(Command command)
    {
        foreach (Option option in (Option[])[Threads, Mode, Policy, Exactness, Profile, MemoryBudget, Margin, Dim, Shape, Seed, Json]) command.Options.Add(option);
        DeviceOptions.AddTo(command);
        DeviceOptions.AddPlacementTo(command);
    }

    /// <summary>For commands that run no model: where they print, and on how many threads they work.</summary>
    internal static void AddBasicsTo(Command command)
    {
        command.Options.Add(Threads);
        command.Options.Add(Json);
    }

    internal static void AddJsonTo(Command command) => command.Options.Add(Json);

    internal static Option<string> Text(string name, string value, string description) => new(name) { Description = description, HelpName = value };

    internal static Option<string[]> Many(string name, string value, string description) => new(name) { Description = description, HelpName = value, Arity = ArgumentArity.OneOrMore };

    /// <summary>A model or folder behind <c>--json</c> is the command's argument, not the file to overwrite with JSON.</summary>
    internal static string[] Normalize(string[] args)
    {
        var result = new List<string>();
        for (int i = 0; i < args.Length; i++)
        {
            bool isBare = args[i] == "--json" && (i + 1 == args.Length || args[i + 1].EndsWith(".onnx", StringComparison.OrdinalIgnoreCase)
                || args[i + 1].StartsWith("zoo:", StringComparison.Ordinal) || Directory.Exists(args[i + 1]));
            result.Add(isBare ? "--json=-" : args[i]);
        }
        return [.. result];
    }

    internal static CommonSettings Read(ParseResult parsed)
    {
        double margin = Value(parsed, Margin) is { } share ? Real("--margin", share, 0, 1) : 0.4;
        return new CommonSettings(
            Value(parsed, Threads) is { } threads ? (int)Whole("--threads", threads, 0, 4096) : 0,
            Value(parsed, Mode) is { } mode ? ReadMode(mode) : ScheduleMode.Auto,
            Value(parsed, Seed) is { } seed ? (int)Whole("--seed", seed, int.MinValue, int.MaxValue) : 1,
            Value(parsed, MemoryBudget) is { } budget ? Budget(budget) : null,
            margin,
            Values(parsed, Dim).Select(d => Pair("--dim", d, "NAME=VALUE")).ToDictionaryOnce("--dim", d => d.Name, d => Whole($"--dim {d.Name}", d.Value, 0, long.MaxValue)),
            Values(parsed, Shape).Select(s => Pair("--shape", s, "INPUT=1x3x640x640")).ToDictionaryOnce("--shape", s => s.Name, s => Dims(s.Name, s.Value)),
            parsed.GetResult(Json) is not { Implicit: false } ? null : new JsonTarget(parsed.GetValue(Json) is { Length: > 0 } file and not "-" ? file : null))
        {
            Policy = Value(parsed, Policy) is { } policy ? ReadPolicy(policy) : SchedulePolicy.Latency,
            Precision = Value(parsed, Exactness) is { } precision ? ReadPrecision(precision) : Precision.Standard,
            DeviceProfile = Value(parsed, Profile),
            Devices = DeviceOptions.Read(parsed),
        };
    }

    private static SchedulePolicy ReadPolicy(string policy) => policy switch
    {
        "latency" => SchedulePolicy.Latency,
        "efficiency" => SchedulePolicy.Efficiency,
        _ => throw new InvalidInputException($"--policy must be latency or efficiency, got '{policy}'"),
    };

    private static Precision ReadPrecision(string precision) => precision switch
    {
        "standard" => Precision.Standard,
        "strict" => Precision.Strict,
        "compact" => Precision.Compact,
        "half" => Precision.Half,
        _ => throw new InvalidInputException($"--precision must be standard, strict, compact or half, got '{precision}'"),
    };

    internal static string? Value(ParseResult parsed, Option<string> option) => parsed.GetResult(option) is null ? null : parsed.GetValue(option);

    internal static string[] Values(ParseResult parsed, Option<string[]> option) => parsed.GetResult(option) is null ? [] : parsed.GetValue(option) ?? [];

    internal static long Whole(string what, string text, long min, long max)
    {
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) && value >= min && value <= max) return value;
        string range = max is not (long.MaxValue or int.MaxValue) ? $" from {min} to {max}" : min == int.MinValue ? "" : $" of {min} or more";
        throw new InvalidInputException($"{what} must be a whole number{range}, got '{text}'");
    }

    internal static double Real(string what, string text, double min, double max)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value >= min && value <= max) return value;
        string range = double.IsPositiveInfinity(max) ? $"of {min} or more" : string.Create(CultureInfo.InvariantCulture, $"from {min} to {max}");
        throw new InvalidInputException($"{what} must be a number {range}, got '{text}'");
    }

    internal static (string Name, string Value) Pair(string option, string text, string form)
    {
        // Names may hold '=' themselves; numbers, shapes and most paths do not.
        int at = text.LastIndexOf('=');
        if (at > 0) return (text[..at], text[(at + 1)..]);
        throw new InvalidInputException($"{option} must be {form}, got '{text}'");
    }

    internal static Dictionary<string, TValue> ToDictionaryOnce<TItem, TValue>(this IEnumerable<TItem> items, string option, Func<TItem, string> key, Func<TItem, TValue> value)
    {
        var result = new Dictionary<string, TValue>();
        foreach (TItem item in items)
            if (!result.TryAdd(key(item), value(item))) throw new InvalidInputException($"{option} names '{key(item)}' twice");
        return result;
    }

    private static ScheduleMode ReadMode(string text) => text switch
    {
        "auto" => ScheduleMode.Auto,
        "parallel" => ScheduleMode.Parallel,
        "layered" => ScheduleMode.Layered,
        "sequential" => ScheduleMode.Sequential,
        _ => throw new InvalidInputException($"--mode must be auto, parallel, layered or sequential, got '{text}'"),
    };

    private static long? Budget(string text)
    {
        if (text == "auto") return null;
        (string suffix, long unit)[] units = [("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("B", 1), ("", 1)];
        (string suffix, long factor) = units.First(u => text.EndsWith(u.suffix, StringComparison.OrdinalIgnoreCase));
        if (double.TryParse(text[..^suffix.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double count) && count * factor < long.MaxValue) return (long)(count * factor);
        throw new InvalidInputException($"--memory-budget must be a size such as 64MiB, or auto, got '{text}'");
    }

    private static long[] Dims(string input, string text)
    {
        if (text.Length == 0) return [];
        var dims = new List<long>();
        foreach (string dim in text.Split('x', ','))
            dims.Add(long.TryParse(dim, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value
                : throw new InvalidInputException($"--shape {input} must be numbers with 'x' between them, such as 1x3x640x640, got '{text}'"));
        try
        {
            Parallax.Shape.Count([.. dims]);
        }
        catch (OverflowException)
        {
            throw new InvalidInputException($"--shape {input}={text} has more elements than can be counted");
        }
        return [.. dims];
    }
}
