using System.Collections.Immutable;
using Parallax.Planning;
using Parallax.Runtime;

namespace Parallax;

/// <summary>How the memory between inputs and outputs is watched, to find errors of kernels and plans.</summary>
public enum ArenaCheck
{
    None,

    /// <summary>Filled with NaN before every run: a read before the first write shows in the result.</summary>
    Poisoned,

    /// <summary>Poisoned, and every value in memory of its own with an unreadable page behind it: a write past a value's end ends the process.</summary>
    Guarded,
}

/// <summary>How accurate results must be.</summary>
public enum Precision
{
    /// <summary>Convolutions may be computed in a transformed domain where that is faster: errors stay below 5e-5 of a layer's largest result.</summary>
    Standard,

    /// <summary>Every product and convolution is a sum of products, in float32.</summary>
    Strict,

    /// <summary>
    /// As <see cref="Standard"/>, and constant right-hand factors of matrix products are kept in 16 bits: half the memory, and half the time where they come from memory. Each is rounded to 11
    /// significant bits, and to 0 where it is 2^29 times smaller than its matrix's largest, on OpenCL devices 2^28. Factors that need no more bits are kept so on the CPU whatever the precision, for results are
    /// the same. OpenCL devices keep the filters of convolutions so too that are computed as sums of products.
    /// </summary>
    Compact,

    /// <summary>
    /// As <see cref="Compact"/>, and devices that compute in half precision multiply so where they keep factors in 16 bits: 16 products are summed in half, and their sums in float32. Results are off by up to
    /// 1 % of the sum of the magnitudes of their products. Activations below 2^-14 lose bits, weights 2^18 times smaller than their matrix's largest are 0; where a sum leaves half's range, it is computed again
    /// in float32. CPUs, and devices without half precision, compute as in <see cref="Compact"/>; <see cref="PlanReport.Arithmetic"/> says which.
    /// </summary>
    Half,
}

/// <summary>How a session runs. Immutable once given to a session.</summary>
public sealed record SessionOptions
{
    /// <summary>Threads that may work on one run, the calling one included; 0 takes the machine's physical cores.</summary>
    public int Threads { get; init; }

    /// <summary>How branches of the graph are run: one after another, by levels, in parallel, or as is predicted to be fastest.</summary>
    public ScheduleMode Mode { get; init; } = ScheduleMode.Auto;

    /// <summary>What the schedule is to be best at: the shortest time, or a short time without workers that add little to it.</summary>
    public SchedulePolicy Policy { get; init; } = SchedulePolicy.Latency;

    /// <summary>Whether speed may cost some of the last digits.</summary>
    public Precision Precision { get; init; } = Precision.Standard;

    /// <summary>
    /// The file with this machine's constants, as <c>parallax calibrate</c> writes it; null: the one at the default place where there is one for this machine;
    /// "none": assumed constants. Constants decide how the work is scheduled, never what is computed.
    /// </summary>
    public string? DeviceProfile { get; init; }

    /// <summary>What the memory between inputs and outputs may take, in bytes; null: a share of the memory that is free as runs go on.</summary>
    public long? MemoryBudgetBytes { get; init; }

    /// <summary>The share of the free memory that is left alone where no budget is given: 0 to less than 1.</summary>
    public double MemoryMargin { get; init; } = 0.4;

    /// <summary>
    /// Imagined accelerators, asked in this order: regions of the graph are formed, kept or refused by their constants, and computed by the CPU's kernels.
    /// For seeing and testing what a machine with such an accelerator would be given.
    /// </summary>
    public ImmutableArray<IRegionBackend> Accelerators { get; init; } = [];

    /// <summary>
    /// Devices that compute regions of the graph beside the CPU, asked in this order. A device that fails is left alone from then on, and the CPU finishes the
    /// answer. Whoever made a backend disposes it, after the sessions that use it.
    /// </summary>
    public ImmutableArray<IBackend> Backends { get; init; } = [];

    /// <summary>Hands every region that a backend supports to it, whether or not that is predicted to be faster than the CPU.</summary>
    public bool OffloadAll { get; init; }

    /// <summary>
    /// Whether the predicted time of the whole graph decides what a backend computes and which layers it shares with the CPU. That takes one backend, measured by
    /// <c>parallax calibrate</c>, and a mode in which branches may run side by side; elsewhere each region is judged for itself.
    /// </summary>
    public bool JointPlanning { get; init; } = true;

    /// <summary>
    /// Where <see cref="JointPlanning"/> decides: puts every operator where it alone is predicted to be fastest, be that the CPU, the device or both, whatever that costs the rest
    /// of the graph. To be compared with.
    /// </summary>
    public bool EachForItself { get; init; }

    /// <summary>Nodes, and operators such as "Conv", that no backend gets. Names as the plan shows them.</summary>
    public ImmutableArray<string> Exclude { get; init; } = [];

    /// <summary>
    /// Layers that the CPU and a device of <see cref="Backends"/> compute together, whatever is predicted: the first entry that names a layer counts, and the first
    /// device that can compute a part of it. What cannot be split stays whole; <see cref="PlanReport.Unsupported"/> says why.
    /// </summary>
    public ImmutableArray<LayerSplit> Splits { get; init; } = [];

    /// <summary>Slow checks of the memory between inputs and outputs, for finding errors.</summary>
    public ArenaCheck ArenaCheck { get; init; }

    /// <summary>Stops rewriting the graph after so many rewrites; bisects a wrong answer.</summary>
    public int MaxRewrites { get; init; } = int.MaxValue;

    /// <summary>Values for symbolic dimensions of the model's inputs, by name.</summary>
    public IReadOnlyDictionary<string, long> Dimensions { get; init; } = new Dictionary<string, long>();
}

/// <summary>Asks for layers (convolutions, products) to be split between the CPU and a device.</summary>
/// <param name="Layer">A node or an operator such as "Conv", by name as the plan shows it; <see cref="All"/> for all that can be split.</param>
/// <param name="CpuShare">Of the channels or rows, between 0 and 1; rounded to where the kernels of both sides can cut, so that both have a part.</param>
public sealed record LayerSplit(string Layer, double CpuShare)
{
    public const string All = "*";

    /// <summary>What is cut; null for the output channels, or the rows of layers whose channels cannot be cut.</summary>
    public OutputAxis? Axis { get; init; }

    internal bool Names(Graphs.Node node) => Layer == All || Layer == node.Name || Layer == node.Op.Name;
}
