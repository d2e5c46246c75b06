using System.Xml.Linq;
using Parallax.Cli.Output;
using static Parallax.Cli.Report.Html;

namespace Parallax.Cli.Report;

/// <summary>The branch graph: a row a layer, a box a branch. Rounds of equal layers are drawn once.</summary>
internal sealed class BranchGraphSvg
{
    private const double BoxWidth = 112, BoxHeight = 24, GapX = 12, GapY = 18, Margin = 12, RoundGap = 26;

    private readonly PlanReport plan;
    private readonly List<LayerRun> runs;
    private readonly int[] shownAs; // by branch: the branch that is drawn for it
    private readonly (double X, double Y)[] place;
    private readonly double width, height;

    internal BranchGraphSvg(PlanReport plan)
    {
        this.plan = plan;
        runs = LayerFolding.Of(plan);
        shownAs = new int[plan.Branches.Length];
        place = new (double, double)[plan.Branches.Length];
        width = Math.Max(1, plan.MaxBranches) * (BoxWidth + GapX) - GapX + 2 * Margin + 64;
        double y = Margin;
        foreach (LayerRun run in runs)
        {
            if (run.Times > 1) y += RoundGap;
            for (int layer = run.First; layer < run.End; layer++)
                for (int i = 0; i < plan.Layers[layer].Length; i++) shownAs[plan.Layers[layer][i]] = plan.Layers[run.First + (layer - run.First) % run.Length][i];
            for (int layer = run.First; layer < run.First + run.Length; layer++, y += BoxHeight + GapY) PlaceLayer(layer, y);
            if (run.Times > 1) y += GapY / 2;
        }
        height = y + Margin;
    }

    internal bool IsFolded => runs.Exists(r => r.Times > 1);

    internal XElement Draw() => Tag("svg.graph", At("width", width), At("height", height), At("viewBox", $"0 0 {Number(width)} {Number(height)}"),
        runs.Where(r => r.Times > 1).SelectMany(Round), Edges(), plan.Branches.Where(b => shownAs[b.Id] == b.Id).Select(Box));

    private void PlaceLayer(int layer, double y)
    {
        int count = plan.Layers[layer].Length;
        double left = (width - 64 - count * (BoxWidth + GapX) + GapX) / 2;
        for (int i = 0; i < count; i++) place[plan.Layers[layer][i]] = (left + i * (BoxWidth + GapX), y);
    }

    private IEnumerable<XElement> Round(LayerRun run)
    {
        double top = place[plan.Layers[run.First][0]].Y - RoundGap + 4, bottom = place[plan.Layers[run.First + run.Length - 1][0]].Y + BoxHeight + 7;
        yield return Tag("rect.round", At("x", 4.0), At("y", top), At("width", width - 8), At("height", bottom - top), At("rx", 8));
        yield return Tag("text.round", At("x", 12.0), At("y", top + 14), $"{run.Times} times the same, layers {run.First} to {run.End - 1}");
    }

    private IEnumerable<XElement> Edges()
    {
        var drawn = new HashSet<(int, int)>();
        foreach (PlanBranch branch in plan.Branches)
            foreach (int predecessor in branch.Predecessors)
            {
                (int from, int to) = (shownAs[predecessor], shownAs[branch.Id]);
                if (plan.Branches[from].Layer >= plan.Branches[to].Layer || !drawn.Add((from, to))) continue;
                yield return Edge(place[from], place[to], plan.Branches[to].Layer - plan.Branches[from].Layer);
            }
    }

    /// <summary>Edges that skip layers swing out to the right of the boxes between.</summary>
    private static XElement Edge((double X, double Y) from, (double X, double Y) to, int span)
    {
        double x1 = from.X + BoxWidth / 2, y1 = from.Y + BoxHeight, x2 = to.X + BoxWidth / 2, y2 = to.Y;
        if (span == 1) return Tag("path.edge", At("d", $"M{Number(x1)} {Number(y1)}C{Number(x1)} {Number(y1 + 12)} {Number(x2)} {Number(y2 - 12)} {Number(x2)} {Number(y2)}"));
        (x1, y1, x2, y2) = (from.X + BoxWidth, from.Y + BoxHeight / 2, to.X + BoxWidth, to.Y + BoxHeight / 2);
        double out1 = Math.Max(x1, x2) + 10 + Math.Min(44, 5 * span);
        return Tag("path.edge.skip", At("d", $"M{Number(x1)} {Number(y1)}C{Number(out1)} {Number(y1 + 10)} {Number(out1)} {Number(y2 - 10)} {Number(x2)} {Number(y2)}"));
    }

    private XElement Box(PlanBranch branch)
    {
        (double x, double y) = place[branch.Id];
        string first = branch.Operators[0].Split(' ')[0], more = branch.Nodes.Length > 1 ? $" +{branch.Nodes.Length - 1}" : "";
        int room = 15 - $"B{branch.Id}".Length - more.Length;
        return Tag($"g.k{BranchColors.Of(branch)}{(branch.Dynamic ? ".dynamic" : "")}", Tip(BranchTip.Of(plan, branch.Id)),
            Tag("rect.box", At("x", x), At("y", y), At("width", BoxWidth), At("height", BoxHeight), At("rx", 6)),
            Tag("text.label", At("x", x + 7), At("y", y + 16), Tag("tspan.id", $"B{branch.Id} "), first.Length > room ? first[..room] : first, more));
    }
}

/// <summary>A branch in some lines.</summary>
internal static class BranchTip
{
    private const int MaxNodes = 8;

    internal static string Of(PlanReport plan, int id)
    {
        PlanBranch b = plan.Branches[id];
        PlanSlot slot = plan.Schedule.Timeline[id];
        string on = slot.Workers == 0 ? b.Device : slot.Workers == 1 ? "1 worker" : $"up to {slot.Workers} workers";
        IEnumerable<string> nodes = b.Nodes.Take(MaxNodes).Select((n, i) => $"{b.Operators[i].Split(' ')[0]} {n}");
        string more = b.Nodes.Length > MaxNodes ? $"\nand {b.Nodes.Length - MaxNodes} more" : "";
        return $"B{id}, layer {b.Layer}, {b.Device}{(b.Dynamic ? ", dynamic" : "")}: {Numbers.Fixed(b.Macs / 1e6)} MMAC, peak {Numbers.Bytes(b.PeakBytes)}, predicted {Numbers.Fixed(b.PredictedUs)} us\n"
            + $"{Numbers.Fixed(slot.StartUs)} to {Numbers.Fixed(slot.EndUs)} us on {on}\n{string.Join('\n', nodes)}{more}";
    }
}
