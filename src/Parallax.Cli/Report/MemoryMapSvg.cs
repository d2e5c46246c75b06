using System.Xml.Linq;
using Parallax.Cli.Output;
using static Parallax.Cli.Report.Html;

namespace Parallax.Cli.Report;

/// <summary>The arena over the predicted run: a rectangle a buffer, time to the right, offsets upwards.</summary>
internal static class MemoryMapSvg
{
    private const double Height = 280, AxisHeight = 18;

    internal static XElement Draw(PlanReport plan)
    {
        double end = Math.Max(1e-6, plan.Schedule.PredictedUs), arena = Math.Max(1, plan.Memory.PlannedBytes);
        return Tag("svg.time", At("width", "100%"), At("height", Height + AxisHeight),
            Tag("rect.row", At("x", 0.0), At("y", 0.0), At("width", "100%"), At("height", Height)),
            plan.Memory.Buffers.Where(b => b.Bytes > 0).Select(b => Tag($"g.k{BranchColors.Of(plan.Branches[b.Branch])}", Tip(TipOf(b)),
                Tag("rect.buffer", Percent("x", b.StartUs / end), At("y", Height * (1 - (b.Offset + b.Bytes) / arena)), Percent("width", (b.EndUs - b.StartUs) / end), At("height", Height * b.Bytes / arena)))),
            TimeAxis.Draw(end, Height + AxisHeight));
    }

    private static string TipOf(PlanBuffer b) =>
        $"{b.Name} (B{b.Branch}): {Numbers.Bytes(b.Bytes)} at {Numbers.Bytes(b.Offset)}, {Numbers.Fixed(b.StartUs)} to {Numbers.Fixed(b.EndUs)} us";
}
