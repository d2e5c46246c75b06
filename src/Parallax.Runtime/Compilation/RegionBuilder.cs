using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Compilation;

/// <summary>
/// Makes one step of a region that a device computes. The region sees only the arena: what it reads or writes elsewhere, in the caller's memory, is copied
/// from and to places of its own. What it reads stays as it is until it has ended, so that the CPU can run it once more from its start.
/// </summary>
/// <param name="split">Where the only node is cut of which the device computes a part and the CPU the rest; null for a region that the device computes alone.</param>
internal sealed class RegionBuilder(Graph graph, SlotTable slots, WeightCache weights, Branch branch, NodeSplit? split)
{
    private readonly Dictionary<Slot, Slot> staged = []; // for what lies outside the arena, where the region sees it
    private readonly Dictionary<Slot, int> placeOf = [];
    private readonly List<Slot> places = [];
    private readonly HashSet<Slot> written = [];
    private readonly List<RegionCopy> copiesIn = [], copiesOut = [];
    private readonly List<Operand?> reads = [], writes = [];
    private readonly List<RegionNode> nodes = [];
    private readonly List<(Node Node, Operand?[] Inputs, Operand?[] Outputs, int TableStart)> twins = [];

    /// <param name="isView">Whether a node only shows bytes under another shape.</param>
    /// <param name="prepare">Makes the CPU's kernel of a node, or of a part of its result.</param>
    internal RegionStep Build(SessionDevice device, string name, Func<Node, bool> isView, Func<Node, OutputPart?, Kernel> prepare)
    {
        OutputPart? ofDevice = split is null ? null : PartFrom(split.Cut);
        Node[] all = [.. branch.Nodes.Select(n => graph[n])], working = [.. all.Where(n => !isView(n))];
        foreach (Node node in all)
            if (isView(node)) slots.Place(node.Outputs[0], node.Inputs[0], 0);
            else Add(node, working.Length - 1, ofDevice);
        HashSet<Slot> isRead = ReadElsewhere(all);
        ImmutableArray<RegionPlace> described = [.. places.Select(p => Describe(p, isRead, ofDevice))];
        var region = new DeviceRegion(name, graph, [.. nodes], described, weights);
        ICompiledRegion compiled = device.Backend.Compile(region);
        Node shown = split is null ? new Node(new NodeId(-1), name, new Region(), [], []) : working[0];
        return new RegionStep(shown, [.. reads], [.. writes], device, compiled, working)
        {
            Branch = branch.Id.Index,
            Places = [.. places],
            CopiesIn = [.. copiesIn],
            CopiesOut = [.. copiesOut],
            CpuPart = split is null ? null : CpuPart(prepare),
            Twin = new Lazy<KernelStep[]>(() => [.. twins.Select(t => new KernelStep(t.Node, t.Inputs, t.Outputs, prepare(t.Node, ofDevice)) { TableStart = t.TableStart })]),
        };
    }

    private OutputPart PartFrom(long cut) => new(cut, OutputAxes.ExtentOf(graph, graph[branch.Nodes[0]], split!.Axis)!.Value - cut, split.Axis);

    private RegionPlace Describe(Slot place, HashSet<Slot> isRead, OutputPart? part)
    {
        bool isWritten = written.Contains(place);
        var described = new RegionPlace(place.ByteCount, !isWritten, isWritten && isRead.Contains(place));
        return part is { } some ? described with { Used = UsedBy(some, place) } : described;
    }

    /// <summary>What a part of the only node uses of a place: all, where inputs that lie there are not used alike.</summary>
    private ByteRows UsedBy(OutputPart part, Slot place)
    {
        RegionNode only = nodes[0];
        Node node = only.Node;
        if (written.Contains(place)) return PartBytes.OfResult(graph, node, part);
        ByteRows[] uses = [.. Enumerable.Range(0, only.Inputs.Length).Where(i => only.Inputs[i] is { Place: >= 0 and var at } && places[at] == place)
            .Select(i => PartBytes.OfInput(graph, node, part, i) ?? ByteRows.All(place.ByteCount)).Distinct()];
        return uses is [var use] ? use : ByteRows.All(place.ByteCount);
    }

    /// <summary>The kernel of what lies before the cut, over the operands that the device has too.</summary>
    private KernelStep CpuPart(Func<Node, OutputPart?, Kernel> prepare)
    {
        (Node node, Operand?[] inputs, Operand?[] outputs, int tableStart) = twins[0];
        Kernel kernel = prepare(node, split!.CpuPart);
        Slot? scratch = kernel.ScratchBytes > 0 ? slots.AddArena(kernel.ScratchBytes) : null;
        if (scratch is not null) Touch(scratch, 0);
        return new KernelStep(node, inputs, outputs, kernel) { TableStart = tableStart, Scratch = scratch };
    }

    private Slot Inside(ValueId id) => staged.GetValueOrDefault(slots[id]!, slots[id]!);

    private void Add(Node node, int last, OutputPart? part)
    {
        int step = nodes.Count;
        foreach (ValueId input in node.Inputs)
            if (!input.IsNone) Read(input, step, last);
        foreach (ValueId output in node.Outputs)
            if (!output.IsNone) Write(output, step, last);
        Operand?[] inputs = [.. node.Inputs.Select(OperandOf)], outputs = [.. node.Outputs.Select(OperandOf)];
        nodes.Add(new RegionNode(node, [.. node.Inputs.Select(PlaceOf)], [.. node.Outputs.Select(PlaceOf)]) { Part = part });
        int tableStart = slots.AddTableEntries(inputs);
        slots.AddTableEntries(outputs);
        twins.Add((node, inputs, outputs, tableStart));
    }

    private void Read(ValueId id, int step, int last)
    {
        Slot slot = Inside(id);
        if (slot.Kind == SlotKind.Constant) return;
        if (!placeOf.ContainsKey(slot))
        {
            reads.Add(slots.OperandOf(id));
            if (slot.Kind != SlotKind.Arena)
            {
                staged[slot] = slots.AddArena(CostOf.Bytes(graph.Fact(id)).Value);
                copiesIn.Add(new RegionCopy(slot, staged[slot]));
                slot = staged[slot];
            }
            AddPlace(slot);
            Touch(slot, 0);
            Touch(slot, last);
        }
        Touch(slot, step);
    }

    private void Write(ValueId id, int step, int last)
    {
        Slot slot = slots.AddArena(CostOf.Bytes(graph.Fact(id)).Value);
        if (slots[id] is { } wanted)
        {
            // A graph output, in memory that is known only when it runs.
            staged[wanted] = slot;
            copiesOut.Add(new RegionCopy(slot, wanted));
            Touch(slot, last);
        }
        else slots[id] = slot;
        writes.Add(slots.OperandOf(id));
        written.Add(slot);
        AddPlace(slot);
        Touch(slot, step);
    }

    private void AddPlace(Slot slot)
    {
        placeOf.Add(slot, places.Count);
        places.Add(slot);
        slot.IsOnDevice = true;
    }

    private void Touch(Slot slot, int step) => slots.Buffers.Touch(slot.Buffer, branch.Id, step);

    private Operand? OperandOf(ValueId id) => id.IsNone ? null : slots.OperandOf(id, Inside(id));

    private RegionOperand? PlaceOf(ValueId id)
    {
        if (id.IsNone) return null;
        Slot slot = Inside(id);
        return slot.Kind == SlotKind.Constant ? new RegionOperand(-1, slot.Constant) : new RegionOperand(placeOf[slot], null);
    }

    /// <summary>The places that somebody reads after the region.</summary>
    private HashSet<Slot> ReadElsewhere(Node[] all)
    {
        HashSet<NodeId> members = [.. all.Select(n => n.Id)];
        IEnumerable<ValueId> leaving = all.SelectMany(n => n.Outputs).Where(v => !v.IsNone && graph.Consumers(v).Any(c => !members.Contains(c)));
        return [.. leaving.Select(Inside), .. copiesOut.Select(c => c.From)];
    }

    /// <summary>Names the step of a region.</summary>
    private sealed record Region : Op
    {
        public override ImmutableArray<Fact> Infer(InferContext context) => throw new InvalidOperationException("a region has no facts of its own");
    }
}
