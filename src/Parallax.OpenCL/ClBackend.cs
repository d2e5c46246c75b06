using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.OpenCL.Bindings;
using Parallax.OpenCL.Calls;
using Parallax.OpenCL.Regions;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;

namespace Parallax.OpenCL;

/// <summary>
/// An OpenCL device that computes regions of graphs, for <see cref="SessionOptions.Backends"/>. May serve many sessions at once; dispose it after them.
/// Its programs are built as regions need them and kept on disk for the next process. Thread-safe.
/// </summary>
public sealed class ClBackend : IBackend
{
    private readonly ClContext context;
    private readonly ClMirrors mirrors;
    private readonly ClWorkGroups? workGroups;
    private readonly WeightCache unused; // calls that are only looked at bring nothing to the device
    private readonly bool isOwner;

    private ClBackend(ClContext context, string name)
    {
        this.context = context;
        isOwner = true;
        unused = new WeightCache(Precision.Standard);
        Name = name;
        mirrors = new ClMirrors(context);
        Allocator = context.Sharing == ClSharing.Copied ? null : new ClArenas(context);
        Model = ClAssumptions.Of(name, context.Device, context.Sharing);
    }

    private ClBackend(ClBackend owner, ClWorkGroups workGroups, bool isStrict)
    {
        (context, mirrors, this.workGroups) = (owner.context, owner.mirrors, workGroups);
        unused = isStrict ? new WeightCache(Precision.Strict) : owner.unused;
        (Name, Allocator, Model) = (owner.Name, owner.Allocator, owner.Model);
    }

    /// <summary>Opens a device. Loads OpenCL if nobody did before.</summary>
    /// <param name="device">One of <see cref="ClDevice.All"/>; null for the first GPU, or the first device where there is none.</param>
    /// <exception cref="DeviceException">There is no device, it cannot share memory as asked, or its driver fails.</exception>
    public static ClBackend Open(ClDevice? device = null, ClBackendOptions? options = null)
    {
        device ??= Preferred ?? throw new DeviceException("there is no OpenCL device: neither a loader nor a driver was found, or no driver answers");
        options ??= new ClBackendOptions();
        return new ClBackend(new ClContext(device, options.Sharing, options.Strict), options.Name ?? UsualName(device));
    }

    /// <summary>The device that is opened where none is named; null where there is none. Loads OpenCL if nobody did before.</summary>
    public static ClDevice? Preferred => ClDevice.All.FirstOrDefault(d => d.Kind == ClDeviceKind.Gpu) ?? ClDevice.All.FirstOrDefault();

    public string Name { get; }

    public ClDevice Device => context.Device;

    /// <summary>How memory is shared with the CPU.</summary>
    public ClSharing Sharing => context.Sharing;

    public string Description => $"{Device.Identity}, {ClAssumptions.Describe(Sharing)}";

    /// <summary>What is assumed of a device of this kind; a session takes the constants of its device profile instead where that has them.</summary>
    public AcceleratorModel Model { get; }

    public IArenaAllocator? Allocator { get; }

    public string? WhyNotHalf => Device.WhyNotHalf;

    internal ClContext Context => context;

    public string? WhyNot(Graph graph, Node node)
    {
        if (node.Op.IsView) return null;
        return ClBindings.Find(node.Op.GetType()) is { } binding ? binding.WhyNot(node.Op, RegionFacts.Of(graph, node)) : "no kernel for it";
    }

    public KernelFacts KernelOf(Graph graph, Node node, OutputPart? part = null) => SketchOf(graph, node, part)?.Facts() ?? default;

    public long? SplitGranule(Graph graph, Node node, OutputAxis axis) => ClBindings.Find(node.Op.GetType())?.SplitGranule(node.Op, RegionFacts.Of(graph, node), axis);

    public ICompiledRegion Compile(DeviceRegion region) => new ClRegion(context, mirrors, region, workGroups);

    public IBackend Tuned(ImmutableArray<TunedWorkGroup> workGroups, bool isStrict = false) => new ClBackend(this, new ClWorkGroups(Device, workGroups), isStrict);

    public ImmutableArray<TunableLaunch> TunableLaunches(Graph graph, Node node) => SketchOf(graph, node) is not { } call ? [] :
    [
        .. call.Launches.Where(launch => launch.IsTunable && !launch.Grid.IsEmpty).DistinctBy(launch => (launch.Name, launch.Grid.Class))
            .Select(launch => new TunableLaunch(launch.Name, launch.Grid.Class, launch.Grid.OtherSizes(Device))),
    ];

    /// <summary>Waits for what is under way and frees the device. Arenas that are still in use keep their memory until they are freed.</summary>
    public void Dispose()
    {
        if (!isOwner) return;
        unused.Dispose();
        context.Dispose();
    }

    /// <summary>The call of a supported node, only to be looked at; null where the node has none.</summary>
    private ClCall? SketchOf(Graph graph, Node node, OutputPart? part = null)
    {
        if (node.Op.IsView || ClBindings.Find(node.Op.GetType()) is not { } binding) return null;
        OperandFacts facts = RegionFacts.Of(graph, node);
        return binding.Prepare(node.Op, new ClPrepareContext(facts.Inputs, facts.Outputs, context, unused) { Part = part, WorkGroups = workGroups, IsSketch = true });
    }

    private static string UsualName(ClDevice device) => ClDevice.All.IndexOf(device) is var index and > 0 ? $"opencl:{index}" : "opencl";
}
