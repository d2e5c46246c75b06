using Parallax.Cli.Output;
using Parallax.Planning;

namespace Parallax.Cli.Report;

/// <summary>Layers that the CPU and a device compute together: where they are cut, what each side was predicted to take and took, and why.</summary>
internal static class SplitTable
{
    private const int MaxRows = 30;

    private static readonly string[] Columns =
        ["layer", "cut", ">CPU's part", ">of", ">predicted CPU us", ">predicted device us", ">measured CPU us", ">then waited us", "CPU's kernel", "device's kernel", "why"];

    /// <summary>The split layers of a plan.</summary>
    internal static PlanSplit[] Of(PlanReport plan) => [.. plan.Branches.Select(b => b.Split).OfType<PlanSplit>()];

    private static string[] Row(PlanSplit split) =>
    [
        split.Node, OutputAxes.NameOf(split.Axis), $"{split.Cut}", $"{split.Extent}", Numbers.Fixed(split.PredictedCpuUs), Numbers.Fixed(split.PredictedDeviceUs), Us(split.MeasuredCpuUs), Us(split.MeasuredWaitUs),
        split.CpuKernel, split.DeviceKernel, split.Why,
    ];

    /// <summary>The longest of them; nothing where no layer is split.</summary>
    internal static void Print(TextWriter output, string model, IReadOnlyList<PlanSplit> splits)
    {
        if (splits.Count == 0) return;
        output.WriteLine();
        output.WriteLine($"{model}: layers that the CPU and a device compute together: {splits.Count}");
        Tables.Print(output, Columns, splits.OrderByDescending(s => Math.Max(s.PredictedCpuUs, s.PredictedDeviceUs)).Take(MaxRows).Select(Row));
        if (splits.Count > MaxRows) output.WriteLine($"... and {splits.Count - MaxRows} more; --json has all");
    }

    private static string Us(double? us) => us is { } known ? Numbers.Fixed(known) : "";
}
