using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>Questions that passes ask of a graph.</summary>
internal static class Match
{
    /// <summary>Whether the value is a constant of one element that equals <paramref name="wanted"/> to float32 precision.</summary>
    internal static bool IsScalar(Graph graph, ValueId id, double wanted) =>
        TryScalar(graph, id, out double value) && Math.Abs(value - wanted) <= 1e-6 * Math.Max(1, Math.Abs(wanted));

    /// <summary>A constant of one element whose rank does not widen what it is combined with.</summary>
    internal static bool TryScalar(Graph graph, ValueId id, out double value)
    {
        value = 0;
        return graph.TensorFact(id) is { } fact && fact.TryGetScalar(out value);
    }

    /// <summary>The node that computes <paramref name="id"/>, where it is the given elementwise function and nothing else reads it.</summary>
    internal static Node? OnlyUse<TOp>(Graph graph, ValueId id, Predicate<TOp>? condition = null) where TOp : Op =>
        graph.Producer<TOp>(id) is { } node && graph.HasSingleUse(id) && (condition is null || condition((TOp)node.Op)) ? node : null;

    internal static Node? Binary(Graph graph, ValueId id, BinaryFunction function) => OnlyUse<Binary>(graph, id, b => b.Function == function);

    internal static bool IsBinary(Node node, BinaryFunction function) => node.Op is Binary binary && binary.Function == function;

    internal static bool IsUnary(Node? node, UnaryFunction function) => node?.Op is Unary unary && unary.Function == function;

    /// <summary>Splits the inputs of a commutative node into the one that satisfies <paramref name="condition"/> and the other.</summary>
    internal static bool TrySplit(Node node, Predicate<ValueId> condition, out ValueId match, out ValueId other)
    {
        (match, other) = (node.Inputs[0], node.Inputs[1]);
        if (condition(match)) return true;
        (match, other) = (other, match);
        return condition(match);
    }

    /// <summary>Whether a node multiplies <paramref name="x"/> by a constant number or divides it by one.</summary>
    internal static bool TryScaling(Graph graph, Node node, out ValueId x, out double scale)
    {
        (x, scale) = (ValueId.None, 0);
        double factor = 0;
        if (IsBinary(node, BinaryFunction.Mul) && TrySplit(node, i => TryScalar(graph, i, out factor), out _, out x))
        {
            scale = factor;
            return true;
        }
        if (!IsBinary(node, BinaryFunction.Div) || !TryScalar(graph, node.Inputs[1], out factor) || factor == 0) return false;
        (x, scale) = (node.Inputs[0], 1 / factor);
        return true;
    }

    internal static bool IsFloat32(Graph graph, ValueId id) => graph.TensorFact(id)?.Type == DType.Float32;

    internal static bool HasShape(Graph graph, ValueId id, Shape shape) => graph.TensorFact(id)?.Shape is { } own && own == shape;

    /// <summary>What a value is the transpose of, by that permutation; null where it is none.</summary>
    internal static ValueId? Transposed(Graph graph, ValueId id, ReadOnlySpan<int> permutation) =>
        graph.Producer<Transpose>(id) is { } node && ((Transpose)node.Op).Permutation.AsSpan().SequenceEqual(permutation) ? node.Inputs[0] : null;

    /// <summary>Whether a node lacks, or does not want, all inputs or outputs from a position on.</summary>
    internal static bool AreNone(ImmutableArray<ValueId> values, int from)
    {
        for (int i = from; i < values.Length; i++)
            if (!values[i].IsNone) return false;
        return true;
    }

    /// <summary>Whether both values are known to have one shape.</summary>
    internal static bool SameShape(Graph graph, ValueId a, ValueId b) =>
        graph.TensorFact(a)?.Shape is { } x && graph.TensorFact(b)?.Shape is { } y && x == y;
}
