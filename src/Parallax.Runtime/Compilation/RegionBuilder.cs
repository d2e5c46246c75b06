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
internal sealed class RegionBuilder(Graph graph, SlotTable slots, WeightCache weights, Branch branch)
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
    /// <param name="prepare">Makes the CPU's kernel of a node.</param>
    internal RegionStep Build(SessionDevice device, string name, Func<Node, bool> isView, Func<Node, Kernel> prepare)
    {
        Node[] all = [.. branch.Nodes.Select(n => graph[n])], working = [.. all.Where(n => !isView(n))];
        foreach (Node node in all)
            if (isView(node)) slots[node.Outputs[0]] = slots[node.Inputs[0]];
            else Add(node, working.Length - 1);
        HashSet<Slot> isRead = ReadElsewhere(all);
        ImmutableArray<RegionPlace> described = [.. places.Select(p => new RegionPlace(p.ByteCount, !written.Contains(p), written.Contains(p) && isRead.Contains(p)))];
        var region = new DeviceRegion(name, graph, [.. nodes], described, weights);
        return new RegionStep(new Node(new NodeId(-1), name, new Region(), [], []), [.. reads], [.. writes], device, device.Backend.Compile(region), working)
        {
            Branch = branch.Id.Index,
            Places = [.. places],
            CopiesIn = [.. copiesIn],
            CopiesOut = [.. copiesOut],
            Twin = new Lazy<KernelStep[]>(() => [.. twins.Select(t => new KernelStep(t.Node, t.Inputs, t.Outputs, prepare(t.Node)) { TableStart = t.TableStart })]),
        };
    }

    private Slot Inside(ValueId id) => staged.GetValueOrDefault(slots[id]!, slots[id]!);

    private void Add(Node node, int last)
    {
        int step = nodes.Count;
        foreach (ValueId input in node.Inputs)
            if (!input.IsNone) Read(input, step, last);
        foreach (ValueId output in node.Outputs)
            if (!output.IsNone) Write(output, step, last);
        Operand?[] inputs = [.. node.Inputs.Select(OperandOf)], outputs = [.. node.Outputs.Select(OperandOf)];
        nodes.Add(new RegionNode(node, [.. node.Inputs.Select(PlaceOf)], [.. node.Outputs.Select(PlaceOf)]));
        twins.Add((node, inputs, outputs, slots.AddTableEntries(inputs.Concat(outputs))));
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
