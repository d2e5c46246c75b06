using System.Xml.Linq;
using static Parallax.Cli.Report.Html;

namespace Parallax.Cli.Report;

/// <summary>The predicted run: a row a worker and a row a device. A branch is drawn in full where it leads, paler where other workers help it.</summary>
internal sealed class TimelineSvg
{
    private const double RowHeight = 22, AxisHeight = 18;
    private const double Epsilon = 1e-6;

    private readonly PlanReport plan;
    private readonly double end;
    private readonly List<(double Start, double End)>[] busy;

    internal TimelineSvg(PlanReport plan)
    {
        this.plan = plan;
        end = Math.Max(Epsilon, plan.Schedule.PredictedUs);
        busy = [.. Enumerable.Range(0, plan.Schedule.Workers).Select(_ => new List<(double, double)>())];
    }

    internal XElement Draw()
    {
        string[] devices = [.. plan.Schedule.Timeline.Where(s => s.Workers == 0).Select(s => plan.Branches[s.Branch].Device).Distinct()];
        var bars = new List<XElement>();
        PlanSlot[] slots = [.. plan.Schedule.Timeline.Where(s => s.EndUs > s.StartUs).OrderBy(s => s.StartUs).ThenBy(s => s.Branch)];
        var lead = new Dictionary<int, int>();
        foreach (PlanSlot slot in slots)
            if (slot.Workers > 0)
            {
                lead[slot.Branch] = TakeLane(slot) ?? 0;
                bars.Add(Bar(slot, lead[slot.Branch], ""));
            }
            else bars.Add(Bar(slot, busy.Length + Array.IndexOf(devices, plan.Branches[slot.Branch].Device), ""));
        foreach (PlanSlot slot in slots)
            for (int helper = 1; helper < slot.Workers; helper++)
                if (TakeLane(slot) is { } lane) bars.Add(Bar(slot, lane, ".help"));
        int rows = busy.Length + devices.Length;
        double height = rows * RowHeight + AxisHeight;
        return Tag("svg.time", At("width", "100%"), At("height", height), Rows(rows, devices), bars, TimeAxis.Draw(end, height));
    }

    private static IEnumerable<XElement> Rows(int rows, string[] devices)
    {
        for (int row = 0; row < rows; row++) yield return Tag("rect.row", At("x", 0.0), At("y", row * RowHeight + 1), At("width", "100%"), At("height", RowHeight - 2), Tip(row < rows - devices.Length ? $"worker {row}" : devices[row - rows + devices.Length]));
    }

    private int? TakeLane(PlanSlot slot)
    {
        for (int lane = 0; lane < busy.Length; lane++)
            if (busy[lane].TrueForAll(b => b.End <= slot.StartUs + Epsilon || b.Start >= slot.EndUs - Epsilon))
            {
                busy[lane].Add((slot.StartUs, slot.EndUs));
                return lane;
            }
        return null;
    }

    private XElement Bar(PlanSlot slot, int row, string style)
    {
        double share = (slot.EndUs - slot.StartUs) / end;
        return Tag($"g.k{BranchColors.Of(plan.Branches[slot.Branch])}{style}", Tip(BranchTip.Of(plan, slot.Branch)),
            Tag("rect.bar", Percent("x", slot.StartUs / end), At("y", row * RowHeight + 2), Percent("width", share), At("height", RowHeight - 4)),
            share > 0.06 && style.Length == 0 ? Tag("text.in", Percent("x", slot.StartUs / end), At("dx", 5), At("y", row * RowHeight + 15), $"B{slot.Branch}") : null);
    }
}

/// <summary>Ticks under a picture whose width is a time.</summary>
internal static class TimeAxis
{
    private const int Ticks = 5;

    internal static IEnumerable<XElement> Draw(double endUs, double height)
    {
        for (int i = 0; i <= Ticks; i++)
        {
            double us = endUs * i / Ticks;
            yield return Tag("text.axis", Percent("x", (double)i / Ticks), At("y", height - 4), At("text-anchor", i == 0 ? "start" : i == Ticks ? "end" : "middle"),
                endUs >= 2000 ? $"{Number(Math.Round(us / 1000, endUs >= 20_000 ? 0 : 1))} ms" : $"{Number(Math.Round(us, endUs >= 20 ? 0 : 1))} us");
        }
    }
}
