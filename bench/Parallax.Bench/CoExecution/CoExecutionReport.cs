using System.Globalization;

namespace Parallax.Bench.CoExecution;

/// <summary>The evaluation as tables.</summary>
internal static class CoExecutionReport
{
    /// <summary>What it costs that two sides compute a layer weighs the less the more work it is: from so many million multiply-accumulates to the next number.</summary>
    private static readonly long[] SizesMmac = [0, 30, 100, 300];

    /// <summary>Regret that the mean is to stay within.</summary>
    private const double RegretBar = 0.06;

    private static readonly (string Name, Func<Timing, double> Of)[] Kinds = [("shortest", t => t.MinUs), ("median", t => t.MedianUs)];

    internal static void Print(TextWriter output, IReadOnlyList<LayerTimes> all)
    {
        foreach ((string kind, Func<Timing, double> of) in Kinds)
        {
            output.WriteLine($"{kind} times; the cut is the CPU's part of the channels, after an r of the rows");
            output.WriteLine($"{"network",-21} {"layer",-42} {"MMAC",7} {"runs",5} {"CPU us",9} {"device us",9} {"chosen",7} {"us",9} {"best",6} {"us",9} {"regret",7} {"speed-up",8} {"ideal",6} {"reached",8}");
            foreach (LayerTimes l in all) output.WriteLine(Row(l, of));
            output.WriteLine();
        }
        foreach (LayerFamily family in Enum.GetValues<LayerFamily>())
        {
            LayerTimes[] of = [.. all.Where(l => l.Family == family)];
            if (of.Length > 0) Summarize(output, family, of);
        }
    }

    private static string Row(LayerTimes l, Func<Timing, double> of)
    {
        CutTimes best = l.Grid.MinBy(c => of(c.Measured.All))!;
        return string.Create(CultureInfo.InvariantCulture,
            $"{l.Network,-21} {l.Shape,-42} {l.Macs / 1e6,7:0.0} {l.Runs,5} {of(l.Cpu.Measured.All),9:0} {of(l.Device.Measured.All),9:0} {l.Chosen,7} {of(l.ChosenCut.Measured.All),9:0} {best.Cut,6} {of(best.Measured.All),9:0} {Percent(l.Regret(of)),7} {l.Speedup(of),8:0.00} {l.Ideal(of),6:0.00} {Percent(l.Speedup(of) / l.Ideal(of)),8}");
    }

    private static void Summarize(TextWriter output, LayerFamily family, LayerTimes[] layers)
    {
        output.WriteLine($"{family}: {layers.Length} layers, {layers.Count(l => l.Chosen.IsSplit)} split, {layers.Count(l => l.Chosen.IsSplit && l.Chosen.Axis == OutputAxis.Rows)} of them by rows");
        output.WriteLine($"  {"",-44} {"shortest",10} {"median",10}");
        Line("regret of the chosen cut, geometric mean", of => Percent(Mean(layers, l => 1 + l.Regret(of)) - 1));
        Line("regret, nine in ten within", of => Percent(Quantile(layers, l => l.Regret(of), 0.9)));
        Line($"layers within {RegretBar:0 %}", of => $"{layers.Count(l => l.Regret(of) <= RegretBar)}");
        Line("regret of the grid's cut that is predicted best", of => Percent(Mean(layers, l => l.OverBest(l.Grid.MinBy(c => c.PredictedUs)!, of)) - 1));
        Line("speed-up, geometric mean", of => Ratio(Mean(layers, l => l.Speedup(of))));
        Line("speed-up, best", of => Ratio(layers.Max(l => l.Speedup(of))));
        Line("speed-up of the grid's best, geometric mean", of => Ratio(Mean(layers, l => l.BestSpeedup(of))));
        Line("speed-up of the grid's best, best", of => Ratio(layers.Max(l => l.BestSpeedup(of))));
        LayerTimes[] both = [.. layers.Where(l => l.Over(OutputAxis.Rows, OutputAxis.Channels, Kinds[0].Of) is not null)];
        if (both.Length > 0) Line($"grid's best by rows over by channels, {both.Length} layers", of => Ratio(Mean(both, l => l.Over(OutputAxis.Rows, OutputAxis.Channels, of)!.Value)));
        for (int size = 0; size < SizesMmac.Length; size++)
        {
            long from = SizesMmac[size], to = size + 1 < SizesMmac.Length ? SizesMmac[size + 1] : long.MaxValue;
            LayerTimes[] some = [.. layers.Where(l => l.Macs / 1_000_000 >= from && l.Macs / 1_000_000 < to)];
            if (some.Length == 0) continue;
            string which = $"{some.Length} {(to == long.MaxValue ? $"of {from} MMAC or more" : $"of {from} to {to} MMAC")}";
            Line($"of the ideal reached, {which}", of => Percent(Mean(some, l => l.Speedup(of) / l.Ideal(of))));
            Line($"by the grid's best, {which}", of => Percent(Mean(some, l => l.BestSpeedup(of) / l.Ideal(of))));
        }
        Error("CPU alone", l => [l.Cpu]);
        Error("device alone", l => [l.Device]);
        Error("split", l => l.Cuts[1..^1]);
        output.WriteLine();

        void Line(string what, Func<Func<Timing, double>, string> value) => output.WriteLine($"  {what,-48} {value(Kinds[0].Of),10} {value(Kinds[1].Of),10}");

        void Error(string what, Func<LayerTimes, CutTimes[]> cuts)
        {
            CutTimes[] points = [.. layers.SelectMany(cuts)];
            if (points.Length == 0) return;
            Line($"error of predictions (MAPE), {what}", of => Percent(points.Average(c => Math.Abs(c.PredictedUs / of(c.Measured.All) - 1))));
            Line($"predicted over measured, {what}, median", of => Ratio(Quantile(points, c => c.PredictedUs / of(c.Measured.All), 0.5)));
        }
    }

    private static double Mean<T>(IEnumerable<T> items, Func<T, double> value) => Math.Exp(items.Average(i => Math.Log(value(i))));

    private static double Quantile<T>(IReadOnlyCollection<T> items, Func<T, double> value, double part) => items.Select(value).Order().ElementAt((int)Math.Ceiling(part * items.Count) - 1);

    private static string Percent(double part) => string.Create(CultureInfo.InvariantCulture, $"{100 * part:0.0} %");

    private static string Ratio(double ratio) => string.Create(CultureInfo.InvariantCulture, $"{ratio:0.00}");
}
