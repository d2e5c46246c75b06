using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Planning;

/// <summary>A node whose result the CPU and a device compute together: the CPU what lies before a cut, the device the rest.</summary>
/// <param name="Backend">The device, by <see cref="IRegionBackend.Name"/>.</param>
/// <param name="Axis">Of the result; as <see cref="OutputChannels.AxisOf"/> says.</param>
/// <param name="Cut">In elements along the axis: more than 0 and less than its extent, a multiple of <see cref="IRegionBackend.SplitGranule"/>.</param>
/// <param name="DeviceUs">What the device's part is predicted to take, with all that it costs to start it and to see that it has ended.</param>
/// <param name="Why">Whose decision it was, in words or numbers.</param>
public sealed record NodeSplit(string Backend, int Axis, long Cut, double DeviceUs, string Why)
{
    /// <summary>The work that the CPU has with its part of the node.</summary>
    /// <exception cref="ArgumentException">The result is not known to have elements on both sides of the cut.</exception>
    public StepWork CpuWork(Graph graph, Node node) =>
        graph.TensorFact(node.Outputs[0])?.Shape is { } shape && Axis >= 0 && Axis < shape.Rank && shape[Axis].TryGetValue(out long extent) && Cut > 0 && Cut < extent
            ? OutputChannels.WorkOf(graph, node, Cut, extent)
            : throw new ArgumentException($"{node} cannot be cut at {Cut} of axis {Axis}");

    /// <summary>What both sides together are predicted to take.</summary>
    public double Us(CostModel cpu, int workers, Graph graph, Node node, KernelFacts? kernel = null) => Math.Max(cpu.PredictUs(CpuWork(graph, node), workers, kernel), DeviceUs);
}

/// <summary>The axis of a result whose every index is computed from weights of its own: the columns of a product, the channels of a convolution.</summary>
public static class OutputChannels
{
    /// <summary>Null where the node is neither, or has one channel only because its operand is a vector.</summary>
    public static int? AxisOf(Graph graph, Node node) => node.Op switch
    {
        Conv or Gemm => 1,
        MatMul when graph.TensorFact(node.Inputs[1])?.Shape is { Rank: > 1 } && graph.TensorFact(node.Outputs[0])?.Shape is { } shape => shape.Rank - 1,
        _ => null,
    };

    /// <summary>How many there are; null where that or the axis is not known.</summary>
    public static long? CountOf(Graph graph, Node node) =>
        AxisOf(graph, node) is { } axis && graph.TensorFact(node.Outputs[0])?.Shape is { } shape && shape[axis].TryGetValue(out long count) ? count : null;

    /// <summary>The work of computing some of all output channels.</summary>
    public static StepWork WorkOf(Graph graph, Node node, long channels, long all)
    {
        StepWork work = StepWork.Of(graph, node);
        return work.Extents.IsKnown ? work.Part(channels) : work with { Macs = work.Macs * channels / all, Bytes = work.Bytes * channels / all, ColdBytes = work.ColdBytes * channels / all };
    }
}
