using System.Text;
using System.Xml;
using System.Xml.Linq;
using Parallax.Cli.Output;
using Parallax.Planning;
using static Parallax.Cli.Report.Html;

namespace Parallax.Cli.Report;

/// <summary>Plans as one self-contained page: no network, any width, light and dark.</summary>
internal static class HtmlReport
{
    private static readonly XmlWriterSettings Settings = new() { OmitXmlDeclaration = true, Indent = false, Encoding = new UTF8Encoding(false) };

    /// <param name="intro">What comes before the plans.</param>
    internal static void Write(Stream stream, IReadOnlyList<PlanReport> plans, IReadOnlyList<XElement>? intro = null)
    {
        string title = plans.Count == 1 ? $"Plan of {plans[0].Model}" : "Plans of Parallax";
        XElement page = Tag("html", At("lang", "en"),
            Tag("head", Tag("meta", At("charset", "utf-8")), Tag("meta", At("name", "viewport"), At("content", "width=device-width, initial-scale=1")), Tag("title", title), Tag("style", HtmlStyle.Css)),
            Tag("body",
                Tag("main", Tag("h1", title), intro,
                    plans.Count > 1 ? Tag("nav", plans.Select((p, i) => Tag("a", At("href", $"#plan{i}"), p.Model))) : null,
                    plans.Select((p, i) => Plan(p, i, plans.Count > 1))),
                Tag("pre", At("id", "tip"), At("hidden", "hidden")), Tag("script", HtmlStyle.Script)));
        stream.Write("<!DOCTYPE html>\n"u8);
        using var writer = XmlWriter.Create(stream, Settings);
        page.WriteTo(writer);
    }

    private static XElement Plan(PlanReport plan, int index, bool named) => Tag("section.plan", At("id", $"plan{index}"),
        named ? Tag("h2.model", plan.Model) : null, Tiles(plan), Legend(plan), Schedule(plan), Graph(plan), Memory(plan), Joint(plan.Joint), Splits(plan), Regions(plan), Branches(plan), Passes(plan));

    private static XElement Tiles(PlanReport plan)
    {
        (string Value, string Label)[] tiles =
        [
            ($"{plan.Nodes}", "nodes"), ($"{plan.Branches.Length}", "branches"), ($"{plan.Layers.Length}", $"layers, {plan.ParallelLayers} parallel"), ($"{plan.MaxBranches}", "branches side by side"),
            ($"{Numbers.Ms(plan.Schedule.PredictedUs / 1000)} ms", $"predicted, {Numbers.Count(plan.Schedule.Workers, "worker")}"), (Numbers.Bytes(plan.Memory.PlannedBytes), $"arena of {Numbers.Bytes(plan.Memory.NoReuseBytes)}"),
        ];
        return Tag("div.tiles", tiles.Select(t => Tag("div", Tag("b", t.Value), Tag("span", t.Label))));
    }

    private static XElement Legend(PlanReport plan) =>
        Tag("p.legend", plan.Branches.Select(BranchColors.Of).Distinct().Order(StringComparer.Ordinal).Select(c => Tag($"span.k{c}", Tag("i"), BranchColors.Meaning(c))));

    private static XElement Schedule(PlanReport plan) => Tag("section", Tag("h2", "Schedule"),
        Tag("p", Tag("b", $"{plan.Schedule.Mode}. "), plan.Schedule.Why, "."),
        Tag("p.zoom", "Predicted run, and the arena under it: ", ((string[])["1", "4", "16"]).Select(z => Tag("button", At("data-zoom", z), $"{z}x"))),
        Tag("div.scroll.zoomed", Tag("div.inner", Tag("h3", "Workers; paler where they help with another branch all along"), new TimelineSvg(plan).Draw(), Tag("h3", $"Arena, {Numbers.Bytes(plan.Memory.PlannedBytes)}: a rectangle a buffer, offsets upwards"), MemoryMapSvg.Draw(plan))),
        Table(["considered", ">width", ">arena", ">predicted", "budget"], plan.Schedule.Alternatives.Select(a => (object?[])
            [a.Mode.ToString(), a.Width, Numbers.Bytes(a.ArenaBytes), $"{Numbers.Ms(a.PredictedUs / 1000)} ms", a.FitsBudget ? "fits" : "above"])));

    private static XElement Graph(PlanReport plan)
    {
        var graph = new BranchGraphSvg(plan);
        return Tag("section", Tag("h2", "Branches and layers"),
            Tag("p", $"A row is a layer, a box a branch: a chain of nodes that runs as one. {(graph.IsFolded ? "Layers that repeat are drawn once; sizes may differ from round to round. " : "")}"
                + $"Nodes by class: {plan.Classes.Sequential} sequential, {plan.Classes.Splitter} splitter, {plan.Classes.Merger} merger, {plan.Classes.SplitMerge} split-merge, {plan.Classes.ControlFlow} control flow."),
            Tag("div.scroll.tall", graph.Draw()));
    }

    private static XElement Memory(PlanReport plan)
    {
        PlanMemory m = plan.Memory;
        (string Label, long Bytes)[] bars = [("without reuse", m.NoReuseBytes), ("this plan", m.PlannedBytes), ("sequential, greedy by size", m.SequentialGreedyBytes), ("lower bound of this order", m.LowerBoundBytes)];
        double most = Math.Max(1, bars.Max(b => b.Bytes));
        return Tag("section", Tag("h2", "Memory"),
            Tag("div.bars", bars.Select(b => Tag("div", Tag("span", b.Label), Tag("span.track", Tag("i", At("style", $"width:{Number(100 * b.Bytes / most)}%"))), Tag("b", Numbers.Bytes(b.Bytes))))),
            Tag("h3", "The ladder"), Tag("p", "From the freest plan to one branch after another; control edges keep branches from running at once, and save bytes. Times are with one worker a branch."),
            Table([">width", ">arena", ">control edges", ">predicted", "how"], m.Ladder.Select(r => (object?[]) [r.Width, Numbers.Bytes(r.Bytes), r.ControlEdges, $"{Numbers.Ms(r.PredictedUs / 1000)} ms", r.Why])));
    }

    private static XElement? Joint(PlanJoint? joint)
    {
        if (joint is null) return null;
        (string Label, double Us)[] bars = [("the CPU alone", joint.CpuUs), ($"{joint.Device} alone", joint.DeviceUs), ("each operator for itself", joint.EachForItselfUs), ("both together", joint.JointUs), ("this plan", joint.PredictedUs)];
        double most = Math.Max(1e-9, bars.Max(b => b.Us));
        return Tag("section", Tag("h2", $"Shared with {joint.Device}"), Tag("p", $"{joint.Why}."),
            Tag("div.bars", bars.Select(b => Tag("div", Tag("span", b.Label), Tag("span.track", Tag("i", At("style", $"width:{Number(100 * b.Us / most)}%"))), Tag("b", $"{Numbers.Ms(b.Us / 1000)} ms")))),
            Tag("details", Tag("summary", $"All {joint.Operators.Length} operators"), Table([">from us", ">to us", "operator", "side", "why"], joint.Operators.OrderBy(o => o.StartUs).Select(o => (object?[])
                [Numbers.Fixed(o.StartUs), Numbers.Fixed(o.EndUs), o.Name, o.Side == Side.Both ? "both" : o.Side == Side.Cpu ? "CPU" : joint.Device, o.Why]))));
    }

    private static XElement? Splits(PlanReport plan)
    {
        PlanSplit[] splits = SplitTable.Of(plan);
        if (splits.Length == 0) return null;
        bool isMeasured = splits.Any(s => s.MeasuredCpuUs is not null);
        return Tag("section", Tag("h2", "Split layers"),
            Tag("p", $"{Numbers.Count(splits.Length, "layer")} that the CPU and a device compute together, cut along output channels or rows. Times are predicted{(isMeasured ? "; measured are the CPU's part and what it then waited for the device" : "")}."),
            Table(["layer", ">CPU's part", ">CPU us", ">device us", .. isMeasured ? [">measured us"] : (string[])[], "why", "kernels"], splits.Select(s => (object?[])
            [
                Tag("span.name", s.Node), $"{s.Cut} of {s.Extent} {OutputAxes.NameOf(s.Axis)}", Numbers.Fixed(s.PredictedCpuUs), Numbers.Fixed(s.PredictedDeviceUs),
                .. isMeasured ? [s.MeasuredCpuUs is { } us ? $"{Numbers.Fixed(us)} + {Numbers.Fixed(s.MeasuredWaitUs!.Value)}" : ""] : (object?[])[], Tag("span.why", s.Why), Tag("span.name", $"{s.CpuKernel} | {s.DeviceKernel}"),
            ])));
    }

    private static XElement? Regions(PlanReport plan) => plan.Regions.IsEmpty && plan.Unsupported.IsEmpty && plan.Devices.IsEmpty && plan.Arithmetic.IsEmpty ? null : Tag("section", Tag("h2", "Delegate regions"),
        Tag("p", $"{plan.Regions.Count(r => r.Kept)} of {plan.Regions.Length} are kept."),
        plan.Regions.IsEmpty ? null : Table(["", "why", ">operators", ">MMAC", ">boundary", ">CPU", ">offload", "device"], plan.Regions.OrderByDescending(r => r.Macs).Select(r => (object?[])
            [r.Kept ? "kept" : "refused", r.Why, r.Nodes, Numbers.Fixed(r.Macs / 1e6), Numbers.Bytes(r.BoundaryBytes), $"{Numbers.Ms(r.PredictedCpuUs / 1000)} ms", $"{Numbers.Ms(r.PredictedOffloadUs / 1000)} ms", r.Device])),
        plan.Branches.All(b => b.Kernels is null) ? null : Table(["branch", "device", ">predicted us", ">measured us", "kernels"], plan.Branches.Where(b => b.Kernels is not null).Select(b => (object?[])
            [$"B{b.Id}", b.Device, Numbers.Fixed(b.PredictedUs), b.MeasuredUs is { } us ? Numbers.Fixed(us) : "", string.Join(", ", b.Kernels!.Value)])),
        plan.Devices.IsEmpty ? null : Table(["device", "which", "costs", "lost"], plan.Devices.Select(d => (object?[]) [d.Name, d.Description, d.Costs, d.Lost])),
        plan.Arithmetic.IsEmpty ? null : Table(["device", "multiplies in", "why"], plan.Arithmetic.Select(a => (object?[]) [a.Device, a.Type, a.Why])),
        plan.Unsupported.IsEmpty ? null : Table([">nodes", "why an accelerator cannot run them"], plan.Unsupported.Select(u => (object?[]) [u.Value, u.Key])));

    private static XElement Branches(PlanReport plan) => Tag("section", Tag("details", Tag("summary", $"All {plan.Branches.Length} branches and their nodes"),
        Table(["branch", ">layer", ">MMAC", ">peak", ">predicted us", "device", "why", "nodes"], plan.Branches.Select(b => (object?[])
        [
            $"B{b.Id}", b.Layer, Numbers.Fixed(b.Macs / 1e6), Numbers.Bytes(b.PeakBytes), Numbers.Fixed(b.PredictedUs), b.Device, $"{b.Why}{(b.Dynamic ? "; dynamic" : "")}",
            Tag("span.nodes", string.Join("\n", b.Nodes.Select((n, i) => $"{n}: {b.Operators[i]}, {b.Prices[i]}"))),
        ]))));

    private static XElement? Passes(PlanReport plan) => plan.Fusions.All(f => f.Value == 0) ? null : Tag("section", Tag("details", Tag("summary", "What the passes changed"),
        Table(["pass", ">times"], plan.Fusions.Where(f => f.Value > 0).OrderByDescending(f => f.Value).Select(f => (object?[]) [f.Key, f.Value]))));
}
