using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>A node whose result the CPU and a device compute together: the CPU what lies before a cut, the device the rest.</summary>
/// <param name="Backend">The device, by <see cref="IRegionBackend.Name"/>.</param>
/// <param name="Axis">One that the node can be cut along, see <see cref="OutputAxes"/>.</param>
/// <param name="Cut">In elements along the axis: more than 0 and less than its extent, a multiple of <see cref="IRegionBackend.SplitGranule"/>.</param>
/// <param name="DeviceUs">What the device's part is predicted to take, with all that it costs to start it and to see that it has ended.</param>
/// <param name="Why">Whose decision it was, in words or numbers.</param>
public sealed record NodeSplit(string Backend, OutputAxis Axis, long Cut, double DeviceUs, string Why)
{
    /// <summary>What it takes to start the device's part: the CPU begins its own then.</summary>
    public double DispatchUs { get; init; }

    /// <summary>What the CPU computes of the result.</summary>
    public OutputPart CpuPart => new(0, Cut, Axis);

    /// <summary>The work that the CPU has with its part of the node.</summary>
    /// <exception cref="ArgumentException">The result is not known to have elements on both sides of the cut.</exception>
    public StepWork CpuWork(Graph graph, Node node) =>
        OutputAxes.ExtentOf(graph, node, Axis) is { } extent && Cut > 0 && Cut < extent
            ? OutputAxes.WorkOf(graph, node, Axis, Cut, extent)
            : throw new ArgumentException($"{node} cannot be cut at {Cut} of its {OutputAxes.NameOf(Axis)}");

    /// <summary>What both sides together are predicted to take.</summary>
    /// <param name="kernel">The CPU's for its part; null where it is not known.</param>
    public double Us(CostModel cpu, int workers, Graph graph, Node node, KernelFacts? kernel = null) => Math.Max(DispatchUs + cpu.PredictUs(CpuWork(graph, node), workers, kernel), DeviceUs);
}
