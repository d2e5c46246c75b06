using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Passes;
using Parallax.Kernels;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Execution;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Compilation;

/// <summary>Computes operators on constants with the CPU's own kernels, so that a folded value is the value that would have been computed.</summary>
internal sealed class ConstantEvaluator : IConstantEvaluator
{
    public Tensor?[]? Evaluate(Node node, ImmutableArray<Tensor?> inputs)
    {
        ImmutableArray<Fact?> facts = [.. inputs.Select(i => i is null ? null : (Fact)TensorFact.Of(i))];
        ImmutableArray<Fact> inferred = Inference.Infer(node.Name, node.Op, facts, node.Outputs.Length);
        if (node.Op.IsView)
            return inferred[0] is TensorFact { IsStatic: true } view ? [inputs[0]!.Reshape(view.Shape!.Value.ToArray())] : null;
        Binding? binding = CpuBindings.Find(node.Op.GetType());
        if (binding?.Run is { } host && binding.UsesHost(facts.AsSpan(), inferred.AsSpan()))
        {
            Datum?[] results = host(node.Op, new FoldContext(inputs, node.Outputs));
            return Array.TrueForAll(results, r => r is null or Tensor) ? Array.ConvertAll(results, r => (Tensor?)r) : null;
        }
        if (binding is null || NeedsWidening(node, facts)) return null;
        var outputs = new Tensor?[node.Outputs.Length];
        var outputFacts = new TensorFact?[outputs.Length];
        for (int i = 0; i < outputs.Length; i++)
        {
            if (node.Outputs[i].IsNone) continue;
            if (inferred[i] is not TensorFact { IsStatic: true } fact) return null;
            outputFacts[i] = fact;
            outputs[i] = Allocate(fact.Type, fact.Shape!.Value.ToArray());
        }
        using var weights = new WeightCache();
        using Kernel kernel = binding.Prepare!(node.Op, new PrepareContext([.. facts.Select(f => f as TensorFact)], [.. outputFacts], weights));
        KernelRun.Run(kernel, inputs.AsSpan(), outputs);
        return outputs;
    }

    /// <summary>Most results are constants for as long as it takes to fold what is computed of them.</summary>
    private static Tensor Allocate(DType type, ReadOnlySpan<long> dims)
    {
        long bytes = RunMemory.IsManaged(type, dims) ? 0 : type.ByteCount(Shape.Count(dims));
        return bytes >= PageStorage.LeastBytes && PageStorage.TryAllocate(bytes) is { } pages ? new Tensor(type, dims, pages, ownsStorage: true) : RunMemory.Allocate(type, dims);
    }

    /// <summary>Kernels do not compute on narrow floats; a node that does is widened first and folded then.</summary>
    private static bool NeedsWidening(Node node, ImmutableArray<Fact?> inputs) =>
        !node.Op.AcceptsNarrowFloats && inputs.Any(i => i is TensorFact { Type: DType.Float16 or DType.BFloat16 });

    private sealed class FoldContext(ImmutableArray<Tensor?> inputs, ImmutableArray<ValueId> outputs) : HostContext
    {
        internal override int InputCount => inputs.Length;

        internal override int OutputCount => outputs.Length;

        internal override CancellationToken Cancellation => default;

        internal override Datum? Input(int index) => index < inputs.Length ? inputs[index] : null;

        internal override bool Wants(int output) => output < outputs.Length && !outputs[output].IsNone;

        internal override Tensor Allocate(DType type, ReadOnlySpan<long> dims) => ConstantEvaluator.Allocate(type, dims);

        internal override Datum Keep(Datum datum) => datum;

        internal override void Release(Datum? datum)
        {
        }

        internal override Datum[] RunBody(int body, ReadOnlySpan<Datum?> values) => throw new InvalidOperationException("control flow is not folded");

        internal override void RunKernel(Kernel kernel, ReadOnlySpan<Tensor?> values, ReadOnlySpan<Tensor?> results) => KernelRun.Run(kernel, values, results);
    }
}
