using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Parallax.Planning;
using Parallax.Runtime.Reporting;

namespace Parallax;

/// <summary>A chain of nodes that runs as one, or a delegate region.</summary>
/// <param name="Nodes">Names, in the order in which they run.</param>
/// <param name="Macs">Multiply-accumulates, as far as shapes are known.</param>
/// <param name="PeakBytes">The peak of what the branch computes and still needs.</param>
/// <param name="Dynamic">Whether a shape in it is known only when it runs.</param>
/// <param name="PredictedUs">With one worker.</param>
/// <param name="Layer">The level among the branches.</param>
/// <param name="Predecessors">The branches whose results it reads.</param>
/// <param name="Operators">By node, what it computes and the kernel that does.</param>
/// <param name="Kind">The class of its node with the most work.</param>
public sealed record PlanBranch(
    int Id, ImmutableArray<string> Nodes, long Macs, long PeakBytes, bool Dynamic, string Device, string Why, double PredictedUs,
    int Layer, ImmutableArray<int> Predecessors, [property: JsonIgnore] ImmutableArray<string> Operators, [property: JsonIgnore] OpClass Kind)
{
    /// <summary>By node. In a region, a dispatch and transfers come on top.</summary>
    public required ImmutableArray<PlanPrice> Prices { get; init; }

    /// <summary>The kernels that a device computes the branch with, each once, in the order of their first use; null where the CPU computes it.</summary>
    public ImmutableArray<string>? Kernels { get; init; }

    /// <summary>The shortest time that a device took for the branch so far; null where none did.</summary>
    public double? MeasuredUs { get; init; }

    /// <summary>Set where the branch is one node that the CPU and a device compute together.</summary>
    public PlanSplit? Split { get; init; }
}

/// <summary>A node that is split between the CPU and a device.</summary>
/// <param name="Node">Its name.</param>
/// <param name="Axis">What of the result is cut.</param>
/// <param name="Cut">The CPU computes what lies before it along the axis, the device the rest.</param>
/// <param name="Extent">Of the axis.</param>
/// <param name="PredictedCpuUs">For the CPU's part, with one worker.</param>
/// <param name="PredictedDeviceUs">For the device's part, with all that it costs to start it and to see that it has ended.</param>
/// <param name="Why">Whose decision it was, in words or numbers.</param>
public sealed record PlanSplit(string Node, OutputAxis Axis, long Cut, long Extent, string CpuKernel, string DeviceKernel, double PredictedCpuUs, double PredictedDeviceUs, string Why)
{
    /// <summary>Of the fastest run so far: from the start until the CPU had computed its part; null before the first.</summary>
    public double? MeasuredCpuUs { get; init; }

    /// <summary>Of the same run: how long the CPU then waited for the device.</summary>
    public double? MeasuredWaitUs { get; init; }
}

/// <summary>What the time of a node was predicted by.</summary>
public enum PriceSource
{
    /// <summary>Rates of classes of operators: assumed, or measured on the machine.</summary>
    Constants,

    /// <summary>What was learned from samples of the kind of operator.</summary>
    Predictor,
}

/// <summary>What a node is predicted to take, with one worker.</summary>
public sealed record PlanPrice(double PredictedUs, PriceSource By)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{PredictedUs:0.##} us by {(By == PriceSource.Predictor ? "a predictor" : "constants")}");
}

/// <summary>A device that regions may be placed on.</summary>
/// <param name="Name">As branches and regions name it.</param>
/// <param name="Lost">Why the session no longer uses it; null while it does.</param>
/// <param name="Costs">The constants that regions are judged by, and whether they were measured.</param>
public sealed record PlanDevice(string Name, string Description, string? Lost, string Costs);

/// <summary>What one side multiplies in under <see cref="Precision.Half"/>.</summary>
/// <param name="Device">"cpu", or a name of <see cref="PlanDevice"/>.</param>
/// <param name="Type">"half", where a factor is kept in 16 bits, or "float32".</param>
public sealed record PlanArithmetic(string Device, string Type, string Why)
{
    public override string ToString() => $"products on {Device} in {Type}: {Why}";
}

/// <summary>A delegate region that was grown, kept or not.</summary>
/// <param name="Nodes">Operators that do any work.</param>
public sealed record PlanRegion(int Nodes, long Macs, long BoundaryBytes, bool Kept, string Why, double PredictedCpuUs, double PredictedOffloadUs, string Device);

/// <summary>Where joint planning put an operator.</summary>
/// <param name="Side">The CPU, the device, or both.</param>
/// <param name="Workers">Of the CPU; 0 on the device alone.</param>
/// <param name="Axis">What of the result is cut; null where it is not split.</param>
/// <param name="Cut">The CPU computes what lies before it.</param>
/// <param name="StartUs">When its first side is predicted to begin, if each operator ran for itself and not as a part of a region.</param>
public sealed record PlanOperator(string Name, Side Side, int Workers, OutputAxis? Axis, long? Cut, double StartUs, double EndUs, string Why);

/// <summary>How joint planning shares the work with a device. Times are predicted for the whole graph, run as branches and regions.</summary>
/// <param name="PredictedUs">Of what was chosen.</param>
/// <param name="CpuUs">Everything on the CPU.</param>
/// <param name="DeviceUs">Everything on the device, but for what it cannot run.</param>
/// <param name="EachForItselfUs">Every operator where it alone would be fastest.</param>
/// <param name="JointUs">The best sharing that was found, chosen or not.</param>
public sealed record PlanJoint(
    string Device, double PredictedUs, double CpuUs, double DeviceUs, double EachForItselfUs, double JointUs, string Why, ImmutableArray<PlanOperator> Operators)
{
    internal static PlanJoint? Of(JointOutcome? joint) => joint is null ? null : new PlanJoint(
        joint.Backend, joint.PredictedUs, joint.CpuUs, joint.DeviceUs, joint.EachForItselfUs, joint.JointUs, joint.Why, [.. joint.Placements.Select(Of)]);

    private static PlanOperator Of(JointPlacement placed)
    {
        bool isSplit = placed.Choice.Side == Side.Both;
        return new PlanOperator(placed.Name, placed.Choice.Side, placed.Choice.Workers, isSplit ? placed.Choice.Axis : null, isSplit ? placed.Choice.Cut : null, placed.StartUs, placed.EndUs, placed.Why);
    }
}

/// <summary>One plan of the ladder from the freest to the most sequential.</summary>
/// <param name="Width">So many branches run at once at most.</param>
/// <param name="ControlEdges">Dependencies added to save bytes.</param>
public sealed record PlanRung(int Width, long Bytes, int ControlEdges, double PredictedUs, string Why);

/// <summary>A place in the arena, and when it is in use.</summary>
/// <param name="Name">The node that writes it first; of its scratch space, <c>scratch of</c> that node.</param>
/// <param name="Branch">The branch of that node.</param>
/// <param name="StartUs">When it is first written, as predicted.</param>
/// <param name="EndUs">When it has been read for the last time, as predicted.</param>
public sealed record PlanBuffer(string Name, int Branch, long Offset, long Bytes, double StartUs, double EndUs);

/// <param name="NoReuseBytes">All buffers side by side.</param>
/// <param name="PlannedBytes">The arena of the chosen schedule.</param>
/// <param name="LowerBoundBytes">No layout for the same order of branches takes fewer.</param>
/// <param name="SequentialGreedyBytes">Greedy-by-size offsets for branches that run one after another.</param>
/// <param name="Buffers">Values of known size between inputs and outputs, and scratch space.</param>
public sealed record PlanMemory(
    long NoReuseBytes, long PlannedBytes, long LowerBoundBytes, long SequentialGreedyBytes, ImmutableArray<PlanRung> Ladder,
    [property: JsonIgnore] ImmutableArray<PlanBuffer> Buffers);

/// <summary>When a branch is predicted to run.</summary>
/// <param name="Workers">The most workers that it has at once; 0 on a device.</param>
public sealed record PlanSlot(int Branch, double StartUs, double EndUs, int Workers);

/// <param name="Mode">How the branches run; never auto.</param>
/// <param name="Workers">Of the machine that was planned for.</param>
/// <param name="Alternatives">What was considered, the chosen one included.</param>
public sealed record PlanSchedule(
    ScheduleMode Mode, int Workers, double PredictedUs, string Why, ImmutableArray<Alternative> Alternatives, ImmutableArray<PlanSlot> Timeline);

/// <summary>Everything that was decided about a model for one set of input shapes, and why: what <c>parallax inspect</c> shows. Bodies of control flow are not in it.</summary>
public sealed record PlanReport
{
    public required string Model { get; init; }

    /// <summary>Of the graph after all passes.</summary>
    public required int Nodes { get; init; }

    public required NodeClassCounts Classes { get; init; }

    /// <summary>In topological order; a branch's id is its index here.</summary>
    public required ImmutableArray<PlanBranch> Branches { get; init; }

    /// <summary>Levels over the branches.</summary>
    public required ImmutableArray<ImmutableArray<int>> Layers { get; init; }

    /// <summary>Layers with two branches or more.</summary>
    public required int ParallelLayers { get; init; }

    public required int MaxBranches { get; init; }

    public required ImmutableArray<PlanRegion> Regions { get; init; }

    public required PlanMemory Memory { get; init; }

    /// <summary>Per graph pass, how often it fired: when the model was loaded, and for the shapes of this plan.</summary>
    public required ImmutableSortedDictionary<string, int> Fusions { get; init; }

    public required PlanSchedule Schedule { get; init; }

    /// <summary>Per accelerator and reason, how many nodes it cannot run.</summary>
    public required ImmutableSortedDictionary<string, int> Unsupported { get; init; }

    /// <summary>What decided about the regions, where that was the time of the whole graph; null where each was judged for itself.</summary>
    public PlanJoint? Joint { get; init; }

    /// <summary>The session's devices beside the CPU.</summary>
    public ImmutableArray<PlanDevice> Devices { get; init; } = [];

    /// <summary>What products are computed in, side by side; empty unless the session asks for <see cref="Precision.Half"/>.</summary>
    public ImmutableArray<PlanArithmetic> Arithmetic { get; init; } = [];

    /// <summary>The report as lines of text. Deterministic; numbers are in invariant form.</summary>
    public string Dump() => PlanReportText.Of(this);

    /// <summary>The report as <c>parallax inspect --json</c> prints it.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, PlanReportJson.Default.PlanReport);
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(PlanReport))]
internal sealed partial class PlanReportJson : JsonSerializerContext;
