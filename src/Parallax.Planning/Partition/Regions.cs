using System.Collections.Immutable;
using System.Globalization;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>Grows delegate regions and keeps those that the cost model says win.</summary>
internal static class Regions
{
    /// <summary>What was chosen.</summary>
    /// <param name="All">Every region that was grown.</param>
    /// <param name="RegionOf">By position of a node; -1: none that was kept.</param>
    /// <param name="Unsupported">Why nodes are not supported, counted.</param>
    /// <param name="Joint">What joint planning says; null where it was not asked.</param>
    /// <param name="WorkersOf">By branch, what joint planning gives it; default where it has no say.</param>
    internal sealed record Choice(
        ImmutableArray<Region> All, int[] RegionOf, ImmutableSortedDictionary<string, int> Unsupported, JointOutcome? Joint = null, ImmutableArray<int> WorkersOf = default);

    internal static Choice Choose(NodeTable nodes, PartitionOptions options)
    {
        if (options.Joint is not null && options.Splits.IsEmpty && options.Accelerators is [{ Model: { Sync: not null, KeepsAll: false } } only]) return ChooseJointly(nodes, only, options);
        int[] regionOf = Mapping.Repeat(-1, nodes.Nodes.Length);
        var regions = ImmutableArray.CreateBuilder<Region>();
        var unsupported = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (Node node in options.Splits.IsEmpty ? [] : nodes.Nodes)
        {
            if (!options.Splits.TryGetValue(node.Id, out NodeSplit? split)) continue;
            regionOf[nodes.PositionOf[node.Id.Index]] = regions.Count;
            regions.Add(Halve(nodes, nodes.PositionOf[node.Id.Index], split, options.Cpu));
        }
        foreach (IRegionBackend backend in options.Accelerators)
        {
            bool[] supported = Supported(nodes, backend, regionOf, unsupported);
            foreach (List<int> members in Grow(nodes, [.. supported.Select(s => s ? 0 : -1)], regionOf))
            {
                Region region = Judge(nodes, backend, members, options.Cpu);
                if (region.Kept)
                    foreach (int member in members) regionOf[member] = regions.Count;
                regions.Add(region);
            }
        }
        return new Choice(regions.ToImmutable(), regionOf, unsupported.ToImmutableSortedDictionary(StringComparer.Ordinal));
    }

    private static Choice ChooseJointly(NodeTable nodes, IRegionBackend backend, PartitionOptions options)
    {
        var unsupported = new SortedDictionary<string, int>(StringComparer.Ordinal);
        int[] regionOf = Mapping.Repeat(-1, nodes.Nodes.Length);
        bool[] supported = Supported(nodes, backend, regionOf, unsupported);
        var reasons = unsupported.ToImmutableSortedDictionary(StringComparer.Ordinal);
        if (!supported.Contains(true)) return new Choice([], regionOf, reasons);
        (JointPartition.Layout chosen, JointOutcome outcome) = new JointPartition(nodes, backend, supported, options).Decide();
        return new Choice(chosen.Regions, chosen.RegionOf, reasons, outcome, chosen.WorkersOf);
    }

    private static bool[] Supported(NodeTable nodes, IRegionBackend backend, int[] regionOf, SortedDictionary<string, int> unsupported)
    {
        var supported = new bool[nodes.Nodes.Length];
        for (int i = 0; i < supported.Length; i++)
        {
            if (regionOf[i] >= 0) continue;
            string? whyNot = nodes.IsDynamic(i) ? "a shape is known only at run time" : backend.WhyNot(nodes.Graph, nodes.Nodes[i]);
            supported[i] = whyNot is null;
            if (whyNot is null) continue;
            string key = $"{backend.Name}: {nodes.Nodes[i].Op.Name}: {whyNot}";
            unsupported[key] = unsupported.GetValueOrDefault(key) + 1;
        }
        return supported;
    }

    /// <summary>Regions are grown on the graph in which the regions of earlier accelerators are single items, so that all stay convex together.</summary>
    /// <param name="colour">By position: a region has nodes of one colour only, and none of a negative one.</param>
    internal static IEnumerable<List<int>> Grow(NodeTable nodes, int[] colour, int[] regionOf)
    {
        int count = nodes.Nodes.Length;
        var groupOf = new int[count];
        var first = new Dictionary<int, int>();
        int groups = 0;
        for (int i = 0; i < count; i++)
            if (regionOf[i] < 0) groupOf[i] = groups++;
            else if (first.TryGetValue(regionOf[i], out int group)) groupOf[i] = group;
            else first[regionOf[i]] = groupOf[i] = groups++;
        Dag contracted = nodes.Dag.Contract(groupOf, groups);
        var rank = new int[groups];
        for (int i = 0; i < groups; i++) rank[contracted.Order[i]] = i;
        for (int i = 0; i < count; i++) groupOf[i] = rank[groupOf[i]];
        var groupColour = new int[groups];
        for (int i = 0; i < count; i++) groupColour[groupOf[i]] = colour[i];
        int[] setOf = RegionGrower.Grow(nodes.Dag.Contract(groupOf, groups), groupColour);

        var sets = new SortedDictionary<int, List<int>>();
        for (int i = 0; i < count; i++)
        {
            if (colour[i] < 0) continue;
            if (!sets.TryGetValue(setOf[groupOf[i]], out List<int>? members)) sets[setOf[groupOf[i]]] = members = [];
            members.Add(i);
        }
        return sets.Values;
    }

    private static Region Judge(NodeTable nodes, IRegionBackend backend, List<int> members, CostModel cpu)
    {
        AcceleratorModel model = backend.Model;
        int count = members.Count(m => !nodes.Nodes[m].Op.IsView);
        long macs = members.Sum(m => nodes.Work[m].Macs), boundary = BoundaryBytes(nodes, members);
        double cpuUs = model.CpuMacsPerSecond is { } rate
            ? macs / rate * 1e6
            : members.Sum(m => cpu.PredictUs(nodes.Work[m]));
        double offloadUs = model.PredictUs(members.Select(m => (nodes.Work[m], backend.KernelOf(nodes.Graph, nodes.Nodes[m]))), boundary);
        string? refusal = Refusal(model, count, macs, boundary, cpuUs, offloadUs);
        string why = refusal ?? string.Create(CultureInfo.InvariantCulture, $"{backend.Name} is predicted to take {offloadUs:0.#} us, the CPU {cpuUs:0.#} us{(model.KeepsAll ? "; every region was asked for" : "")}");
        return new Region(backend.Name, [.. members.Select(m => nodes.Nodes[m].Id)], count, macs, boundary, refusal is null, why, cpuUs, offloadUs);
    }

    /// <summary>A region of a joint plan: kept, for that was decided by the time of the whole.</summary>
    internal static Region Planned(NodeTable nodes, IRegionBackend backend, List<int> members, IEnumerable<JointOperator> operators, SyncCosts sync)
    {
        long boundary = BoundaryBytes(nodes, members);
        JointOperator[] all = [.. operators];
        double cpuUs = all.Sum(o => o.CpuUs[0]), offloadUs = sync.DispatchUs + all.Sum(o => o.DeviceUs) + sync.ToCpuUs + sync.UsPerByte * boundary;
        string why = string.Create(CultureInfo.InvariantCulture, $"planned jointly: {backend.Name} is predicted to take {offloadUs:0.#} us, one worker of the CPU {cpuUs:0.#} us");
        return new Region(backend.Name, [.. members.Select(m => nodes.Nodes[m].Id)], all.Length, members.Sum(m => nodes.Work[m].Macs), boundary, Kept: true, why, cpuUs, offloadUs);
    }

    internal static Region Halve(NodeTable nodes, int position, NodeSplit split, CostModel cpu)
    {
        Node node = nodes.Nodes[position];
        StepWork work = nodes.Work[position];
        double bothUs = split.Us(cpu, 1, nodes.Graph, node);
        return new Region(split.Backend, [node.Id], 1, work.Macs, BoundaryBytes(nodes, [position]), Kept: true, split.Why, cpu.PredictUs(work), bothUs) { Split = split };
    }

    private static string? Refusal(AcceleratorModel model, int count, long macs, long boundary, double cpuUs, double offloadUs)
    {
        int minNodes = Math.Max(1, model.MinNodes);
        FormattableString? refusal = null;
        if (model.KeepsAll && count > 0) return null;
        if (count < minNodes) refusal = $"N = {count} operators, at least {minNodes} are asked for";
        else if (macs < model.MinMacs) refusal = $"F = {(double)macs:0.###E+0} multiply-accumulates, at least {(double)model.MinMacs:0.###E+0} are asked for";
        else if (boundary > model.MaxBytesPerMac * macs) refusal = $"B/F = {boundary / (double)Math.Max(1, macs):0.###} bytes per multiply-accumulate, at most {model.MaxBytesPerMac:0.###} are allowed";
        else if (offloadUs >= cpuUs) refusal = $"offloading is predicted to take {offloadUs:0.#} us, the CPU {cpuUs:0.#} us";
        return refusal?.ToString(CultureInfo.InvariantCulture);
    }

    private static long BoundaryBytes(NodeTable nodes, List<int> members)
    {
        var inside = new HashSet<int>(members);
        var crossing = new HashSet<ValueId>();
        foreach (int member in members)
        {
            foreach (ValueId input in nodes.Nodes[member].Inputs)
                if (!input.IsNone && nodes.Graph.Constant(input) is null && !inside.Contains(nodes.Producer(input))) crossing.Add(input);
            foreach (ValueId output in nodes.Nodes[member].Outputs)
                if (!output.IsNone && (nodes.IsOutput(output) || nodes.Graph.Consumers(output).Any(c => !inside.Contains(nodes.PositionOf[c.Index])))) crossing.Add(output);
        }
        return crossing.Sum(nodes.BytesOf);
    }
}
