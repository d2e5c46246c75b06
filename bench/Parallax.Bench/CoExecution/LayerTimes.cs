namespace Parallax.Bench.CoExecution;

/// <summary>The shortest and the middle time of many runs, in microseconds.</summary>
internal sealed record Timing(double MinUs, double MedianUs);

/// <summary>One way to share a layer, measured and predicted.</summary>
/// <param name="Cut">The CPU computes the channels before it, the device the others: all with the CPU is the CPU alone, 0 the device alone.</param>
/// <param name="PredictedCpuUs">Of the CPU's part, as the predictors say, nothing added for what they may err by; 0 where it has none.</param>
/// <param name="PredictedDeviceUs">Of the device's part likewise, with what it costs to start the device and to see that it has ended.</param>
internal sealed record CutTimes(long Cut, Timing Measured, double PredictedCpuUs, double PredictedDeviceUs)
{
    internal double PredictedUs => Math.Max(PredictedCpuUs, PredictedDeviceUs);
}

/// <summary>What was measured and predicted of one layer.</summary>
/// <param name="Chosen">The cut that the planner chose for the layer alone.</param>
/// <param name="Cuts">All that were measured, the chosen one included; the device alone first, the CPU alone last.</param>
/// <param name="OnGrid">By cut, whether the exhaustive grid has it.</param>
internal sealed record LayerTimes(string Network, LayerFamily Family, string Shape, long Macs, long Channels, long Chosen, CutTimes[] Cuts, bool[] OnGrid, int Runs)
{
    internal CutTimes Device => Cuts[0];

    internal CutTimes Cpu => Cuts[^1];

    internal CutTimes ChosenCut => Cuts.Single(c => c.Cut == Chosen);

    /// <summary>The faster of the two sides alone.</summary>
    internal double SingleUs(Func<Timing, double> of) => Math.Min(of(Device.Measured), of(Cpu.Measured));

    /// <summary>The shortest time of all cuts of the grid.</summary>
    internal double BestUs(Func<Timing, double> of) => Cuts.Where((_, i) => OnGrid[i]).Min(c => of(c.Measured));

    /// <summary>The time of the chosen cut over the grid's best, less 1: below 0 where it lies between the grid's cuts and is better.</summary>
    internal double Regret(Func<Timing, double> of) => of(ChosenCut.Measured) / BestUs(of) - 1;

    internal double Speedup(Func<Timing, double> of) => SingleUs(of) / of(ChosenCut.Measured);

    /// <summary>The speed-up of the grid's best cut.</summary>
    internal double BestSpeedup(Func<Timing, double> of) => SingleUs(of) / BestUs(of);

    /// <summary>The speed-up were both sides' rates added: 1 + slower rate / faster rate.</summary>
    internal double Ideal(Func<Timing, double> of) => 1 + SingleUs(of) / Math.Max(of(Device.Measured), of(Cpu.Measured));
}
