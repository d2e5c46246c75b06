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

    private readonly NodeTable nodes;
    private readonly IRegionBackend backend;
    private readonly CostModel cpu;

    /// <param name="supported">By position, whether the accelerator can run the node.</param>
    internal JointGraph(NodeTable nodes, IRegionBackend backend, SyncCosts sync, bool[] supported, CostModel cpu, int workers)
    {
        (this.nodes, this.backend, this.cpu) = (nodes, backend, cpu);
        OperatorOf = new int[nodes.Nodes.Length];
        var positions = new List<int>();
        for (int i = 0; i < OperatorOf.Length; i++)
        {
            OperatorOf[i] = nodes.Nodes[i].Op.IsView ? -1 : positions.Count;
            if (OperatorOf[i] >= 0) positions.Add(i);
        }
        PositionOf = [.. positions];
        Problem = new JointProblem(new Dag(PositionOf.Length, Edges()), [.. PositionOf.Select(p => Operator(p, supported[p], workers))], sync);
    }

    internal JointProblem Problem { get; }

    /// <summary>By position of a node; -1 for views.</summary>
    internal int[] OperatorOf { get; }

    /// <summary>By operator.</summary>
    internal int[] PositionOf { get; }

    /// <summary>
    /// The relative error to be expected of the sum of the accelerator's predictions. A predictor is wrong about each operator for itself, so that errors of many partly cancel out;
    /// where constants speak, all are wrong in the same way.
    /// </summary>
    internal double DeviceError()
    {
        double squares = 0, byConstants = 0, all = 0;
        for (int op = 0; op < PositionOf.Length; op++)
        {
            if (!Problem.Operators[op].FitsDevice) continue;
            double us = Problem.Operators[op].DeviceUs;
            all += us;
            if (backend.Model.PredictorFor(nodes.Work[PositionOf[op]]) is { Accuracy: { HeldOut: > 0, Mape: var error } }) squares += us * error * us * error;
            else byConstants += us * ErrorOfConstants;
        }
        return all > 0 ? Math.Sqrt(squares + byConstants * byConstants) / all : ErrorOfConstants;
    }

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
        ImmutableArray<double> cpuUs = [.. Enumerable.Range(1, workers).Select(w => cpu.PredictUs(work, w))];
        long bytes = node.Outputs.Sum(o => o.IsNone ? 0 : nodes.BytesOf(o));
        if (!isSupported) return new JointOperator(node.Name, cpuUs, double.PositiveInfinity, [], bytes);
        KernelFacts kernel = backend.KernelOf(nodes.Graph, node);
        return new JointOperator(node.Name, cpuUs, DeviceUs(work, kernel), Axes(node, work, kernel, workers), bytes);
    }

    /// <summary>Where nothing was learned of an operator, the accelerator is taken to be as much faster or slower at it than one worker as it is at products.</summary>
    private double DeviceUs(in StepWork work, in KernelFacts kernel)
    {
        AcceleratorModel model = backend.Model;
        double us = model.StepUs(work, kernel);
        return model.PredictorFor(work) is not null ? us : Math.Max(us, cpu.PredictUs(work) * cpu.Rate(OpClass.Dense).UnitsPerSecond / model.MacsPerSecond);
    }

    private ImmutableArray<SplitAxis> Axes(Node node, StepWork work, KernelFacts kernel, int workers) =>
        [.. OutputAxes.Of(nodes.Graph, node).Select(axis => Axis(node, axis, work, kernel, workers)).OfType<SplitAxis>()];

    private SplitAxis? Axis(Node node, OutputAxis axis, StepWork work, KernelFacts kernel, int workers)
    {
        if (OutputAxes.ExtentOf(nodes.Graph, node, axis) is not { } extent || !work.Has(extent, axis)) return null;
        if (backend.SplitGranule(nodes.Graph, node, axis) is not { } granule || granule >= extent) return null;
        return new SplitAxis(axis, extent, granule, workers,
            (part, count) => cpu.PredictUs(work.Part(part, extent, axis), count), part => DeviceUs(work.Part(part, extent, axis), kernel.Part(part, extent)));
    }
}
