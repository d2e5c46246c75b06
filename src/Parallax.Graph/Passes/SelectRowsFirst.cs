using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>Gather(f(x), rows) = f(Gather(x, rows))</c> for an f that computes each row by itself (products, normalizations, elementwise functions, the queries of attention), where nobody reads its other rows: where a
/// classifier looks at one token, the last layer computes that token alone.
/// </summary>
public sealed class SelectRowsFirst : IPass
{
    /// <summary>An input that is read as it is.</summary>
    private const int Whole = -1;

    public string Name => "select-rows-first";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (IndicesOf(graph, node) is not { Rank: <= 1 } indices || node.Inputs[0] is var all && graph.IsOutput(all)) return null;
        if (graph.Producer(all) is not { } source || !Match.AreNone(source.Outputs, from: 1) || graph.TensorFact(all)?.Shape is not { } shape) return null;
        int axis = ShapeRules.Axis(((Gather)node.Op).Axis, shape.Rank);
        if (shape[axis].TryGetValue(out long rows) ? indices.ElementCount >= rows : indices.ElementCount > 1) return null;
        if (!graph.Consumers(all).All(c => IsSame(graph, graph[c], node, indices)) || AxesOf(graph, source, shape, axis) is not { } axes) return null;
        var patch = new Patch(graph);
        ValueId list = indices.Rank == 1 ? node.Inputs[1] : patch.Constant($"{node.Name}/indices", indices.Reshape([1]));
        ValueId[] inputs = [.. source.Inputs];
        for (int i = 0; i < inputs.Length; i++)
            if (axes[i] != Whole) inputs[i] = patch.Add($"{source.Name}/rows{i}", new Gather(axes[i]), inputs[i], list);
        ValueId result = patch.Add(source.Name, source.Op, inputs);
        if (indices.Rank == 0) result = patch.Add(node.Name, new Squeeze(), result, patch.Constant($"{node.Name}/axis", Tensor.From([(long)axis], [1])));
        foreach (NodeId reader in graph.Consumers(all)) patch.Replace(graph[reader].Outputs[0], result);
        return patch;
    }

    private static Tensor? IndicesOf(Graph graph, Node node) => node.Op is Gather ? graph.Constant(node.Inputs[1]) : null;

    /// <summary>Whether another reader of what a node selects from selects the same of it.</summary>
    private static bool IsSame(Graph graph, Node reader, Node node, Tensor indices) => reader.Id == node.Id
        || (reader.Op == node.Op && reader.Inputs[0] == node.Inputs[0] && IndicesOf(graph, reader) is { } own && own.DType == indices.DType && own.Dims.SequenceEqual(indices.Dims) && own.Bytes.SequenceEqual(indices.Bytes));

    /// <summary>The axis of each input along which an axis of the result selects, or <see cref="Whole"/>; null where the rows of the result are not computed each by itself.</summary>
    private static int[]? AxesOf(Graph graph, Node node, Shape result, int axis)
    {
        int[] axes = Mapping.Repeat(Whole, node.Inputs.Length);
        switch (node.Op)
        {
            case LayerNormalization or RMSNormalization:
                int first = ShapeRules.Axis(node.Op is LayerNormalization layer ? layer.Axis : ((RMSNormalization)node.Op).Axis, result.Rank);
                // What broadcasts to the data must not reach to the rows.
                for (int i = 1; i < Math.Min(3, node.Inputs.Length); i++)
                    if (!node.Inputs[i].IsNone && !(graph.TensorFact(node.Inputs[i])?.Rank < result.Rank - axis)) return null;
                return first > axis ? OfRows(LayerNormalization.ResidualInput) : null;
            case MatMul { TransposeA: false } when axis < result.Rank - 1:
                return graph.TensorFact(node.Inputs[0])?.Rank == result.Rank && graph.TensorFact(node.Inputs[1])?.Rank == 2 ? OfRows(IFusible.ResidualInput) : null;
            case Unary or Clip or Cast:
                return OfRows();
            case Binary or Where:
                for (int i = 0; i < axes.Length; i++)
                {
                    if (graph.TensorFact(node.Inputs[i])?.Shape is not { } shape) return null;
                    int own = axis - (result.Rank - shape.Rank);
                    if (own < 0 || shape[own] == 1) continue;
                    if (shape[own] != result[axis]) return null;
                    axes[i] = own;
                }
                return axes;
            case Transpose transpose:
                return [transpose.For(result.Rank)[axis]];
            case Attention attention:
                return AxesOf(graph, node, attention, result, axis);
            default:
                return null;
        }

        int[] OfRows(int residual = 0)
        {
            axes[0] = axis;
            if (residual < axes.Length && !node.Inputs[residual].IsNone) axes[residual] = axis;
            return axes;
        }
    }

    /// <summary>Queries are rows that are computed each by itself where they see the same keys wherever they stand.</summary>
    private static int[]? AxesOf(Graph graph, Node node, Attention op, Shape result, int axis)
    {
        if (op is not { Causal: false, LeftWindow: < 0, RightWindow: < 0 } || axis != result.Rank - 2) return null;
        if (graph.TensorFact(node.Inputs[0])?.Rank is not { } rank) return null;
        int[] axes = Mapping.Repeat(Whole, node.Inputs.Length);
        axes[0] = rank - 2;
        if (node.Inputs.Length <= 3 || node.Inputs[3].IsNone) return axes;
        if (graph.TensorFact(node.Inputs[3])?.Shape is not { } mask) return null;
        if (mask.Rank < 2 || mask[^2] == 1) return axes;
        axes[3] = mask.Rank - 2;
        return mask[^2] == result[axis] ? axes : null;
    }
}
