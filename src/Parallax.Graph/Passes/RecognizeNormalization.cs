using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>x / sqrt(mean(x²) + epsilon) * scale = RMSNormalization(x, scale)</c> over trailing axes, and where x is <c>z - mean(z)</c>:
/// <c>LayerNormalization(z, scale)</c>. The division may be a product with a reciprocal, the square a power or a product.
/// </summary>
public sealed class RecognizeNormalization : IPass
{
    public string Name => "recognize-normalization";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Mul) || !Match.IsFloat32(graph, node.Outputs[0])) return null;
        Quotient? found = null;
        if (!Match.TrySplit(node, id => (found = Quotient.Of(graph, id)) is not null, out _, out ValueId scale)) return null;
        if (graph.Constant(scale) is not { DType: DType.Float32 } constant || constant.Rank == 0) return null;
        (ValueId x, int axis, double epsilon) = found!;
        if (!Match.SameShape(graph, x, node.Outputs[0]) || constant.Rank > graph.TensorFact(x)!.Rank - axis) return null;
        return CenteredOf(graph, x, axis) is { } z
            ? Patch.ReplaceNode(graph, node, new LayerNormalization(axis, (float)epsilon), z, scale)
            : Patch.ReplaceNode(graph, node, new RMSNormalization(axis, (float)epsilon), x, scale);
    }

    /// <summary>The z where <paramref name="x"/> is <c>z - mean(z)</c> over the axes from <paramref name="axis"/> on.</summary>
    private static ValueId? CenteredOf(Graph graph, ValueId x, int axis)
    {
        if (graph.Producer(x) is not { } center || !Match.IsBinary(center, BinaryFunction.Sub) || graph.IsOutput(x)) return null;
        ValueId z = center.Inputs[0];
        return TryMean(graph, center.Inputs[1], out ValueId of, out int meanAxis) && of == z && meanAxis == axis ? z : null;
    }

    /// <summary>Whether a value is the mean over the axes from one on, kept as ones.</summary>
    private static bool TryMean(Graph graph, ValueId id, out ValueId of, out int axis)
    {
        (of, axis) = (ValueId.None, 0);
        if (graph.Producer(id) is not { Op: Reduce { Kind: ReduceKind.Mean, KeepDims: true } reduce } node || !graph.HasSingleUse(id)) return false;
        if (graph.TensorFact(node.Inputs[0])?.Rank is not { } rank || rank == 0) return false;
        long[] given = [];
        if (node.Inputs.Length > 1 && !node.Inputs[1].IsNone && graph.TensorFact(node.Inputs[1])?.TryGetInts(out given) != true) return false;
        int[] axes = reduce.Axes(given, rank);
        Array.Sort(axes);
        if (axes.Length == 0 || axes[0] != rank - axes.Length) return false;
        (of, axis) = (node.Inputs[0], axes[0]);
        return true;
    }

    /// <summary><c>x / sqrt(mean(x²) + epsilon)</c> over the axes from <paramref name="Axis"/> on.</summary>
    private sealed record Quotient(ValueId X, int Axis, double Epsilon)
    {
        internal static Quotient? Of(Graph graph, ValueId id)
        {
            if (graph.Producer(id) is not { } node || !graph.HasSingleUse(id)) return null;
            if (Match.IsBinary(node, BinaryFunction.Div)) return OfRoot(graph, node.Inputs[0], node.Inputs[1]);
            if (!Match.IsBinary(node, BinaryFunction.Mul)) return null;
            ValueId root = ValueId.None;
            return Match.TrySplit(node, i => TryInverse(graph, i, out root), out _, out ValueId x) ? OfRoot(graph, x, root) : null;
        }

        private static bool TryInverse(Graph graph, ValueId id, out ValueId root)
        {
            root = ValueId.None;
            if (graph.Producer(id) is not { } node || !graph.HasSingleUse(id)) return false;
            if (Match.IsUnary(node, UnaryFunction.Reciprocal)) root = node.Inputs[0];
            else if (Match.IsBinary(node, BinaryFunction.Div) && Match.IsScalar(graph, node.Inputs[0], 1)) root = node.Inputs[1];
            return !root.IsNone;
        }

        private static Quotient? OfRoot(Graph graph, ValueId x, ValueId root)
        {
            if (graph.Producer(root) is not { } sqrt || !Match.IsUnary(sqrt, UnaryFunction.Sqrt) || !graph.HasSingleUse(root)) return null;
            double epsilon = 0;
            if (Match.Binary(graph, sqrt.Inputs[0], BinaryFunction.Add) is not { } sum) return null;
            if (!Match.TrySplit(sum, i => Match.TryScalar(graph, i, out epsilon), out _, out ValueId mean) || !(epsilon >= 0)) return null;
            return TryMean(graph, mean, out ValueId square, out int axis) && graph.HasSingleUse(square) && IsSquare(graph, square, x) ? new Quotient(x, axis, epsilon) : null;
        }

        private static bool IsSquare(Graph graph, ValueId square, ValueId x) => graph.Producer(square) is { Op: Binary binary } node && node.Inputs[0] == x
            && (binary.Function == BinaryFunction.Mul ? node.Inputs[1] == x : binary.Function == BinaryFunction.Pow && Match.IsScalar(graph, node.Inputs[1], 2));
    }
}

/// <summary><c>LayerNormalization(x, scale) + c = LayerNormalization(x, scale, c)</c> for a constant c along the normalized axes.</summary>
public sealed class FuseNormalizationBias : IPass
{
    public string Name => "fuse-normalization-bias";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Add)) return null;
        if (!Match.TrySplit(node, id => Match.OnlyUse<LayerNormalization>(graph, id) is { Inputs.Length: 2, Outputs.Length: 1 }, out ValueId normalized, out ValueId bias)) return null;
        if (graph.Constant(bias) is not { DType: DType.Float32 } constant || constant.Rank == 0 || !Match.SameShape(graph, normalized, node.Outputs[0])) return null;
        Node producer = graph.Producer(normalized)!;
        var op = (LayerNormalization)producer.Op;
        int rank = graph.TensorFact(normalized)!.Rank!.Value;
        if (constant.Rank > rank - ShapeRules.Axis(op.Axis, rank)) return null;
        return Patch.ReplaceNode(graph, node, op, producer.Inputs[0], producer.Inputs[1], bias);
    }
}

/// <summary><c>LayerNormalization(x, scale, bias) + r = LayerNormalization(x, scale, bias, residual: r)</c> for r of the result's shape.</summary>
public sealed class FuseNormalizationResidual : IPass
{
    public string Name => "fuse-normalization-residual";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Add) || !Match.IsFloat32(graph, node.Outputs[0])) return null;
        if (!Match.TrySplit(node, id => Match.OnlyUse<LayerNormalization>(graph, id) is { Inputs.Length: <= LayerNormalization.ResidualInput, Outputs.Length: 1 }, out ValueId normalized, out ValueId residual)) return null;
        if (!Match.SameShape(graph, normalized, residual)) return null;
        Node producer = graph.Producer(normalized)!;
        var inputs = producer.Inputs.ToBuilder();
        while (inputs.Count < LayerNormalization.ResidualInput) inputs.Add(ValueId.None);
        inputs.Add(residual);
        return Patch.ReplaceNode(graph, node, producer.Op, inputs.ToArray());
    }
}
