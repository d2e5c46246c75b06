using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Passes;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Compilation;

/// <summary>Turns a graph and the facts of its inputs into a partition, the steps of its branches, and the memory that they need.</summary>
internal sealed class PlanBuilder
{
    private static readonly IPass[] ShapePasses = [new FoldKnownContents(), new FoldConstants(new ConstantEvaluator()), new WidenNarrowFloats()];

    private readonly Graph graph;
    private readonly Partition partition;
    private readonly WeightCache weights;
    private readonly Func<Graph, CompiledGraph> compileBody;
    private readonly List<Slot> slots = [];
    private readonly Slot?[] slotOf;
    private readonly ValueLifetimes lifetimes;
    private readonly BufferTable buffers = new();
    private readonly List<(Slot Slot, DType Type, long[] Dims)> outputSlots = [];
    private readonly List<(int Position, Slot Slot)> datumOutputs = [];
    private readonly List<CopyStep> finalCopies = [];
    private int tableLength;

    private PlanBuilder(Graph graph, RunSettings settings, WeightCache weights, Func<Graph, CompiledGraph> compileBody)
    {
        this.graph = graph;
        this.weights = weights;
        this.compileBody = compileBody;
        partition = Partitioner.Partition(graph, new PartitionOptions(settings.CostModel, settings.Accelerators));
        slotOf = new Slot?[graph.ValueIdBound];
        lifetimes = new ValueLifetimes(partition, IsStaticView);
    }

    internal static ExecutionPlan Build(Graph graph, IReadOnlyList<Fact> inputFacts, RunSettings settings, WeightCache weights, Func<Graph, CompiledGraph> compileBody)
    {
        Graph special = Rewriter.Run(Inference.Specialize(graph, inputFacts), ShapePasses, includeBodies: false).Graph;
        return new PlanBuilder(special, settings, weights, compileBody).Build(settings);
    }

    private ExecutionPlan Build(RunSettings settings)
    {
        PlaceInputsAndConstants();
        PlaceOutputs();
        var branches = new Step[partition.Branches.Length][];
        foreach (Branch branch in partition.Branches) branches[branch.Id.Index] = BuildBranch(branch);
        CollectOutputs();
        CountUses(branches);
        return new ExecutionPlan
        {
            Partition = partition,
            Branches = branches,
            FinalCopies = [.. finalCopies],
            StepCount = Number(branches),
            Slots = slots,
            Memory = new MemoryProblem(partition.BranchGraph, [.. branches.Select(b => Math.Max(1, b.Length))], buffers.ToImmutable(),
                [.. partition.Branches.Select(b => b.Placement.PredictedUs)]),
            Times = BranchTimes.Of(partition, settings.CostModel, settings.Workers, Kernels(branches)),
            TableLength = tableLength,
            InputSlots = [.. graph.Inputs.Select(i => slotOf[i.Index]!)],
            OutputSlots = [.. outputSlots],
            DatumOutputs = [.. datumOutputs],
            OutputNames = [.. graph.Outputs.Select(o => o.Name)],
            DatumSlots = [.. slots.Where(s => s.Kind == SlotKind.Datum)],
            HasDynamicSteps = branches.Any(b => b.Any(s => s is DynamicStep)),
            Uses = [.. slots.Select(s => s.Uses)],
            Macs = partition.Branches.Sum(b => b.Macs),
        };
    }

    /// <summary>The kernels of nodes; null for what is prepared at run time.</summary>
    private static Func<NodeId, KernelFacts?> Kernels(Step[][] branches)
    {
        Dictionary<NodeId, KernelFacts> kernels = branches.SelectMany(b => b).OfType<KernelStep>().ToDictionary(s => s.Node.Id, s => s.Facts);
        return id => kernels.TryGetValue(id, out KernelFacts facts) ? facts : null;
    }

    private bool IsStatic(ValueId id) => graph.TensorFact(id) is { IsStatic: true } fact && fact.Type != DType.String;

    private bool IsStaticView(Node node) => node.Op.IsView && IsStatic(node.Inputs[0]) && IsStatic(node.Outputs[0]);

    private bool IsStatic(Node node) => node.Inputs.All(i => i.IsNone || IsStatic(i)) && node.Outputs.All(o => o.IsNone || IsStatic(o));

    /// <summary>The binding of a node that becomes a prepared kernel; null for views and for nodes that run on whole data.</summary>
    private Binding? KernelBinding(Node node) =>
        !IsStaticView(node) && IsStatic(node) && CpuBindings.Find(node.Op.GetType()) is { Prepare: not null } binding
        && !binding.UsesHost(graph.InputFacts(node).AsSpan(), [.. node.Outputs.Select(o => o.IsNone ? null : graph.Fact(o))])
            ? binding
            : null;

    private Slot Add(Slot slot)
    {
        slots.Add(slot);
        return slot;
    }

    private Slot NewArenaSlot(long bytes) => Add(new Slot(slots.Count, SlotKind.Arena) { ByteCount = bytes, Buffer = buffers.Add(bytes) });

    private void PlaceInputsAndConstants()
    {
        for (int i = 0; i < graph.Inputs.Count; i++)
            slotOf[graph.Inputs[i].Index] = Add(new Slot(slots.Count, SlotKind.Input) { Position = i });
        foreach (Value value in graph.Values)
        {
            if (slotOf[value.Id.Index] is not null || value.Constant is not { } constant) continue;
            weights.Own(constant);
            slotOf[value.Id.Index] = Add(new Slot(slots.Count, SlotKind.Constant) { Constant = constant });
        }
    }

    /// <summary>Graph outputs of known size are computed where they are wanted, unless their bytes belong to something else already.</summary>
    private void PlaceOutputs()
    {
        for (int i = 0; i < graph.Outputs.Count; i++)
        {
            ValueId value = graph.Outputs[i].Value, root = lifetimes.Root(value);
            if (slotOf[root.Index] is not null || graph.Producer(root) is not { } producer || KernelBinding(producer) is null) continue;
            Slot slot = Add(new Slot(slots.Count, SlotKind.Output) { Position = i, ByteCount = ByteCount(value) });
            slotOf[root.Index] = slot;
            outputSlots.Add((slot, graph.TensorFact(value)!.Type, graph.TensorFact(value)!.Shape!.Value.ToArray()));
        }
    }

    private long ByteCount(ValueId id) => CostOf.Bytes(graph.Fact(id)).Value;

    private Step[] BuildBranch(Branch branch)
    {
        var steps = new List<Step>();
        foreach (NodeId id in branch.Nodes)
        {
            Node node = graph[id];
            // A datum carries its shape with it: a view of one is another datum.
            if (IsStaticView(node) && slotOf[node.Inputs[0].Index]!.Kind != SlotKind.Datum)
            {
                slotOf[node.Outputs[0].Index] = slotOf[node.Inputs[0].Index];
                continue;
            }
            Step step = KernelBinding(node) is { } binding ? NewKernelStep(node, binding) : NewDynamicStep(node);
            foreach (Operand? operand in step.Inputs.Concat(step.Outputs))
                if (operand is { Slot: { Kind: SlotKind.Arena } slot }) buffers.Touch(slot.Buffer, branch.Id, steps.Count);
            if (step is KernelStep { Scratch: { } scratch }) buffers.Touch(scratch.Buffer, branch.Id, steps.Count);
            steps.Add(step);
        }
        return [.. steps];
    }

    private DynamicStep NewDynamicStep(Node node)
    {
        Binding? binding = CpuBindings.Find(node.Op.GetType());
        if (binding is null && !node.Op.IsView) throw new UnsupportedModelException($"{node} is not supported", [node.Op.Name]);
        Operand?[] inputs = [.. node.Inputs.Select(OperandOf)];
        foreach (ValueId output in node.Outputs)
            if (!output.IsNone) slotOf[output.Index] = Add(new Slot(slots.Count, SlotKind.Datum));
        return new DynamicStep(node, inputs, [.. node.Outputs.Select(OperandOf)], binding, [.. node.Op.Bodies.Select(compileBody)], weights);
    }

    private KernelStep NewKernelStep(Node node, Binding binding)
    {
        Operand?[] inputs = [.. node.Inputs.Select(OperandOf)];
        Kernel kernel = Prepare(node, binding);
        for (int i = 0; i < node.Outputs.Length; i++)
        {
            ValueId output = node.Outputs[i];
            if (output.IsNone || slotOf[output.Index] is not null) continue;
            slotOf[output.Index] = (i == 0 ? FindInPlace(node, inputs, kernel) : null) ?? NewArenaSlot(ByteCount(output));
        }
        var step = new KernelStep(node, inputs, [.. node.Outputs.Select(OperandOf)], kernel)
        {
            TableStart = tableLength,
            Scratch = kernel.ScratchBytes > 0 ? NewArenaSlot(kernel.ScratchBytes) : null,
        };
        foreach (Operand? operand in step.Inputs.Concat(step.Outputs))
        {
            operand?.Slot.TablePositions.Add(tableLength);
            tableLength++;
        }
        return step;
    }

    private Kernel Prepare(Node node, Binding binding)
    {
        var context = new PrepareContext([.. node.Inputs.Select(graph.TensorFact)], [.. node.Outputs.Select(graph.TensorFact)], weights);
        try
        {
            return binding.Prepare!(node.Op, context);
        }
        catch (InvalidModelException e)
        {
            throw new InvalidModelException($"{node}: {e.Message}", e);
        }
        catch (UnsupportedModelException e)
        {
            throw new UnsupportedModelException($"{node}: {e.Message}", e.Unsupported);
        }
    }

    /// <summary>The slot of an input that dies here, whatever the schedule, and may become the output.</summary>
    private Slot? FindInPlace(Node node, Operand?[] inputs, Kernel kernel)
    {
        long bytes = ByteCount(node.Outputs[0]);
        for (int i = 0; i < inputs.Length; i++)
            if (inputs[i] is { Slot: { Kind: SlotKind.Arena } slot } && slot.ByteCount == bytes && kernel.CanRunInPlace(i)
                && lifetimes.DiesAt(node.Inputs[i], node) && !inputs.Where((o, j) => j != i && o?.Slot == slot).Any())
                return slot;
        return null;
    }

    private Operand? OperandOf(ValueId id)
    {
        if (id.IsNone) return null;
        TensorFact? fact = graph.TensorFact(id);
        return new Operand(slotOf[id.Index]!, fact?.Type ?? DType.Undefined, fact is { IsStatic: true } ? fact.Shape!.Value.ToArray() : null);
    }

    /// <summary>What a graph output still needs after the last branch: a copy of bytes that belong to something else, or a datum to hand out.</summary>
    private void CollectOutputs()
    {
        for (int i = 0; i < graph.Outputs.Count; i++)
        {
            ValueId value = graph.Outputs[i].Value;
            Slot slot = slotOf[value.Index]!;
            if (slot.Kind == SlotKind.Output && slot.Position == i) continue;
            if (!IsStatic(value) || slot.Kind == SlotKind.Datum)
            {
                datumOutputs.Add((i, slot));
                continue;
            }
            Slot target = Add(new Slot(slots.Count, SlotKind.Output) { Position = i, ByteCount = ByteCount(value) });
            Operand source = OperandOf(value)!.Value;
            outputSlots.Add((target, source.Type, source.Dims!));
            var node = new Node(new NodeId(-1), graph.Outputs[i].Name, new CopyToOutput(), [value], [value]);
            finalCopies.Add(new CopyStep(node, source, source with { Slot = target }));
        }
    }

    /// <summary>Data are let go when the last step has read them, but for those that are handed out.</summary>
    private void CountUses(Step[][] branches)
    {
        foreach (Step step in branches.SelectMany(b => b))
            foreach (Slot slot in step.DatumReads) slot.Uses++;
        foreach ((_, Slot slot) in datumOutputs) slot.Uses = 0;
    }

    private int Number(Step[][] branches)
    {
        int count = 0;
        foreach (Step step in branches.SelectMany(b => b).Concat(finalCopies)) step.Index = count++;
        return count;
    }

    /// <summary>Names the copies that <see cref="CollectOutputs"/> adds.</summary>
    private sealed record CopyToOutput : Op
    {
        public override ImmutableArray<Fact> Infer(InferContext context) => [context.Input(0)];
    }
}
