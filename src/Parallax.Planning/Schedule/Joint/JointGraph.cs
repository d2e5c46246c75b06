using System.Collections.Immutable;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>
/// A graph as a problem of joint planning: every node that does any work is an operator, with the times that cost model and accelerator predict for it.
/// Views are none: they cost nothing and only pass on what others wait for.
/// </summary>
internal sealed class JointGraph
{
    /// <summary>The relative error of predictions by constants, of which none is known.</summary>
    private const double ErrorOfConstants = 0.1;

    /// <summary>Of the squared error of a predictor, what it has in common for all operators of a network.</summary>
    private const double CommonPart = 0.1;

    private readonly NodeTable nodes;
    private readonly IRegionBackend backend;
    private readonly CostModel cpu;
    private readonly Func<Graph, Node, OutputPart?, KernelFacts?>? cpuKernelOf;
    private readonly SyncCosts sync;
    private readonly Dictionary<(int Op, OutputPart Part), KernelFacts> deviceKernels = []; // times of both sides and of the laid out plan ask

    /// <param name="supported">By position, whether the accelerator can run the node.</param>
    internal JointGraph(NodeTable nodes, IRegionBackend backend, SyncCosts sync, bool[] supported, PartitionOptions options)
    {
        (this.nodes, this.backend, this.sync, cpu, cpuKernelOf) = (nodes, backend, sync, options.Cpu, options.CpuKernelOf);
        OperatorOf = new int[nodes.Nodes.Length];
        var positions = new List<int>();
        for (int i = 0; i < OperatorOf.Length; i++)
        {
            OperatorOf[i] = nodes.Nodes[i].Op.IsView ? -1 : positions.Count;
            if (OperatorOf[i] >= 0) positions.Add(i);
        }
        PositionOf = [.. positions];
        int workers = Math.Max(1, options.Workers);
        Problem = new JointProblem(new Dag(PositionOf.Length, Edges()), [.. PositionOf.Select(p => Operator(p, supported[p], workers))], sync);
    }

    internal JointProblem Problem { get; }

    /// <summary>The device's kernel for a part of an operator.</summary>
    internal KernelFacts DeviceKernelOf(int op, OutputPart part)
    {
        if (!deviceKernels.TryGetValue((op, part), out KernelFacts kernel)) deviceKernels.Add((op, part), kernel = backend.KernelOf(nodes.Graph, nodes.Nodes[PositionOf[op]], part));
        return kernel;
    }

    /// <summary>By position of a node; -1 for views.</summary>
    internal int[] OperatorOf { get; }

    /// <summary>By operator.</summary>
    internal int[] PositionOf { get; }

    /// <summary>
    /// By how much the difference between the predicted times of two plans has to be expected to be off, in microseconds. What both have alike cancels out, so that only operators count of which one side
    /// computes more in one plan than in the other. A predictor is wrong about each operator for itself, so that errors of many partly cancel out, and about all of them together in a part; where constants speak, all are wrong
    /// in the same way.
    /// </summary>
    internal double ErrorUs(JointChoice[] plan, JointChoice[] other)
    {
        var errors = new Dictionary<(Side, LatencyPredictor?), (double Squares, double Sum)>();
        for (int op = 0; op < PositionOf.Length; op++)
        {
            JointOperator of = Problem.Operators[op];
            StepWork work = nodes.Work[PositionOf[op]];
            Add((Side.Cpu, cpu.PredictorFor(work)), of.CpuUsOf(plan[op]) - of.CpuUsOf(other[op]));
            Add((Side.Device, backend.Model.PredictorFor(work)), of.DeviceUsOf(plan[op]) - of.DeviceUsOf(other[op]));
        }
        double variance = 0;
        foreach (((_, LatencyPredictor? predictor), (double squares, double sum)) in errors)
            variance += predictor is null ? sum * sum : (1 - CommonPart) * squares + CommonPart * sum * sum;
        return Math.Sqrt(variance);

        void Add((Side Side, LatencyPredictor? Predictor) by, double differenceUs)
        {
            double error = Math.Abs(differenceUs) * ErrorOf(by.Predictor);
            (double squares, double sum) = errors.GetValueOrDefault(by);
            errors[by] = (squares + error * error, sum + error);
        }
    }

    /// <summary>
    /// How much longer split operators have to be expected to take than predicted, in microseconds, were they to run one after another. They end with the later of both sides: whichever of the two predictions is
    /// too short, the operator takes longer, so that these errors do not cancel out.
    /// </summary>
    internal double LateUs(JointChoice[] plan)
    {
        double us = 0;
        for (int op = 0; op < PositionOf.Length; op++)
        {
            if (plan[op].Side != Side.Both) continue;
            StepWork work = nodes.Work[PositionOf[op]];
            double cpuUs = Problem.Operators[op].CpuUsOf(plan[op]), deviceUs = Problem.Operators[op].DeviceUsOf(plan[op]);
            us += ExpectedLater(cpuUs, cpuUs * ErrorOf(cpu.PredictorFor(work)), deviceUs, deviceUs * ErrorOf(backend.Model.PredictorFor(work))) - Math.Max(cpuUs, deviceUs);
        }
        return us;
    }

    /// <summary>The mean of the larger of two independent normal variables. After Clark, "The greatest of a finite set of random variables" (1961).</summary>
    internal static double ExpectedLater(double mean, double deviation, double otherMean, double otherDeviation)
    {
        double spread = Math.Sqrt(deviation * deviation + otherDeviation * otherDeviation), larger = Math.Max(mean, otherMean);
        if (spread == 0) return larger;
        double apart = (larger - Math.Min(mean, otherMean)) / spread, density = Math.Exp(-apart * apart / 2) / Math.Sqrt(2 * Math.PI);
        double below = 1 / (1 + Math.Exp(apart * (1.5976 + 0.07056 * apart * apart))); // the normal distribution's tail, off by less than 2e-4
        return larger + Math.Max(0, spread * (density - apart * below));
    }

    private static double ErrorOf(LatencyPredictor? predictor) => predictor?.Accuracy is { HeldOut: > 0, Mape: var mape } ? mape : ErrorOfConstants;

    /// <summary>What an operator waits for, through views.</summary>
    private IEnumerable<(int From, int To)> Edges()
    {
        var behind = new int[nodes.Nodes.Length][]; // by position of a view, the operators that it waits for
        for (int i = 0; i < behind.Length; i++)
        {
            var before = new HashSet<int>();
            foreach (int predecessor in nodes.Dag.Predecessors(i))
                if (OperatorOf[predecessor] >= 0) before.Add(OperatorOf[predecessor]);
                else before.UnionWith(behind[predecessor]);
            behind[i] = OperatorOf[i] >= 0 ? [] : [.. before];
            if (OperatorOf[i] < 0) continue;
            foreach (int op in before) yield return (op, OperatorOf[i]);
        }
    }

    private JointOperator Operator(int position, bool isSupported, int workers)
    {
        Node node = nodes.Nodes[position];
        StepWork work = nodes.Work[position];
        KernelFacts? cpuKernel = cpuKernelOf?.Invoke(nodes.Graph, node, null);
        ImmutableArray<double> cpuUs = [.. Enumerable.Range(1, workers).Select(w => cpu.PredictUs(work, w, cpuKernel))];
        long bytes = node.Outputs.Sum(o => o.IsNone ? 0 : nodes.BytesOf(o));
        if (!isSupported) return new JointOperator(node.Name, cpuUs, double.PositiveInfinity, [], bytes);
        KernelFacts kernel = backend.KernelOf(nodes.Graph, node);
        return new JointOperator(node.Name, cpuUs, DeviceUs(work, kernel), Axes(OperatorOf[position], node, work, workers), bytes);
    }

    /// <summary>Where nothing was learned of an operator, the accelerator is taken to be as much faster or slower at it than one worker as it is at products.</summary>
    private double DeviceUs(in StepWork work, in KernelFacts kernel)
    {
        AcceleratorModel model = backend.Model;
        double us = model.StepUs(work, kernel);
        return model.PredictorFor(work) is not null ? us : Math.Max(us, cpu.PredictUs(work) * cpu.Rate(OpClass.Dense).UnitsPerSecond / model.MacsPerSecond);
    }

    private ImmutableArray<SplitAxis> Axes(int op, Node node, StepWork work, int workers) => [.. OutputAxes.Of(nodes.Graph, node).Select(axis => Axis(op, node, axis, work, workers)).OfType<SplitAxis>()];

    private SplitAxis? Axis(int op, Node node, OutputAxis axis, StepWork work, int workers)
    {
        if (OutputAxes.ExtentOf(nodes.Graph, node, axis) is not { } extent || !work.Has(extent, axis)) return null;
        if (backend.SplitGranule(nodes.Graph, node, axis) is not { } granule || granule >= extent) return null;
        return new SplitAxis(axis, extent, granule, workers,
            (part, count) => sync.FurtherLaunchesUs(OfDevice(extent - part)) + cpu.PredictUs(work.Part(part, extent, axis), count, cpuKernelOf?.Invoke(nodes.Graph, node, new OutputPart(0, part, axis))),
            part => DeviceUs(work.Part(part, extent, axis), OfDevice(part)));

        KernelFacts OfDevice(long part) => DeviceKernelOf(op, new OutputPart(extent - part, part, axis));
    }
}
