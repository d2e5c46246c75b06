using Parallax.Cli.Output;
using Parallax.Planning;

namespace Parallax.Cli.Report;

/// <summary>A plan as tables for a terminal. <see cref="PlanReport.Dump"/> has every node; this has what a reader looks for first.</summary>
internal static class PlanText
{
    private const int MaxRows = 30;

    internal static void Print(TextWriter output, PlanReport plan)
    {
        output.WriteLine($"{plan.Model}: {Numbers.Count(plan.Nodes, "node")}, {Numbers.Count(plan.Branches.Length, "branch")} in {Numbers.Count(plan.Layers.Length, "layer")}, {plan.ParallelLayers} of them parallel, at most {Numbers.Count(plan.MaxBranches, "branch")} side by side");
        NodeClassCounts c = plan.Classes;
        output.WriteLine($"nodes by class: {c.Sequential} sequential, {c.Splitter} splitter, {c.Merger} merger, {c.SplitMerge} split-merge, {c.ControlFlow} control flow");
        if (plan.Fusions.Any(f => f.Value > 0)) output.WriteLine($"fusions: {string.Join(", ", plan.Fusions.Where(f => f.Value > 0).Select(f => $"{f.Key} {f.Value}"))}");

        Head(output, $"Schedule: {plan.Schedule.Mode.ToString().ToLowerInvariant()} on {Numbers.Count(plan.Schedule.Workers, "worker")}, predicted {Numbers.Ms(plan.Schedule.PredictedUs / 1000)} ms. {plan.Schedule.Why}");
        Tables.Print(output, ["considered", ">width", ">arena", ">predicted ms", "budget"], plan.Schedule.Alternatives.Select(a => (string[])
            [a.Mode.ToString().ToLowerInvariant(), $"{a.Width}", Numbers.Bytes(a.ArenaBytes), Numbers.Ms(a.PredictedUs / 1000), a.FitsBudget ? "fits" : "above"]));

        PlanMemory m = plan.Memory;
        Head(output, $"Memory: {Numbers.Bytes(m.PlannedBytes)} planned; {Numbers.Bytes(m.NoReuseBytes)} without reuse, {Numbers.Bytes(m.SequentialGreedyBytes)} sequential, at least {Numbers.Bytes(m.LowerBoundBytes)}");
        Tables.Print(output, [">width", ">arena", ">control edges", ">predicted ms", "how"], m.Ladder.Select(r => (string[])
            [$"{r.Width}", Numbers.Bytes(r.Bytes), $"{r.ControlEdges}", Numbers.Ms(r.PredictedUs / 1000), r.Why]));

        Joint(output, plan.Joint);
        Regions(output, plan);
        SplitTable.Print(output, plan.Model, SplitTable.Of(plan));
        Branches(output, plan);
    }

    private static void Joint(TextWriter output, PlanJoint? joint)
    {
        if (joint is null) return;
        int split = joint.Operators.Count(o => o.Side == Side.Both), there = joint.Operators.Count(o => o.Side == Side.Device);
        Head(output, $"Shared with {joint.Device}: {Numbers.Count(there, "operator")} of {joint.Operators.Length} there, {split} split, predicted {Numbers.Ms(joint.PredictedUs / 1000)} ms. {joint.Why}");
        IEnumerable<PlanOperator> longest = joint.Operators.OrderByDescending(o => o.EndUs - o.StartUs).Take(MaxRows).OrderBy(o => o.StartUs);
        Tables.Print(output, [">from us", ">to us", "operator", "why"], longest.Select(o => (string[])[Numbers.Fixed(o.StartUs), Numbers.Fixed(o.EndUs), o.Name, o.Why]));
        More(output, joint.Operators.Length, "operators");
    }

    private static void Regions(TextWriter output, PlanReport plan)
    {
        foreach (PlanArithmetic arithmetic in plan.Arithmetic) output.WriteLine(arithmetic);
        if (plan.Regions.IsEmpty && plan.Unsupported.IsEmpty && plan.Devices.IsEmpty) return;
        Head(output, $"Delegate regions: {plan.Regions.Count(r => r.Kept)} of {plan.Regions.Length} kept");
        if (!plan.Regions.IsEmpty)
            Tables.Print(output, ["device", ">operators", ">MMAC", ">boundary", ">CPU ms", ">offload ms", "", "why"],
                plan.Regions.OrderByDescending(r => r.Macs).Take(MaxRows).Select(r => (string[])
                [r.Device, $"{r.Nodes}", Numbers.Fixed(r.Macs / 1e6), Numbers.Bytes(r.BoundaryBytes), Numbers.Ms(r.PredictedCpuUs / 1000), Numbers.Ms(r.PredictedOffloadUs / 1000), r.Kept ? "kept" : "refused", r.Why]));
        More(output, plan.Regions.Length, "regions");
        PlanBranch[] offloaded = [.. plan.Branches.Where(b => b.Kernels is not null && b.Split is null)];
        if (offloaded.Length > 0)
            Tables.Print(output, ["branch", "device", ">predicted us", ">measured us", "kernels"], offloaded.Take(MaxRows).Select(b => (string[])
                [$"B{b.Id}", b.Device, Numbers.Fixed(b.PredictedUs), b.MeasuredUs is { } us ? Numbers.Fixed(us) : "", string.Join(", ", b.Kernels!.Value)]));
        foreach (PlanDevice device in plan.Devices) output.WriteLine($"device {device.Name}: {device.Description}; {device.Costs}{(device.Lost is null ? "" : $"; lost: {device.Lost}")}");
        foreach ((string reason, int count) in plan.Unsupported) output.WriteLine($"not supported: {count} x {reason}");
    }

    private static void Branches(TextWriter output, PlanReport plan)
    {
        bool isCut = plan.Branches.Length > MaxRows;
        int learned = plan.Branches.Sum(b => b.Prices.Count(p => p.By == PriceSource.Predictor));
        Head(output, isCut ? $"Branches: the {MaxRows} longest" : "Branches");
        IEnumerable<PlanBranch> shown = isCut ? plan.Branches.OrderByDescending(b => b.PredictedUs).Take(MaxRows) : plan.Branches;
        Tables.Print(output, ["branch", ">layer", "device", ">nodes", ">MMAC", ">peak", ">predicted us", "", "from", "to"], shown.Select(b => (string[])
            [$"B{b.Id}", $"{b.Layer}", b.Device, $"{b.Nodes.Length}", Numbers.Fixed(b.Macs / 1e6), Numbers.Bytes(b.PeakBytes), Numbers.Fixed(b.PredictedUs), b.Dynamic ? "dynamic" : "", b.Nodes[0], b.Nodes[^1]]));
        More(output, plan.Branches.Length, "branches");
        output.WriteLine($"times: {Numbers.Count(learned, "node")} by predictors, {Numbers.Count(plan.Nodes - learned, "node")} by constants");
    }

    private static void Head(TextWriter output, string text)
    {
        output.WriteLine();
        output.WriteLine(text);
    }

    private static void More(TextWriter output, int count, string what)
    {
        if (count > MaxRows) output.WriteLine($"... and {count - MaxRows} more {what}; --json and --html have all");
    }
}
