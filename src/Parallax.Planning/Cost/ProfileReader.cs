using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Parallax.Planning;

/// <summary>
/// Reads what <see cref="PlanningJson"/> writes, as that would read it: members that are missing have their defaults, those that are not known are passed over, of equal ones the last
/// counts. That would compile hundreds of methods over our types first, in every process that makes a session.
/// </summary>
internal static class ProfileReader
{
    /// <exception cref="ProfileVersionException">The profile is of another version; one that says none is older than versions.</exception>
    internal static DeviceProfile Profile(ProfileValue profile)
    {
        string? machine = profile["machine"].Text();
        int version = profile["version"].Count();
        if (machine is not null && version != DeviceProfile.CurrentVersion)
            throw new ProfileVersionException($"the device profile is of version {version}, this program takes {DeviceProfile.CurrentVersion}");
        return new DeviceProfile(machine!, profile["workers"].Count(), profile["cpu"].Object(Cpu)!, profile["accelerators"].List(a => a.Object(Accelerator)!)) { Version = version };
    }

    private static CostModel Cpu(ProfileValue cpu) => new(
        cpu["rates"].Object(Rates)!,
        cpu["cache"].Object(Rate)!,
        cpu["memory"].Object(Rate)!,
        cpu["cacheBytes"].Number(),
        cpu["stepOverheadUs"].Number(),
        cpu["forkUs"].Number(),
        cpu["dispatchUs"].Number(),
        cpu["predictors"].List(p => p.Object(Predictor)!));

    private static ImmutableSortedDictionary<OpClass, ClassRate> Rates(ProfileValue rates)
    {
        var read = ImmutableSortedDictionary<OpClass, ClassRate>.Empty;
        foreach (string name in rates.Names) read = read.SetItem(Class(name), rates[name].Object(Rate)!);
        return read;
    }

    private static ClassRate Rate(ProfileValue rate) => new(rate["unitsPerSecond"].Number(), rate["parallelFraction"].Number(), Numbers(rate["speedup"]));

    private static AcceleratorModel Accelerator(ProfileValue accelerator) => new(
        accelerator["name"].Text()!,
        accelerator["latencyUs"].Number(),
        accelerator["macsPerSecond"].Number(),
        accelerator["bytesPerSecond"].Number(),
        accelerator["cpuMacsPerSecond"].NumberOrNull(),
        accelerator["minNodes"].Count(1),
        accelerator["minMacs"].Whole(),
        accelerator["maxBytesPerMac"].Number(double.PositiveInfinity),
        accelerator["predictors"].List(p => p.Object(Predictor)!),
        accelerator["sync"].Object(s => new SyncCosts(s["dispatchUs"].Number(), s["toDeviceUs"].Number(), s["toCpuUs"].Number(), s["usPerByte"].Number(), s["launchUs"].Number())),
        accelerator["units"].Count(1),
        accelerator["memoryBytesPerSecond"].NumberOrNull(),
        accelerator["workGroups"].List(g => g.Object(WorkGroup)!))
    {
        Device = accelerator["device"].Text(),
    };

    private static TunedWorkGroup WorkGroup(ProfileValue entry) => new(
        entry["kernel"].Text()!,
        entry["gridX"].Whole(),
        entry["gridY"].Whole(),
        entry["gridZ"].Whole(),
        entry["x"].Count(),
        entry["y"].Count(),
        entry["z"].Count(),
        entry["ruleUs"].Number(),
        entry["tunedUs"].Number());

    private static LatencyPredictor Predictor(ProfileValue predictor) => new(
        Class(predictor["kind"].Text()),
        predictor["dispatchUs"].Number(),
        predictor["minUnits"].Whole(),
        predictor["maxUnits"].Whole(),
        predictor["implementations"].List(i => i.Text()!),
        predictor["base"].Number(),
        predictor["weights"].List(w => (float)w.Digits()),
        predictor["typical"].List(t => (float)t.Digits()),
        Numbers(predictor["costs"]),
        Numbers(predictor["kernelCosts"]),
        predictor["trees"].Object(t => new BoostedTrees(t["roots"].List(r => (int)r.Digits()), Nodes(t["nodes"])))!,
        predictor["accuracy"].Object(a => new PredictorAccuracy(a["samples"].Count(), a["heldOut"].Count(), a["mape"].Number(), a["p90"].Number(), a["assumedMape"].Number()))!);

    private static ImmutableArray<TreeNode> Nodes(ProfileValue nodes)
    {
        ImmutableArray<double> numbers = nodes.List(n => n.Digits());
        if (numbers.IsDefault) return default;
        if (numbers.Length % 3 != 0) throw new JsonException("a tree's nodes are three numbers each");
        var read = new TreeNode[numbers.Length / 3];
        for (int i = 0; i < read.Length; i++) read[i] = new TreeNode((int)numbers[3 * i], (float)numbers[3 * i + 1], (int)numbers[3 * i + 2]);
        return ImmutableCollectionsMarshal.AsImmutableArray(read);
    }

    private static ImmutableArray<double> Numbers(ProfileValue list) => list.List(n => n.Number());

    private static OpClass Class(string? name) => Enum.TryParse(name, out OpClass found) ? found : throw new JsonException($"'{name}' is no class of operators");
}
