using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Passes;
using Parallax.Kernels;
using Parallax.Kernels.Copy;
using Parallax.Planning;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Compilation;

/// <summary>Turns a graph and the facts of its inputs into a partition, the steps of its branches, and the memory that they need.</summary>
internal sealed class PlanBuilder
{
    private static readonly IPass[] ShapePasses =
        [new FoldKnownContents(), new FoldConstants(new ConstantEvaluator()), new WidenNarrowFloats(), new MergeRowMoves(new ConstantEvaluator()), new AttendBeforeProjecting()];

    private readonly Graph graph;
    private readonly IReadOnlyDictionary<string, int> fired;
    private readonly Partition partition;
    private readonly WeightCache weights;
    private readonly Func<Graph, CompiledGraph> compileBody;
    private readonly ImmutableArray<SessionDevice> devices;
    private readonly HashSet<ValueId> data; // values that get a slot of their own as whole data
    private readonly SlotTable slots;
    private readonly List<(Slot Slot, DType Type, long[] Dims)> outputSlots = [];
    private readonly List<(int Position, Slot Slot)> datumOutputs = [];
    private readonly List<CopyStep> finalCopies = [];
    private readonly List<Step> made = [];
    private KernelPreparation? prepared;
    private CopyElision elision = null!; // these two from the kernels, when they are prepared
    private ValueLifetimes lifetimes = null!;
    private readonly bool isNested;
    private SessionDevice? compiling;

    private PlanBuilder(RewriteResult rewritten, RunSettings settings, WeightCache weights, Func<Graph, CompiledGraph> compileBody)
    {
        graph = rewritten.Graph;
        fired = rewritten.Fired;
        this.weights = weights;
        this.compileBody = compileBody;
        isNested = settings.IsNested;
        devices = settings.Devices;
        data = FindData();
        ImmutableArray<IRegionBackend> present = [.. devices.Where(d => d.Lost is null).Select(d => d.For(WhyNotOnDevice))];
        var splits = new ForcedSplits(graph, present, settings.Splits);
        Partition found = Partitioner.Partition(graph, new PartitionOptions(settings.CostModel, [.. present, .. settings.Accelerators])
        {
            Splits = splits.Made, Joint = settings.Joint, Workers = settings.Workers, CpuKernelOf = (of, node, part) => CpuKernels.FactsOf(of, node, weights.Precision == Precision.Strict, part),
        });
        partition = found with { Unsupported = found.Unsupported.AddRange(splits.Refused) };
        slots = new SlotTable(graph);
    }

    internal static ExecutionPlan Build(Graph graph, IReadOnlyList<Fact> inputFacts, RunSettings settings, WeightCache weights, Func<Graph, CompiledGraph> compileBody)
    {
        RewriteResult special = Rewriter.Run(Inference.Specialize(graph, inputFacts), ShapePasses, includeBodies: false);
        while (true)
        {
            var builder = new PlanBuilder(special, settings, weights, compileBody);
            try
            {
                return builder.Build(settings);
            }
            catch (DeviceException e) when (builder.compiling is { } device)
            {
                device.Lose(e);
                builder.Discard();
            }
            catch
            {
                builder.Discard();
                throw;
            }
        }
    }

    private ExecutionPlan Build(RunSettings settings)
    {
        PlaceInputsAndConstants();
        PrepareKernels(settings);
        elision = new CopyElision(partition, IsView, n => DeviceOf(partition[partition.BranchOf[n.Id.Index]]) is not null, prepared!.Find);
        lifetimes = new ValueLifetimes(partition, elision);
        PlaceOutputs();
        var branches = new Step[partition.Branches.Length][];
        foreach (Branch branch in partition.Branches) branches[branch.Id.Index] = DeviceOf(branch) is { } device ? [BuildRegion(branch, device)] : BuildBranch(branch);
        CollectOutputs();
        CountUses(branches);
        return new ExecutionPlan
        {
            Partition = partition,
            Fired = fired,
            Branches = branches,
            FinalCopies = [.. finalCopies],
            StepCount = Number(branches),
            Slots = slots.Slots,
            Memory = new MemoryProblem(partition.BranchGraph, [.. branches.Select(b => Math.Max(1, b.Sum(s => s.Length)))], slots.Buffers.ToImmutable(),
                [.. partition.Branches.Select(b => b.Placement.PredictedUs)]),
            Times = BranchTimes.Of(partition, settings.CostModel, settings.Workers, Kernels(branches)),
            TableLength = slots.TableLength,
            InputSlots = [.. graph.Inputs.Select(i => slots[i]!)],
            OutputSlots = [.. outputSlots],
            DatumOutputs = [.. datumOutputs],
            OutputNames = [.. graph.Outputs.Select(o => o.Name)],
            DatumSlots = [.. slots.Slots.Where(s => s.Kind == SlotKind.Datum)],
            HasDynamicSteps = branches.Any(b => b.Any(s => s is DynamicStep)),
            HasRegions = branches.Any(b => b is [RegionStep]),
            Uses = [.. slots.Slots.Select(s => s.Uses)],
            Macs = partition.Branches.Sum(b => b.Macs),
        };
    }

    /// <summary>The kernels of nodes; null for what is prepared at run time.</summary>
    private Func<NodeId, KernelFacts?> Kernels(Step[][] branches)
    {
        var kernels = new Dictionary<NodeId, KernelFacts>();
        foreach (Step[] branch in branches)
            foreach (Step step in branch)
                if (step.OnCpu is { } onCpu) kernels.Add(onCpu.Node.Id, onCpu.Facts);
        return id => kernels.TryGetValue(id, out KernelFacts facts) ? facts : elision.DoesNothing(graph[id]) ? KernelFacts.None : null;
    }

    private bool IsStatic(ValueId id) => graph.TensorFact(id) is { IsStatic: true } fact && fact.Type != DType.String;

    private bool IsStaticView(Node node) => node.Op.IsView && IsStatic(node.Inputs[0]) && IsStatic(node.Outputs[0]);

    /// <summary>Whether a node only shows the bytes of its input. A datum carries its shape with it: a view of one is another datum.</summary>
    private bool IsView(Node node) => IsStaticView(node) && !data.Contains(node.Inputs[0]);

    private bool IsStatic(Node node) => AreStatic(node.Inputs) && AreStatic(node.Outputs);

    private bool AreStatic(ImmutableArray<ValueId> values)
    {
        foreach (ValueId value in values)
            if (!value.IsNone && !IsStatic(value)) return false;
        return true;
    }

    /// <summary>The binding of a node that becomes a prepared kernel; null for views and for nodes that run on whole data.</summary>
    private Binding? KernelBinding(Node node) =>
        !IsStaticView(node) && IsStatic(node) && CpuBindings.Find(node.Op.GetType()) is { Prepare: not null } binding
        && !binding.UsesHost(graph.InputFacts(node).AsSpan(), node.Outputs.MapToArray(o => o.IsNone ? null : graph.Fact(o)))
            ? binding
            : null;

    private void PlaceInputsAndConstants()
    {
        for (int i = 0; i < graph.Inputs.Count; i++)
            slots[graph.Inputs[i]] = slots.Add(SlotKind.Input, i);
        foreach (Value value in graph.Values)
        {
            if (slots[value.Id] is not null || value.Constant is not { } constant) continue;
            weights.Own(constant);
            slots[value.Id] = slots.AddConstant(constant);
        }
    }

    /// <summary>Graph outputs of known size are computed where they are wanted, unless their bytes belong to something else already.</summary>
    private void PlaceOutputs()
    {
        for (int i = 0; i < graph.Outputs.Count; i++)
        {
            ValueId value = graph.Outputs[i].Value, root = elision.Ranges.Root(value);
            if (slots[root] is not null || graph.Producer(root) is not { } producer || KernelBinding(producer) is null) continue;
            Slot slot = slots.Add(SlotKind.Output, i, ByteCount(value));
            slots[root] = slot;
            outputSlots.Add((slot, graph.TensorFact(value)!.Type, graph.TensorFact(value)!.Shape!.Value.ToArray()));
        }
    }

    private void PrepareKernels(RunSettings settings)
    {
        List<Node> nodes = [];
        foreach (Branch branch in partition.Branches)
            if (DeviceOf(branch) is null)
                foreach (NodeId id in branch.Nodes)
                    if (KernelBinding(graph[id]) is not null) nodes.Add(graph[id]);
        prepared = new KernelPreparation([.. nodes], ConstantBytes, n => Prepare(n, KernelBinding(n)!));
        prepared.Run(settings.Pool, settings.Workers);
    }

    private long ConstantBytes(Node node)
    {
        long bytes = 0;
        foreach (ValueId input in node.Inputs) bytes += graph.Constant(input)?.ByteCount ?? 0;
        return bytes;
    }

    private long ByteCount(ValueId id) => CostOf.Bytes(graph.Fact(id)).Value;

    private Step[] BuildBranch(Branch branch)
    {
        var steps = new List<Step>();
        foreach (NodeId id in branch.Nodes)
        {
            Node node = graph[id];
            if (IsView(node))
            {
                slots.Place(node.Outputs[0], node.Inputs[0], 0);
                continue;
            }
            PlaceRanges(node);
            if (elision.DoesNothing(node)) continue;
            Step step = KernelBinding(node) is not null ? NewKernelStep(node) : NewDynamicStep(node);
            Touch(step.Inputs);
            Touch(step.Outputs);
            if (step is KernelStep { Scratch: { } scratch }) slots.Buffers.Touch(scratch.Buffer, branch.Id, steps.Count);
            steps.Add(step);
            made.Add(step);
        }
        return [.. steps];

        void Touch(Operand?[] operands)
        {
            foreach (Operand? operand in operands)
                if (operand is { Slot: { Kind: SlotKind.Arena } slot }) slots.Buffers.Touch(slot.Buffer, branch.Id, steps.Count);
        }
    }

    /// <summary>Outputs that are ranges of other values are where those are: of an input, which is there, or of what a Concat makes of them later.</summary>
    private void PlaceRanges(Node node)
    {
        foreach (ValueId output in node.Outputs)
        {
            if (output.IsNone || elision.Ranges[output] is var (root, offset) && root == output) continue;
            ValueId shown = node.Inputs.FirstOrDefault(i => !i.IsNone && elision.Ranges.Root(i) == root, ValueId.None);
            if (!shown.IsNone) slots.Place(output, shown, offset - elision.Ranges[shown].Offset);
            else
            {
                slots[root] ??= slots.AddArena(ByteCount(root));
                slots.Place(output, root, offset);
            }
        }
    }

    private void Discard()
    {
        foreach (Step step in made) step.Dispose();
        prepared?.Dispose();
    }

    private SessionDevice? DeviceOf(Branch branch) => branch.Region is null ? null : devices.FirstOrDefault(d => d.Name == branch.Placement.Backend);

    private RegionStep BuildRegion(Branch branch, SessionDevice device)
    {
        compiling = device;
        RegionStep step = new RegionBuilder(graph, slots, weights, branch, partition.Regions[branch.Region!.Value].Split)
            .Build(device, $"region {branch.Id}", IsView, (node, part) => Prepare(node, KernelBinding(node)!, part));
        compiling = null;
        made.Add(step);
        return step;
    }

    /// <summary>Why a node cannot be part of a region that a device computes, whatever the device; null where it can.</summary>
    private string? WhyNotOnDevice(Node node)
    {
        if (!IsStatic(node)) return "a shape is known only at run time";
        if (node.Inputs.Concat(node.Outputs).Any(v => !v.IsNone && graph.Constant(v) is null && ByteCount(v) == 0)) return "a tensor is empty";
        if (IsStaticView(node)) return data.Contains(node.Inputs[0]) ? "shows what another operator hands over as a whole" : null;
        return KernelBinding(node) is null ? "works on whole data" : null;
    }

    /// <summary>The values that get a <see cref="SlotKind.Datum"/> slot.</summary>
    private HashSet<ValueId> FindData()
    {
        var found = new HashSet<ValueId>();
        foreach (Node node in graph.TopologicalOrder())
            if (IsStaticView(node) ? found.Contains(node.Inputs[0]) : KernelBinding(node) is null) found.UnionWith(node.Outputs);
        return found;
    }

    private DynamicStep NewDynamicStep(Node node)
    {
        Binding? binding = CpuBindings.Find(node.Op.GetType());
        if (binding is null && !node.Op.IsView) throw new UnsupportedModelException($"{node} is not supported", [node.Op.Name]);
        Operand?[] inputs = OperandsOf(node.Inputs);
        foreach (ValueId output in node.Outputs)
            if (!output.IsNone) slots[output] = slots.Add(SlotKind.Datum);
        return new DynamicStep(node, inputs, OperandsOf(node.Outputs), binding, [.. node.Op.Bodies.Select(compileBody)], weights);
    }

    private KernelStep NewKernelStep(Node node)
    {
        Operand?[] inputs = OperandsOf(node.Inputs);
        Kernel kernel = elision.Kernel(node) ?? prepared!.Take(node);
        for (int i = 0; i < node.Outputs.Length; i++)
        {
            ValueId output = node.Outputs[i];
            if (output.IsNone || slots[output] is not null) continue;
            slots[output] = (i == 0 ? FindInPlace(node, inputs, kernel) : null) ?? slots.AddArena(ByteCount(output));
        }
        Operand?[] outputs = OperandsOf(node.Outputs);
        int tableStart = slots.AddTableEntries(inputs);
        slots.AddTableEntries(outputs);
        return new KernelStep(node, inputs, outputs, kernel) { TableStart = tableStart, Scratch = kernel.ScratchBytes > 0 ? slots.AddArena(kernel.ScratchBytes) : null };
    }

    private Operand?[] OperandsOf(ImmutableArray<ValueId> values) => values.MapToArray(slots.OperandOf);

    private Kernel Prepare(Node node, Binding binding, OutputPart? part = null)
    {
        var context = new PrepareContext(node.Inputs.Map(graph.TensorFact), node.Outputs.Map(graph.TensorFact), weights) { Part = part, MayDefer = compiling is null && !isNested };
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
            if (inputs[i] is { Slot: { Kind: SlotKind.Arena } slot } && slot.ByteCount == bytes && ByteCount(node.Inputs[i]) == bytes && kernel.CanRunInPlace(i)
                && lifetimes.DiesAt(node.Inputs[i], node) && !IsRead(slot, i))
                return slot;
        return null;

        bool IsRead(Slot slot, int except)
        {
            for (int j = 0; j < inputs.Length; j++)
                if (j != except && inputs[j]?.Slot == slot) return true;
            return false;
        }
    }

    /// <summary>What a graph output still needs after the last branch: a copy of bytes that belong to something else, or a datum to hand out.</summary>
    private void CollectOutputs()
    {
        for (int i = 0; i < graph.Outputs.Count; i++)
        {
            ValueId value = graph.Outputs[i].Value;
            Slot slot = slots[value]!;
            if (slot.Kind == SlotKind.Output && slot.Position == i) continue;
            if (!IsStatic(value) || slot.Kind == SlotKind.Datum)
            {
                datumOutputs.Add((i, slot));
                continue;
            }
            Slot target = slots.Add(SlotKind.Output, i, ByteCount(value));
            Operand source = slots.OperandOf(value)!.Value;
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
