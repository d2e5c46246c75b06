using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu;

/// <summary>
/// Runs an operator that only moves elements on element types that kernels cannot move: the kernel moves stand-ins instead. Strings are
/// numbered (0 is the empty string, which is what zero padding means for them); elements below a byte are unpacked to one byte each.
/// </summary>
internal static class ManagedMovement
{
    internal static Datum?[] Run(Op op, HostContext context, Func<Op, PrepareContext, Kernel> prepare)
    {
        var strings = new List<string> { "" };
        var originals = new Tensor?[context.InputCount];
        var inputs = new Tensor?[context.InputCount];
        for (int i = 0; i < inputs.Length; i++)
        {
            originals[i] = context.Input(i) is null ? null : context.Tensor(i);
            inputs[i] = originals[i] is { } tensor ? StandIn(tensor, strings) : null;
        }
        ImmutableArray<Fact> real = op.Infer(new InferContext([.. originals.Select(t => t is null ? null : (Fact)TensorFact.Of(t))], context.OutputCount));
        ImmutableArray<TensorFact?> facts = [.. inputs.Select(t => t is null ? null : TensorFact.Of(t))];
        ImmutableArray<Fact> inferred = op.Infer(new InferContext([.. facts], context.OutputCount));
        var outputs = new Tensor?[context.OutputCount];
        var outputFacts = new TensorFact?[outputs.Length];
        for (int i = 0; i < outputs.Length; i++)
        {
            if (!context.Wants(i)) continue;
            outputFacts[i] = (TensorFact)inferred[i] with { Type = StandIn(((TensorFact)real[i]).Type) };
            outputs[i] = context.Allocate(outputFacts[i]!.Type, outputFacts[i]!.Shape!.Value.ToArray());
        }
        using var weights = new WeightCache();
        using Kernel kernel = prepare(op, new PrepareContext(facts, [.. outputFacts], weights));
        context.RunKernel(kernel, inputs, outputs);
        return [.. outputs.Select((t, i) => t is null ? null : Original(t, ((TensorFact)real[i]).Type, strings, context))];
    }

    private static DType StandIn(DType type) => type == DType.String ? DType.Int32 : type.IsSubByte() ? DType.UInt8 : type;

    private static Tensor StandIn(Tensor tensor, List<string> strings)
    {
        if (tensor.DType == DType.String)
        {
            int first = strings.Count;
            strings.AddRange(tensor.Strings);
            return Tensor.From([.. Enumerable.Range(first, tensor.Strings.Length)], tensor.Dims);
        }
        if (!tensor.DType.IsSubByte()) return tensor;
        Tensor bytes = Tensor.Allocate(DType.UInt8, tensor.Dims);
        Span<byte> packed = tensor.Bytes, wide = bytes.Bytes;
        int bits = tensor.DType.BitWidth(), perByte = 8 / bits, mask = (1 << bits) - 1;
        for (int i = 0; i < wide.Length; i++) wide[i] = (byte)(packed[i / perByte] >> (i % perByte * bits) & mask);
        return bytes;
    }

    private static Tensor Original(Tensor moved, DType type, List<string> strings, HostContext context)
    {
        if (type == DType.String) return Tensor.FromStrings(Array.ConvertAll(moved.Span<int>().ToArray(), i => strings[i]), moved.Dims);
        if (!type.IsSubByte()) return moved;
        Tensor result = context.Allocate(type, moved.Dims);
        Span<byte> packed = result.Bytes, wide = moved.Bytes;
        packed.Clear();
        int bits = type.BitWidth(), perByte = 8 / bits, mask = (1 << bits) - 1;
        for (int i = 0; i < wide.Length; i++) packed[i / perByte] |= (byte)((wide[i] & mask) << (i % perByte * bits));
        return result;
    }
}
