using System.Collections.Immutable;
using Parallax.OpenCL.Bindings;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;

namespace Parallax.OpenCL.Regions;

/// <summary>A region as a list of commands: a call for each node, one after another. Immutable; constants in the device's memory belong to the session.</summary>
internal sealed class ClRegion : ICompiledRegion
{
    private readonly ClContext context;
    private readonly ClMirrors mirrors;

    /// <param name="workGroups">Sizes of work-groups that are taken instead of the rule's; null where the rule alone counts.</param>
    internal ClRegion(ClContext context, ClMirrors mirrors, DeviceRegion region, ClWorkGroups? workGroups)
    {
        this.context = context;
        this.mirrors = mirrors;
        Places = region.Places;
        Steps = [.. region.Nodes.Select(node => Prepare(region, node, workGroups))];
        ScratchBytes = Steps.Max(step => step.Call.ScratchBytes);
        Kernels = [.. Steps.Select(step => step.Call.Implementation)];
    }

    internal ImmutableArray<RegionPlace> Places { get; }

    internal ImmutableArray<ClStep> Steps { get; }

    /// <summary>Steps run one after another and share it.</summary>
    internal long ScratchBytes { get; }

    public ImmutableArray<string> Kernels { get; }

    public IRegionCall CreateCall(Storage arena, ReadOnlySpan<long> offsets)
    {
        if (arena is ClArena { Buffer: var shared } && shared.BelongsTo(context)) return new ClRegionCall(context, this, arena, offsets, mirror: null);
        ClMirror mirror = mirrors.Of(arena);
        try
        {
            return new ClRegionCall(context, this, arena, offsets, mirror);
        }
        catch
        {
            mirror.Dispose();
            throw;
        }
    }

    private ClStep Prepare(DeviceRegion region, RegionNode node, ClWorkGroups? workGroups)
    {
        OperandFacts facts = RegionFacts.Of(region.Graph, node.Node);
        var prepare = new ClPrepareContext(facts.Inputs, facts.Outputs, context, region.Weights) { Part = node.Part, WorkGroups = workGroups };
        ClCall call = ClBindings.Find(node.Node.Op.GetType())!.Prepare(node.Node.Op, prepare);
        // Only those constants that a kernel reads as they are: others are there in another form, or were read when the call was prepared.
        HashSet<int> read = [.. call.Launches.SelectMany(launch => launch.Args).Where(arg => arg.Kind == ClArgKind.Input).Select(arg => arg.Index)];
        return new ClStep(call,
            [.. node.Inputs.Select((operand, i) => operand is { Constant: { } constant } && read.Contains(i) ? prepare.Weight(constant) : null)],
            [.. node.Inputs.Select(PlaceOf)], [.. node.Outputs.Select(PlaceOf)]);
    }

    private static int PlaceOf(RegionOperand? operand) => operand?.Place ?? -1;

    public void Dispose()
    {
    }
}

/// <summary>The work of a node.</summary>
/// <param name="Constants">By input; null where it has a place, is absent, or is not read.</param>
/// <param name="Inputs">Places by input; -1 where there is none.</param>
/// <param name="Outputs">Places by output; -1 where it is not wanted.</param>
internal sealed record ClStep(ClCall Call, ImmutableArray<ClBuffer?> Constants, ImmutableArray<int> Inputs, ImmutableArray<int> Outputs);
