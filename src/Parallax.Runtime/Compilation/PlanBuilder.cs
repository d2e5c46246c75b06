using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Passes;
using Parallax.Kernels;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Compilation;

/// <summary>Turns a graph and the facts of its inputs into steps, slots and an arena layout.</summary>
internal sealed class PlanBuilder
{
    private static readonly IPass[] ShapePasses = [new FoldKnownContents(), new FoldConstants(new ConstantEvaluator()), new WidenNarrowFloats()];

    private readonly Graph graph;
    private readonly WeightCache weights;
    private readonly Func<Graph, CompiledGraph> compileBody;
    private readonly List<Slot> slots = [];
    private readonly List<Step> steps = [];
    private readonly Slot?[] slotOf;
    private readonly int[] lastUse; // by slot of the root value: index of the last node in order that reads it
    private readonly ValueId[] rootOf;
    private readonly List<(Slot Slot, DType Type, long[] Dims)> outputSlots = [];
    private readonly List<(int Position, Slot Slot)> datumOutputs = [];
    private int tableLength;

    private PlanBuilder(Graph graph, WeightCache weights, Func<Graph, CompiledGraph> compileBody)
    {
        this.graph = graph;
        this.weights = weights;
        this.compileBody = compileBody;
        slotOf = new Slot?[graph.ValueIdBound];
        lastUse = new int[graph.ValueIdBound];
        rootOf = new ValueId[graph.ValueIdBound];
    }

    internal static ExecutionPlan Build(Graph graph, IReadOnlyList<Fact> inputFacts, WeightCache weights, Func<Graph, CompiledGraph> compileBody)
    {
        Graph special = Rewriter.Run(Inference.Specialize(graph, inputFacts), ShapePasses, includeBodies: false).Graph;
        return new PlanBuilder(special, weights, compileBody).Build();
    }

    private ExecutionPlan Build()
    {
        IReadOnlyList<Node> order = graph.TopologicalOrder();
        FindRoots(order);
        PlaceInputsAndConstants();
        PlaceOutputs(order);
        for (int i = 0; i < order.Count; i++) AddNode(order[i], i);
        CollectOutputs();
        long noReuse = slots.Where(s => s.Kind == SlotKind.Arena).Sum(s => Align(s.ByteCount));
        long arena = ArenaLayout.Assign(steps, slots);
        return new ExecutionPlan
        {
            Steps = [.. steps],
            Slots = slots,
            ArenaBytes = arena,
            ArenaBytesNoReuse = noReuse,
            TableLength = tableLength,
            InputSlots = [.. graph.Inputs.Select(i => slotOf[i.Index]!)],
            OutputSlots = [.. outputSlots],
            DatumOutputs = [.. datumOutputs],
            OutputNames = [.. graph.Outputs.Select(o => o.Name)],
            LetGoAfter = LetGo(),
            Macs = order.Sum(n => graph.Cost(n).Macs.TryGetValue(out long macs) ? macs : 0),
        };
    }

    internal static long Align(long bytes) => (bytes + Storage.Alignment - 1) & ~(Storage.Alignment - 1L);

    private bool IsStatic(ValueId id) => graph.TensorFact(id) is { IsStatic: true } fact && fact.Type != DType.String;

    private bool IsStaticView(Node node) => node.Op.IsView && IsStatic(node.Inputs[0]) && IsStatic(node.Outputs[0]);

    private bool IsStatic(Node node) => node.Inputs.All(i => i.IsNone || IsStatic(i)) && node.Outputs.All(o => o.IsNone || IsStatic(o));

    private void FindRoots(IReadOnlyList<Node> order)
    {
        for (int i = 0; i < rootOf.Length; i++) rootOf[i] = new ValueId(i);
        Array.Fill(lastUse, -1);
        for (int i = 0; i < order.Count; i++)
        {
            if (IsStaticView(order[i])) rootOf[order[i].Outputs[0].Index] = Root(order[i].Inputs[0]);
            foreach (ValueId input in order[i].Inputs)
                if (!input.IsNone) lastUse[Root(input).Index] = i;
        }
        foreach (GraphOutput output in graph.Outputs) lastUse[Root(output.Value).Index] = int.MaxValue;
    }

    private ValueId Root(ValueId id) => rootOf[id.Index];

    private Slot NewSlot(SlotKind kind)
    {
        var slot = new Slot(slots.Count, kind);
        slots.Add(slot);
        return slot;
    }

    private void PlaceInputsAndConstants()
    {
        for (int i = 0; i < graph.Inputs.Count; i++)
        {
            Slot slot = NewSlot(SlotKind.Input);
            slot.Position = i;
            slotOf[graph.Inputs[i].Index] = slot;
        }
        foreach (Value value in graph.Values)
        {
            if (slotOf[value.Id.Index] is not null || value.Constant is not { } constant) continue;
            weights.Own(constant);
            var slot = new Slot(slots.Count, SlotKind.Constant) { Constant = constant };
            slots.Add(slot);
            slotOf[value.Id.Index] = slot;
        }
    }

    /// <summary>Graph outputs of known size are computed where they are wanted, unless their bytes belong to something else already.</summary>
    private void PlaceOutputs(IReadOnlyList<Node> order)
    {
        var computedStatically = new HashSet<ValueId>();
        foreach (Node node in order)
            if (!IsStaticView(node) && IsStatic(node) && CpuBindings.Find(node.Op.GetType()) is { } binding && !UsesHost(binding, node))
                foreach (ValueId output in node.Outputs)
                    if (!output.IsNone) computedStatically.Add(output);
        for (int i = 0; i < graph.Outputs.Count; i++)
        {
            ValueId value = graph.Outputs[i].Value, root = Root(value);
            if (!computedStatically.Contains(root) || slotOf[root.Index] is not null) continue;
            Slot slot = NewSlot(SlotKind.Output);
            slot.Position = i;
            slot.ByteCount = ByteCount(value);
            slotOf[root.Index] = slot;
            outputSlots.Add((slot, graph.TensorFact(value)!.Type, graph.TensorFact(value)!.Shape!.Value.ToArray()));
        }
    }

    private bool UsesHost(Binding binding, Node node) =>
        binding.UsesHost(graph.InputFacts(node).AsSpan(), [.. node.Outputs.Select(o => o.IsNone ? null : graph.Fact(o))]);

    private long ByteCount(ValueId id) => CostOf.Bytes(graph.Fact(id)).Value;

    private void AddNode(Node node, int index)
    {
        if (IsStaticView(node))
        {
            slotOf[node.Outputs[0].Index] = slotOf[node.Inputs[0].Index];
            return;
        }
        Binding? binding = CpuBindings.Find(node.Op.GetType());
        Operand?[] inputs = [.. node.Inputs.Select(i => i.IsNone ? (Operand?)null : OperandOf(i))];
        if (IsStatic(node) && binding?.Prepare is { } prepare && !UsesHost(binding, node))
        {
            Kernel kernel = Prepare(node, prepare);
            steps.Add(NewKernelStep(node, index, inputs, kernel));
            return;
        }
        foreach (ValueId output in node.Outputs)
            if (!output.IsNone) slotOf[output.Index] = NewSlot(SlotKind.Datum);
        if (binding is null && !node.Op.IsView) throw new UnsupportedModelException($"{node} is not supported", [node.Op.Name]);
        Operand?[] outputs = [.. node.Outputs.Select(o => o.IsNone ? (Operand?)null : OperandOf(o))];
        steps.Add(new DynamicStep(node, inputs, outputs, binding, [.. node.Op.Bodies.Select(compileBody)], weights));
    }

    private Kernel Prepare(Node node, Func<Op, PrepareContext, Kernel> prepare)
    {
        var context = new PrepareContext([.. node.Inputs.Select(graph.TensorFact)], [.. node.Outputs.Select(graph.TensorFact)], weights);
        try
        {
            return prepare(node.Op, context);
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

    private KernelStep NewKernelStep(Node node, int index, Operand?[] inputs, Kernel kernel)
    {
        for (int i = 0; i < node.Outputs.Length; i++)
        {
            ValueId output = node.Outputs[i];
            if (output.IsNone || slotOf[output.Index] is not null) continue;
            if (i == 0 && FindInPlace(node, index, inputs, kernel) is { } shared)
            {
                slotOf[output.Index] = shared;
                lastUse[Root(output).Index] = Math.Max(lastUse[Root(output).Index], index);
                continue;
            }
            Slot slot = NewSlot(SlotKind.Arena);
            slot.ByteCount = ByteCount(output);
            slotOf[output.Index] = slot;
        }
        var step = new KernelStep(node, inputs, [.. node.Outputs.Select(o => o.IsNone ? (Operand?)null : OperandOf(o))], kernel) { TableStart = tableLength };
        foreach (Operand? operand in step.Inputs.Concat(step.Outputs))
        {
            operand?.Slot.TablePositions.Add(tableLength);
            tableLength++;
        }
        if (kernel.ScratchBytes > 0)
        {
            step.Scratch = NewSlot(SlotKind.Arena);
            step.Scratch.ByteCount = kernel.ScratchBytes;
        }
        return step;
    }

    /// <summary>The slot of an input that dies here and may become the output.</summary>
    private Slot? FindInPlace(Node node, int index, Operand?[] inputs, Kernel kernel)
    {
        long bytes = ByteCount(node.Outputs[0]);
        for (int i = 0; i < inputs.Length; i++)
            if (inputs[i] is { Slot: { Kind: SlotKind.Arena } slot } && slot.ByteCount == bytes && lastUse[Root(node.Inputs[i]).Index] == index
                && kernel.CanRunInPlace(i) && !inputs.Where((o, j) => j != i && o?.Slot == slot).Any())
                return slot;
        return null;
    }

    private Operand OperandOf(ValueId id)
    {
        TensorFact? fact = graph.TensorFact(id);
        return new Operand(slotOf[id.Index]!, fact?.Type ?? DType.Undefined, fact is { IsStatic: true } ? fact.Shape!.Value.ToArray() : null);
    }

    /// <summary>What a graph output still needs after the last node: a copy of bytes that belong to something else, or a datum to hand out.</summary>
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
            Slot target = NewSlot(SlotKind.Output);
            target.Position = i;
            target.ByteCount = ByteCount(value);
            Operand source = OperandOf(value);
            outputSlots.Add((target, source.Type, source.Dims!));
            var node = new Node(new NodeId(-1), graph.Outputs[i].Name, new CopyToOutput(), [value], [value]);
            steps.Add(new CopyStep(node, source, source with { Slot = target }));
        }
    }

    /// <summary>Names the copies that <see cref="CollectOutputs"/> adds.</summary>
    private sealed record CopyToOutput : Op
    {
        public override ImmutableArray<Fact> Infer(InferContext context) => [context.Input(0)];
    }

    private Slot[][] LetGo()
    {
        for (int i = 0; i < steps.Count; i++)
            foreach (Operand? operand in steps[i].Inputs.Concat(steps[i].Outputs))
                if (operand is { Slot: { Kind: SlotKind.Datum } slot }) slot.LastUse = i;
        foreach ((_, Slot slot) in datumOutputs) slot.LastUse = -1;
        var result = new Slot[steps.Count][];
        Array.Fill(result, []);
        foreach (IGrouping<int, Slot> group in slots.Where(s => s.Kind == SlotKind.Datum && s.LastUse >= 0).GroupBy(s => s.LastUse)) result[group.Key] = [.. group];
        return result;
    }
}
