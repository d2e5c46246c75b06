using System.Globalization;
using Parallax.Runtime;

namespace Parallax.Bench.CoExecution;

/// <summary>The shortest and the middle time of many runs, in microseconds.</summary>
internal sealed record Timing(double MinUs, double MedianUs)
{
    internal static Timing Of(IEnumerable<double> us)
    {
        double[] all = [.. us];
        return new Timing(all.Min(), RunProfile.Median(all));
    }
}

/// <summary>What runs of a way took.</summary>
/// <param name="Halves">Of every second run, and of the others: two measurements that know nothing of each other.</param>
internal sealed record RunTimes(Timing All, Timing[] Halves);

/// <summary>A way to share a layer: the CPU computes the channels or rows before a cut, the device the others.</summary>
/// <param name="Cut">0 is the device alone, the whole extent the CPU alone.</param>
internal readonly record struct LayerCut(OutputAxis Axis, long Cut, long Extent)
{
    internal static LayerCut OnDevice { get; } = new(OutputAxis.Channels, 0, 1);

    internal static LayerCut OnCpu { get; } = new(OutputAxis.Channels, 1, 1);

    internal bool IsSplit => Cut > 0 && Cut < Extent;

    internal OutputPart OfCpu => new(0, Cut, Axis);

    internal OutputPart OfDevice => new(Cut, Extent - Cut, Axis);

    /// <summary>The CPU's share, after an r where rows are cut.</summary>
    public override string ToString() => this == OnDevice ? "device" : this == OnCpu ? "CPU" : string.Create(CultureInfo.InvariantCulture, $"{(Axis == OutputAxis.Rows ? "r " : "")}{Cut / (double)Extent:0.00}");
}

/// <summary>One way to share a layer, measured and predicted.</summary>
/// <param name="PredictedCpuUs">Of the CPU's part, as the predictors say, after starting the device's, nothing added for what they may err by; 0 where it has none.</param>
/// <param name="PredictedDeviceUs">Of the device's part likewise, with what it costs to start the device and to see that it has ended.</param>
internal sealed record CutTimes(LayerCut Cut, RunTimes Measured, double PredictedCpuUs, double PredictedDeviceUs)
{
    internal double PredictedUs => Math.Max(PredictedCpuUs, PredictedDeviceUs);
}

/// <summary>What was measured and predicted of one layer.</summary>
/// <param name="Chosen">What the planner chose for the layer alone.</param>
/// <param name="Cuts">All that were measured, the chosen one included; the device alone first, the CPU alone last.</param>
/// <param name="OnGrid">By cut, whether the exhaustive grid has it.</param>
internal sealed record LayerTimes(string Network, LayerFamily Family, string Shape, long Macs, LayerCut Chosen, CutTimes[] Cuts, bool[] OnGrid, int Runs)
{
    internal CutTimes Device => Cuts[0];

    internal CutTimes Cpu => Cuts[^1];

    /// <summary>All that the exhaustive grid has.</summary>
    internal IEnumerable<CutTimes> Grid => Cuts.Where((_, i) => OnGrid[i]);

    internal CutTimes ChosenCut => Cuts.Single(c => c.Cut == Chosen);

    /// <summary>The faster of the two sides alone.</summary>
    internal double SingleUs(Func<Timing, double> of) => Math.Min(of(Device.Measured.All), of(Cpu.Measured.All));

    /// <summary>A cut's time over that of the grid's best: below 1 where it lies between the grid's cuts and is better.</summary>
    internal double OverBest(CutTimes cut, Func<Timing, double> of) => OverBest(cut, of, _ => true)!.Value;

    /// <summary>
    /// A cut's time over that of the best of some of the grid's cuts; null where there are none of them. The best of many noisy times is too good: so it is looked for in one half of the runs, and both times
    /// are of the other half; the geometric mean of both ways.
    /// </summary>
    internal double? OverBest(CutTimes cut, Func<Timing, double> of, Func<CutTimes, bool> isOne)
    {
        CutTimes[] some = [.. Grid.Where(isOne)];
        if (some.Length == 0) return null;
        return Math.Sqrt(Over(0, 1) * Over(1, 0));

        double Over(int found, int judged) => of(cut.Measured.Halves[judged]) / of(some.MinBy(c => of(c.Measured.Halves[found]))!.Measured.Halves[judged]);
    }

    /// <summary>The best of the grid's cuts along an axis, the sides alone left out, over the best along another; null where there is none.</summary>
    internal double? Over(OutputAxis axis, OutputAxis other, Func<Timing, double> of) =>
        OverBest(Cpu, of, c => c.Cut.IsSplit && c.Cut.Axis == other) / OverBest(Cpu, of, c => c.Cut.IsSplit && c.Cut.Axis == axis);

    internal double Regret(Func<Timing, double> of) => OverBest(ChosenCut, of) - 1;

    internal double Speedup(Func<Timing, double> of) => SingleUs(of) / of(ChosenCut.Measured.All);

    /// <summary>The speed-up of the grid's best cut.</summary>
    internal double BestSpeedup(Func<Timing, double> of) => Math.Min(OverBest(Device, of), OverBest(Cpu, of));

    /// <summary>The speed-up were both sides' rates added: 1 + slower rate / faster rate.</summary>
    internal double Ideal(Func<Timing, double> of) => 1 + SingleUs(of) / Math.Max(of(Device.Measured.All), of(Cpu.Measured.All));
}
