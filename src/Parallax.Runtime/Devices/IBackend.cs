using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime;

/// <summary>
/// A device that computes regions of graphs. May serve many sessions at once; whoever made it disposes it, after them. Thread-safe.
/// <para>
/// Any member of it, and of what it makes, may throw <see cref="DeviceException"/>: the session then finishes its answer on the CPU, says so in
/// <see cref="InferenceSession.Warnings"/>, and leaves the device alone from then on. What a device was told to do before must not touch memory of the
/// session once such an exception has been thrown.
/// </para>
/// </summary>
public interface IBackend : IRegionBackend, IDisposable
{
    /// <summary>The device and how it shares memory, for people.</summary>
    string Description { get; }

    /// <summary>Why products are not computed in half precision under <see cref="Precision.Half"/>; null where they are.</summary>
    string? WhyNotHalf => "it multiplies in float32";

    /// <summary>Makes arenas that the device sees; null where any memory will do.</summary>
    IArenaAllocator? Allocator { get; }

    /// <summary>Prepares a region, once for all runs with the same shapes.</summary>
    ICompiledRegion Compile(DeviceRegion region);

    /// <summary>This device with work-groups of the sizes of a table, for the kernels and grids that are in it; for others, and where the device cannot take a size, as ever. Results are the same bits. Asks nothing of the device, and so throws no <see cref="DeviceException"/>.</summary>
    /// <param name="workGroups">Each kernel and class of grids at most once.</param>
    /// <param name="isStrict">Whether the kernels that are asked for (<see cref="IRegionBackend.KernelOf"/>) are those of <see cref="Precision.Strict"/>; those that run are of the precision of their region.</param>
    /// <returns>Uses what this backend holds, as long as that is not disposed; disposing it does nothing. This backend itself where it chooses no sizes.</returns>
    IBackend Tuned(ImmutableArray<TunedWorkGroup> workGroups, bool isStrict = false) => this;

    /// <summary>The launches that would compute a supported node, of which the work-groups may have other sizes, each kernel and class of grids once; none by default.</summary>
    ImmutableArray<TunableLaunch> TunableLaunches(Graph graph, Node node) => [];
}

/// <summary>A launch of a kernel that gives the same bits in work-groups of any size.</summary>
/// <param name="Kernel">As <see cref="TunedWorkGroup.Kernel"/>.</param>
/// <param name="OtherSizes">Of the work-groups, beside the one that it would be launched in: those that the device takes, the most promising first.</param>
public sealed record TunableLaunch(string Kernel, GridClass Grid, ImmutableArray<WorkGroupSize> OtherSizes);

/// <summary>Makes memory that the CPU and a device work on. Thread-safe.</summary>
public interface IArenaAllocator
{
    /// <summary>
    /// Undefined contents, 64-byte aligned. While regions that it was given to are under way, the CPU uses the memory beside their places, reads their inputs, and
    /// of their outputs writes what is not theirs (<see cref="RegionPlace.Used"/>).
    /// </summary>
    Storage Allocate(long byteCount);
}

/// <summary>A region that is ready to run. Thread-safe; disposed after its calls.</summary>
public interface ICompiledRegion : IDisposable
{
    /// <summary>What computes each of <see cref="DeviceRegion.Nodes"/>, for people.</summary>
    ImmutableArray<string> Kernels { get; }

    /// <summary>Binds the region to memory that runs, one at a time, have for themselves.</summary>
    /// <param name="arena">From <see cref="IBackend.Allocator"/>; host memory, or another device's, where that is null or the session has several devices.</param>
    /// <param name="offsets">By place of the region, in bytes from the arena's start; multiples of 64.</param>
    IRegionCall CreateCall(Storage arena, ReadOnlySpan<long> offsets);
}

/// <summary>A region in the memory of a run. Not thread-safe.</summary>
public interface IRegionCall : IDisposable
{
    /// <summary>Starts the region: inputs are in their places. Returns at once; called again only after it has ended.</summary>
    void Enqueue();

    /// <summary>Whether the region has ended and its outputs are in their places. Costs little, to be asked again and again; must be asked until it is true.</summary>
    bool IsDone { get; }

    /// <summary>Sleeps until the region has ended.</summary>
    void Wait();
}

/// <summary>A value of a region as a node of it sees it.</summary>
/// <param name="Place">The index in <see cref="DeviceRegion.Places"/>; -1 for a constant.</param>
/// <param name="Constant">The contents of a constant of the model, which live as long as the region.</param>
public readonly record struct RegionOperand(int Place, Tensor? Constant);

/// <param name="Inputs">Null where an optional input is absent.</param>
/// <param name="Outputs">Null where an output is not wanted.</param>
public sealed record RegionNode(Node Node, ImmutableArray<RegionOperand?> Inputs, ImmutableArray<RegionOperand?> Outputs)
{
    /// <summary>
    /// What the device computes of the result where that is not all: columns or rows of a product, channels or rows of a convolution, cut where
    /// <see cref="IRegionBackend.SplitGranule"/> allows. The CPU computes the rest at the same time, and in the same place. Only the node of a region that has no
    /// other may have a part.
    /// </summary>
    public OutputPart? Part { get; init; }
}

/// <summary>Bytes that a region works on. Places of values that are not needed at the same time may overlap; neither inputs nor outputs overlap each other.</summary>
/// <param name="IsInput">Filled by others before the region; left as it is by it.</param>
/// <param name="IsOutput">Read by others after the region.</param>
public readonly record struct RegionPlace(long ByteCount, bool IsInput, bool IsOutput)
{
    /// <summary>
    /// The bytes that are the region's: all, one row, unless its node has a part. Of an input, only they are read. Of an output, only they are written: those between them belong to the CPU, which writes them
    /// while the device works: they must not be changed, not even copied back as they were.
    /// </summary>
    public ByteRows Used { get; init; } = ByteRows.All(ByteCount);
}

/// <summary>Rows of bytes that lie at equal distances.</summary>
/// <param name="Offset">Of the first row.</param>
/// <param name="Width">Of a row.</param>
/// <param name="Pitch">From the start of one row to the start of the next.</param>
public readonly record struct ByteRows(long Offset, long Width, long Pitch, long Count)
{
    internal static ByteRows All(long byteCount) => new(0, byteCount, byteCount, 1);
}

/// <summary>Nodes that a device computes as one, with shapes that are known. Immutable.</summary>
public sealed class DeviceRegion
{
    internal DeviceRegion(string name, Graph graph, ImmutableArray<RegionNode> nodes, ImmutableArray<RegionPlace> places, Cpu.WeightCache weights) =>
        (Name, Graph, Nodes, Places, Weights) = (name, graph, nodes, places, weights);

    /// <summary>What is made from constants for all regions of the session.</summary>
    internal Cpu.WeightCache Weights { get; }

    public string Name { get; }

    /// <summary>Has the facts of all values of the nodes.</summary>
    public Graph Graph { get; }

    /// <summary>In an order in which they may run; places are planned for this order. Views are left out: they share the places of what they show.</summary>
    public ImmutableArray<RegionNode> Nodes { get; }

    public ImmutableArray<RegionPlace> Places { get; }

    /// <summary>What is made from a constant, such as a copy on the device: made once for all regions of the session that ask under the same name, and freed with it.</summary>
    public T Derived<T>(Tensor constant, string form, Func<T> make) where T : class, IDisposable => Weights.GetOrAdd(constant, form, make);
}
