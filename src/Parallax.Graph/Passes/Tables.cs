using System.Numerics.Tensors;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>MatMul(OneHot(i), W) = Gather(W, i)</c> for constant weights: each row of the product is a row of W, or of zeros where the index is out of range. One-hot rows are those of OneHot with values 0 and 1, and
/// <c>Cast(Equal(i, 0..n-1))</c>. The table has a row of zeros on either side of W, and indices are limited to it.
/// </summary>
public sealed class OneHotToGather : IPass
{
    public string Name => "one-hot-to-gather";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not MatMul { TransposeA: false, TransposeB: false, Alpha: 1f, Activation.Kind: ActivationKind.None } || node.Inputs.Length != 2) return null;
        // Of a table that something else reads there would be two.
        if (graph.Constant(node.Inputs[1]) is not { DType: DType.Float32, Dims.Length: 2 } weights || !graph.HasSingleUse(node.Inputs[1])) return null;
        if (!graph.HasSingleUse(node.Inputs[0]) || graph.Producer(node.Inputs[0]) is not { } rows || weights.Dims[0] == 0) return null;
        var patch = new Patch(graph);
        return rows.Op switch
        {
            OneHot => FromOneHot(graph, patch, node, rows, weights),
            Cast { To: DType.Float32 } => FromEqual(graph, patch, node, rows, weights),
            _ => null,
        };
    }

    /// <summary>A negative index counts from the end: W is there twice.</summary>
    private static Patch? FromOneHot(Graph graph, Patch patch, Node node, Node rows, Tensor weights)
    {
        ValueId indices = rows.Inputs[0];
        if (!IsIndex(graph, indices) || graph.TensorFact(indices)?.Rank is not { } rank || ShapeRules.Axis(((OneHot)rows.Op).Axis, rank, endInclusive: true) != rank) return null;
        if (!Match.TryScalar(graph, rows.Inputs[1], out double depth) || depth != weights.Dims[0]) return null;
        if (graph.Constant(rows.Inputs[2]) is not { DType: DType.Float32, ElementCount: 2 } values || !values.Span<float>().SequenceEqual([0f, 1f])) return null;
        return Replace(patch, node, indices, weights, copies: 2);
    }

    private static Patch? FromEqual(Graph graph, Patch patch, Node node, Node rows, Tensor weights)
    {
        if (Match.OnlyUse<Binary>(graph, rows.Inputs[0], b => b.Function == BinaryFunction.Equal) is not { } equal) return null;
        if (!Match.TrySplit(equal, id => IsRange(graph, id, weights.Dims[0]), out ValueId range, out ValueId indices) || !IsIndex(graph, indices)) return null;
        if (graph.TensorFact(indices)?.Shape is not { Rank: > 0 } shape || shape[shape.Rank - 1] != 1 || graph.TensorFact(range)!.Rank > shape.Rank) return null;
        ValueId flat = patch.Add($"{node.Name}/indices", new Squeeze(), indices, patch.Constant($"{node.Name}/axis", Tensor.From<long>([shape.Rank - 1], [1])));
        return Replace(patch, node, flat, weights, copies: 1);
    }

    private static Patch? Replace(Patch patch, Node node, ValueId indices, Tensor weights, int copies)
    {
        // 0 times what is not finite is no zero. Asked last: it reads all weights.
        if (!TensorPrimitives.IsFiniteAll<float>(weights.Span<float>())) return null;
        DType type = ((TensorFact)patch.Fact(indices)).Type;
        long length = weights.Dims[0], columns = weights.Dims[1], before = (copies - 1) * length;
        Tensor table = Tensor.Zeros(DType.Float32, [copies * length + 2, columns]);
        Span<float> target = table.Span<float>()[checked((int)columns)..];
        for (int copy = 0; copy < copies; copy++) weights.Span<float>().CopyTo(target[(int)(copy * weights.ElementCount)..]);
        ValueId limited = patch.Add($"{node.Name}/limited", new Clip(), indices, Scalar(patch, $"{node.Name}/first", type, -before - 1), Scalar(patch, $"{node.Name}/last", type, length));
        ValueId places = patch.Add($"{node.Name}/places", new Binary(BinaryFunction.Add), limited, Scalar(patch, $"{node.Name}/shift", type, before + 1));
        return patch.Replace(node.Outputs[0], patch.Add(node.Name, new Gather { IsWithin = true }, patch.Constant($"{node.Name}/table", table), places));
    }

    private static ValueId Scalar(Patch patch, string name, DType type, long value) => patch.Constant(name, type == DType.Int32 ? Tensor.Scalar((int)value) : Tensor.Scalar(value));

    private static bool IsIndex(Graph graph, ValueId id) => graph.TensorFact(id)?.Type is DType.Int32 or DType.Int64;

    /// <summary>Whether the value is 0 to length - 1 along its last axis.</summary>
    private static bool IsRange(Graph graph, ValueId id, long length)
    {
        if (graph.Constant(id) is not { Dims.Length: > 0 } constant || constant.ElementCount != length || constant.Dims[^1] != length) return false;
        return TensorFact.Of(constant).TryGetInts(out long[] values) && values.Select((value, i) => value == i).All(isEqual => isEqual);
    }
}

/// <summary>
/// <c>f(Gather(T, i)) = Gather(f(T), i)</c> for a function of elements of a constant table T that is no larger than what is gathered from it; the other operand of a function of two is a constant that is the same for all rows.
/// </summary>
public sealed class FunctionOfTable : IPass
{
    public string Name => "function-of-table";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        int at = node.Op switch
        {
            Unary or Clip => 0,
            Binary when node.Inputs.Length == 2 => graph.Constant(node.Inputs[0]) is null ? 0 : 1,
            _ => -1,
        };
        if (at < 0 || Match.OnlyUse<Gather>(graph, node.Inputs[at], g => g.Axis == 0) is not { } gather || graph.Constant(gather.Inputs[0]) is not { DType: DType.Float32 } table) return null;
        if (graph.TensorFact(gather.Outputs[0])?.Shape is not { } shape || shape.Dims.Aggregate(1L, (count, dim) => count * (dim.IsKnown ? dim.Value : 1)) < table.ElementCount) return null;
        if (!Match.IsFloat32(graph, node.Outputs[0]) || !Match.HasShape(graph, node.Outputs[0], shape)) return null;
        var patch = new Patch(graph);
        ValueId[] inputs = [.. node.Inputs];
        inputs[at] = gather.Inputs[0];
        for (int i = 0; i < inputs.Length; i++)
        {
            if (i == at || inputs[i].IsNone) continue;
            if (graph.Constant(inputs[i]) is not { } operand || !IsSameForAllRows(operand.Dims, table.Dims)) return null;
            long[] row = [.. operand.Dims[Math.Max(0, operand.Dims.Length - table.Dims.Length + 1)..]];
            inputs[i] = patch.Constant($"{node.Name}/operand", operand.Reshape(row));
        }
        ValueId applied = patch.Add($"{node.Name}/table", node.Op, inputs);
        return patch.Replace(node.Outputs[0], patch.Add(node.Name, gather.Op, applied, gather.Inputs[1]));
    }

    private static bool IsSameForAllRows(ReadOnlySpan<long> operand, ReadOnlySpan<long> table) =>
        operand.Length < table.Length || !operand[..(operand.Length - table.Length + 1)].ContainsAnyExcept(1);
}
