using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>
/// What offloading a region to an accelerator costs: <c>L + F/R_acc + B/B_bw</c> against <c>F/R_cpu</c>, with F the region's multiply-accumulates
/// and B the bytes of the tensors on its boundary. After arXiv 2512.11532, section on delegate regions.
/// </summary>
/// <param name="LatencyUs">L, one dispatch.</param>
/// <param name="MacsPerSecond">R_acc.</param>
/// <param name="BytesPerSecond">B_bw.</param>
/// <param name="CpuMacsPerSecond">R_cpu; null where the measured <see cref="CostModel"/> predicts the CPU's time node by node.</param>
/// <param name="MinNodes">Fewer operators are refused.</param>
/// <param name="MinMacs">Less work is refused.</param>
/// <param name="MaxBytesPerMac">More boundary bytes per multiply-accumulate are refused.</param>
/// <param name="Predictors">Learned from measurements on the device, by kind of operator; they speak before R_acc where they cover a step.</param>
/// <param name="Sync">What it costs that the CPU and the device work on one network; null where that was not measured.</param>
/// <param name="Units">Compute units, as the predictors were told.</param>
/// <param name="MemoryBytesPerSecond">What an operator on the device reads and writes of the memory that it sees; null where that was not measured.</param>
/// <param name="WorkGroups">What the device takes instead of the sizes of work-groups that it chooses by rule; each kernel and class of grids once.</param>
public sealed record AcceleratorModel(
    string Name,
    double LatencyUs,
    double MacsPerSecond,
    double BytesPerSecond,
    double? CpuMacsPerSecond = null,
    int MinNodes = 1,
    long MinMacs = 0,
    double MaxBytesPerMac = double.PositiveInfinity,
    ImmutableArray<LatencyPredictor> Predictors = default,
    SyncCosts? Sync = null,
    int Units = 1,
    double? MemoryBytesPerSecond = null,
    ImmutableArray<TunedWorkGroup> WorkGroups = default)
{
    public ImmutableArray<LatencyPredictor> Predictors { get; init; } = Predictors.IsDefault ? [] : Predictors;

    public ImmutableArray<TunedWorkGroup> WorkGroups { get; init; } = WorkGroups.IsDefault ? [] : WorkGroups;

    /// <summary>Whether every region is kept, whatever is predicted of it.</summary>
    [JsonIgnore]
    public bool KeepsAll { get; init; }

    /// <summary>The paper's constants for a Snapdragon 8 Gen 1 and its tuned thresholds.</summary>
    public static AcceleratorModel Snapdragon8Gen1 { get; } = new("snapdragon-8-gen-1", 200, 2.6e13, 51.2e9, 1e9, 3, 1_000_000_000, 0.1);

    /// <summary>An accelerator that costs nothing and does everything at once. It keeps every region: for tests and for the null backend.</summary>
    public static AcceleratorModel Ideal { get; } = new("ideal", 0, 1e15, 1e15);

    /// <summary>A graphics unit of a laptop or a phone that shares the memory: about ten times as fast at products as one core. Made up, to see how work would be shared.</summary>
    public static AcceleratorModel IntegratedGpu { get; } = new("integrated-gpu", 60, 3e11, 2e10, Sync: new SyncCosts(30, 0, 30));

    /// <summary>Which device was measured, so that the numbers are not used for another of the same name; null where they are of none in particular.</summary>
    public string? Device { get; init; }

    /// <summary>Predicted microseconds of a region; where the device was not measured, its operators wait for nothing but multiply-accumulates, as in the formula.</summary>
    /// <param name="steps">The work of each node, and what is known of its kernel.</param>
    public double PredictUs(IEnumerable<(StepWork Work, KernelFacts Kernel)> steps, long boundaryBytes)
    {
        double us = LatencyUs + TransferUs(boundaryBytes);
        foreach ((StepWork work, KernelFacts kernel) in steps) us += MemoryBytesPerSecond is null && PredictorFor(work) is null ? work.Macs / MacsPerSecond * 1e6 : StepUs(work, kernel);
        return us;
    }

    /// <summary>Predicted microseconds of bringing so many bytes to the device or back.</summary>
    public double TransferUs(long bytes) => bytes / BytesPerSecond * 1e6;

    /// <summary>The predictor that speaks for a step; null where R_acc does.</summary>
    public LatencyPredictor? PredictorFor(in StepWork work) => LatencyPredictor.For(work, Predictors);

    /// <summary>Predicted microseconds of a step inside a list of commands: what it takes beside the dispatch of the list. A predictor speaks where one covers the step.</summary>
    /// <param name="kernel">The kernel that will run, where it is known.</param>
    public double StepUs(in StepWork work, in KernelFacts kernel = default)
    {
        if (work.Class == OpClass.View) return 0;
        return PredictorFor(work)?.WorkUs(work, Units, kernel) ?? Math.Max(work.Macs / MacsPerSecond, work.Bytes / (MemoryBytesPerSecond ?? BytesPerSecond)) * 1e6;
    }

    /// <summary>Why the numbers cannot be used; null where they can.</summary>
    internal string? Fault()
    {
        if (Name is null) return "an accelerator has no name";
        bool isSound = LatencyUs >= 0 && MacsPerSecond > 0 && BytesPerSecond > 0 && MemoryBytesPerSecond is null or > 0 && Units > 0 && CpuMacsPerSecond is null or > 0 && !double.IsNaN(MaxBytesPerMac) && Sync is null or { IsSound: true };
        if (!isSound) return $"{Name} has rates, compute units or costs of synchronization that are none";
        return LatencyPredictor.FaultOf(Predictors) ?? (TunedWorkGroup.FaultOf(WorkGroups) is { } fault ? $"{Name}: {fault}" : null);
    }
}

/// <summary>What the partitioner needs to know of an accelerator.</summary>
public interface IRegionBackend
{
    string Name { get; }

    AcceleratorModel Model { get; }

    /// <summary>What is known of the kernel that would compute a supported node, or only a part of its result; nothing by default.</summary>
    /// <param name="part">Cut where <see cref="SplitGranule"/> allows; null for the whole.</param>
    KernelFacts KernelOf(Graph graph, Node node, OutputPart? part = null) => default;

    /// <summary>Null where the backend can run the node with the facts that it has in <paramref name="graph"/>, else the reason why not.</summary>
    string? WhyNot(Graph graph, Node node);

    /// <summary>
    /// For a node that the backend can run: cuts of its result along <paramref name="axis"/>, at multiples of this, behind which the backend can compute the rest while
    /// somebody else computes what is before; null where it computes whole results only.
    /// </summary>
    long? SplitGranule(Graph graph, Node node, OutputAxis axis) => null;
}
