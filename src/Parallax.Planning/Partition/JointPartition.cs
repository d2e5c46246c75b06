using System.Collections.Immutable;
using System.Globalization;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>What joint planning decided about a graph, and by which numbers. Times are predicted for the whole graph, run as branches and regions.</summary>
/// <param name="Backend">The device beside the CPU.</param>
/// <param name="PredictedUs">Of what was chosen.</param>
/// <param name="CpuUs">Everything on the CPU.</param>
/// <param name="DeviceUs">Everything on the device, but for what it cannot run.</param>
/// <param name="EachForItselfUs">Every operator where it alone would be fastest.</param>
/// <param name="JointUs">The best that the search found, chosen or not.</param>
/// <param name="Evaluations">Schedules that the search looked at.</param>
/// <param name="Placements">By operator; times as if each operator ran for itself, and not as a part of a region.</param>
public sealed record JointOutcome(
    string Backend, double PredictedUs, double CpuUs, double DeviceUs, double EachForItselfUs, double JointUs, int Evaluations, string Why, ImmutableArray<JointPlacement> Placements);

/// <summary>
/// Shares the nodes of a graph between the CPU and one device by the predicted time of the whole: the joint plan of its operators is laid out as regions, and taken where
/// these, run as a schedule runs them, end earlier by a margin than the faster of the two alone.
/// </summary>
internal sealed class JointPartition
{
    /// <summary>The part of the time that must be saved, where predictions are better than that.</summary>
    private const double MinMargin = 0.03;

    /// <summary>Of what it costs to start a region and to see its end: that depends on whether a driver sleeps and on what else a processor does.</summary>
    private const double ErrorOfSync = 0.5;

    private readonly NodeTable nodes;
    private readonly IRegionBackend backend;
    private readonly SyncCosts sync;
    private readonly bool[] supported;
    private readonly PartitionOptions options;
    private readonly JointGraph graph;

    /// <param name="supported">By position, whether the device can run the node.</param>
    internal JointPartition(NodeTable nodes, IRegionBackend backend, bool[] supported, PartitionOptions options)
    {
        (this.nodes, this.backend, this.supported, this.options) = (nodes, backend, supported, options);
        sync = backend.Model.Sync ?? throw new ArgumentException($"nobody measured what it costs to synchronize with {backend.Name}");
        graph = new JointGraph(nodes, backend, sync, supported, options);
    }

    /// <summary>Regions and split nodes, and how long the whole is predicted to take.</summary>
    /// <param name="RegionOf">By position; -1 on the CPU.</param>
    /// <param name="WorkersOf">By branch, what the joint plan gives it; default where the schedule does better without.</param>
    internal sealed record Layout(JointChoice[] Choices, ImmutableArray<Region> Regions, int[] RegionOf, double Us, ImmutableArray<int> WorkersOf);

    internal (Layout Chosen, JointOutcome Outcome) Decide()
    {
        JointProblem problem = graph.Problem;
        Layout cpu = Lay(JointStarts.OnCpu(problem), asPlanned: false), device = Lay(JointStarts.OnDevice(problem), asPlanned: false);
        Layout each = Lay(JointStarts.EachForItself(problem), asPlanned: true);
        if (options.Joint is { EachForItself: true }) return (each, Outcome(each, each, evaluations: 0, "each operator is where it alone is predicted to be fastest"));
        JointPlan plan = JointPlanner.Plan(problem, options.Joint);
        Layout joint = Lay(plan);
        int evaluations = plan.Evaluations;
        if (ExpectedUs(each) < ExpectedUs(joint)) joint = each;
        if (joint.Choices.Any(c => c.Side == Side.Both))
        {
            JointPlan whole = JointPlanner.Plan(problem with { Operators = [.. problem.Operators.Select(o => o with { Axes = [] })] }, options.Joint);
            evaluations += whole.Evaluations;
            if (Lay(whole) is var unsplit && unsplit.Us - ExpectedUs(joint) <= MarginUs(joint, unsplit)) joint = unsplit;
        }
        Layout single = cpu.Us <= device.Us ? cpu : device;
        double expectedUs = ExpectedUs(joint), marginUs = MarginUs(joint, single);
        Layout chosen = single.Us - expectedUs > marginUs ? joint : single;
        string alone = single == cpu ? "the CPU" : backend.Name;
        string why = string.Create(CultureInfo.InvariantCulture,
            $"the CPU alone is predicted to take {cpu.Us:0.#} us, {backend.Name} {device.Us:0.#} us, each operator for itself {each.Us:0.#} us, both together {joint.Us:0.#} us, or {expectedUs:0.#} us where one side of a split layer is late: "
            + $"{(chosen == single ? $"{alone} alone, for both together do not save the {marginUs:0.#} us by which predictions may be off" : $"both together, which saves more over {alone} alone than the {marginUs:0.#} us by which predictions may be off")}");
        return (chosen, Outcome(chosen, joint, evaluations, why));

        JointOutcome Outcome(Layout taken, Layout found, int evaluations, string why) =>
            new(backend.Name, taken.Us, cpu.Us, device.Us, each.Us, found.Us, evaluations, why, JointPlanner.Place(problem, taken.Choices));
    }

    /// <summary>The time to be expected, which is longer than the predicted one where layers are split.</summary>
    private double ExpectedUs(Layout plan) => plan.Us + graph.LateUs(plan.Choices);

    /// <summary>What a plan must save over another to be taken instead.</summary>
    private double MarginUs(Layout plan, Layout other)
    {
        double errorUs = graph.ErrorUs(plan.Choices, other.Choices), syncUs = ErrorOfSync * (sync.DispatchUs + sync.ToCpuUs) * Math.Abs(plan.Regions.Length - other.Regions.Length);
        return Math.Max(MinMargin * other.Us, Math.Sqrt(errorUs * errorUs + syncUs * syncUs));
    }

    private Layout Lay(JointPlan plan)
    {
        JointChoice[] choices = [.. plan.Placements.Select(p => p.Choice)];
        Layout planned = Lay(choices, asPlanned: true), merged = Lay(choices, asPlanned: false);
        return planned.Us < merged.Us ? planned : merged;
    }

    /// <param name="asPlanned">Whether a region ends where the CPU waits for something in it, and begins where it waits for the CPU; else regions are as large as may be.</param>
    private Layout Lay(JointChoice[] choices, bool asPlanned)
    {
        int[] regionOf = Mapping.Repeat(-1, nodes.Nodes.Length);
        var regions = ImmutableArray.CreateBuilder<Region>();
        for (int op = 0; op < choices.Length; op++)
        {
            if (choices[op].Side != Side.Both) continue;
            regionOf[graph.PositionOf[op]] = regions.Count;
            regions.Add(Regions.Halve(nodes, graph.PositionOf[op], Split(op, choices[op]), options.Cpu));
        }
        int[] lists = Lists(choices, asPlanned);
        foreach (List<int> members in Regions.Grow(nodes, lists, regionOf))
        {
            foreach (int member in members) regionOf[member] = regions.Count;
            regions.Add(Regions.Planned(nodes, backend, members, members.Where(m => graph.OperatorOf[m] >= 0).Select(m => graph.Problem.Operators[graph.OperatorOf[m]]), sync));
        }
        ImmutableArray<Region> all = regions.ToImmutable();
        (double us, ImmutableArray<int> workersOf) = Predict(choices, all, regionOf);
        return new Layout(choices, all, regionOf, us, workersOf);
    }

    private NodeSplit Split(int op, JointChoice choice)
    {
        JointOperator of = graph.Problem.Operators[op];
        SplitAxis axis = of.AxisOf(choice.Axis);
        KernelFacts kernel = graph.DeviceKernelOf(op, new OutputPart(choice.Cut, axis.Extent - choice.Cut, choice.Axis));
        double deviceUs = sync.DispatchUs + axis.DeviceUs(choice.Cut) + sync.BehindDeviceUs(of);
        return new NodeSplit(backend.Name, choice.Axis, choice.Cut, deviceUs, JointReasons.Why(graph.Problem, op, choice)) { DispatchUs = sync.HandOverUs(kernel) };
    }

    /// <summary>By position, the list of commands of a node, -1 for those that are on the CPU or split. Views go where what they show is, or where it is read.</summary>
    private int[] Lists(JointChoice[] choices, bool asPlanned)
    {
        var list = new int[nodes.Nodes.Length];
        int count = 0;
        for (int i = 0; i < list.Length; i++)
        {
            int op = graph.OperatorOf[i];
            list[i] = op < 0 ? ListOfView(i) : choices[op].Side != Side.Device ? -1 : !asPlanned ? 0 : ListOf(op);
        }
        for (int i = list.Length - 1; i >= 0; i--)
            if (graph.OperatorOf[i] < 0 && supported[i] && nodes.Dag.Predecessors(i).IsEmpty && nodes.Dag.Successors(i) is [var first, .. var others] && !others.ContainsAnyExcept(first) )
                list[i] = list[first];
        return list;

        int ListOfView(int view)
        {
            if (!supported[view] || nodes.Dag.Predecessors(view) is not [var first, .. var others]) return -1;
            foreach (int other in others)
                if (list[other] != list[first]) return -1;
            return list[first];
        }

        int ListOf(int op)
        {
            int last = -1;
            foreach (int before in graph.Problem.Dag.Predecessors(op))
            {
                if (choices[before].Side != Side.Device) return count++;
                foreach (int reader in graph.Problem.Dag.Successors(before))
                    if (choices[reader].Side != Side.Device) return count++;
                last = Math.Max(last, list[graph.PositionOf[before]]);
            }
            return last < 0 ? count++ : last;
        }
    }

    /// <summary>The time of the better of one branch after another and side by side, with the workers of the plan where that helps.</summary>
    private (double Us, ImmutableArray<int> WorkersOf) Predict(JointChoice[] choices, ImmutableArray<Region> regions, int[] regionOf)
    {
        (int[] branchOf, Dag branches) = Partitioner.Branches(nodes, regionOf);
        int workers = graph.Problem.Workers;
        var us = new double[branches.Count][];
        var devices = new string?[branches.Count];
        var workersOf = new int[branches.Count];
        var longest = new double[branches.Count];
        for (int b = 0; b < us.Length; b++) us[b] = new double[workers];
        Array.Fill(workersOf, workers);
        for (int i = 0; i < branchOf.Length; i++)
        {
            int branch = branchOf[i], op = graph.OperatorOf[i];
            Region? region = regionOf[i] < 0 ? null : regions[regionOf[i]];
            if (region is { Split: null })
            {
                devices[branch] = region.Backend;
                Array.Fill(us[branch], region.PredictedOffloadUs);
            }
            else if (op >= 0)
            {
                ImmutableArray<double> cpuUs = graph.Problem.Operators[op].CpuUs;
                KernelFacts? ofPart = region?.Split is { } split ? options.CpuKernelOf?.Invoke(nodes.Graph, nodes.Nodes[i], split.CpuPart) : null;
                for (int w = 0; w < workers; w++) us[branch][w] += region?.Split?.Us(options.Cpu, w + 1, nodes.Graph, nodes.Nodes[i], ofPart) ?? cpuUs[w];
                if (cpuUs[0] > longest[branch]) (longest[branch], workersOf[branch]) = (cpuUs[0], choices[op].Workers);
            }
        }
        var times = new BranchTimes([.. us.Select(u => u.ToImmutableArray())], [.. devices]);
        int[] priority = BranchRanks.CriticalPathFirst(branches, [.. us.Select(u => u[0])]);
        double inTurn = us.Sum(u => u[^1]), sideBySide = Run(null), asPlanned = Run(workersOf);
        return asPlanned < Math.Min(inTurn, sideBySide) ? (asPlanned, [.. workersOf]) : (Math.Min(inTurn, sideBySide), default);

        double Run(int[]? maxWorkersOf) => Simulator.Run(branches, times, workers, priority, maxWorkersOf, options.Cpu.DispatchUs).MakespanUs;
    }
}
