using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>Cast(MatMulInteger(a, B), float32) * s = ScaledIntegerMatMul(a, B, s)</c> for a constant matrix B with one zero point, however often it is given, and one s, or one per column: what dynamic quantization leaves of a product.
/// Results keep their bits.
/// </summary>
public sealed class FuseScaledProducts : IPass
{
    public string Name => "fuse-scaled-products";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Mul) || !Match.TrySplit(node, id => Product(graph, id) is not null, out ValueId real, out ValueId scale)) return null;
        Node product = Product(graph, real)!;
        if (graph.Constant(product.Inputs[1]) is not { Rank: 2 } b || !IsOneOrPerColumn(graph, scale, b.Dims[1]) || !Match.SameShape(graph, real, node.Outputs[0])) return null;
        if (graph.TensorFact(product.Inputs[0])?.Rank is not >= 2 || !IsSingle(graph, Input(product, 2)) || !IsSame(graph, Input(product, 3))) return null;
        var patch = new Patch(graph);
        return patch.Replace(node.Outputs[0], patch.Add(product.Name, new ScaledIntegerMatMul(), product.Inputs[0], product.Inputs[1], Input(product, 2), Input(product, 3), scale));
    }

    /// <summary>Whether a float32 value is one number, or a row of them, that does not widen what it is combined with.</summary>
    internal static bool IsOneOrPerColumn(Graph graph, ValueId value, long columns)
    {
        if (!Match.IsFloat32(graph, value) || graph.TensorFact(value)?.Shape is not { Rank: <= 2 } shape || !shape.Elements.TryGetValue(out long count)) return false;
        return count == 1 || (count == columns && shape[^1] == columns);
    }

    /// <summary>The product whose sums a value is, as floats, and nobody else reads.</summary>
    private static Node? Product(Graph graph, ValueId id) =>
        Match.OnlyUse<Cast>(graph, id) is { } cast && Match.IsFloat32(graph, id) && Match.OnlyUse<IntegerMatMul>(graph, cast.Inputs[0], p => !p.Requantizes) is { } product ? product : null;

    private static ValueId Input(Node node, int index) => index < node.Inputs.Length ? node.Inputs[index] : ValueId.None;

    /// <summary>Whether a zero point is one number, or none.</summary>
    private static bool IsSingle(Graph graph, ValueId zero) => zero.IsNone || (graph.TensorFact(zero)?.Shape is { } shape && shape.Elements == 1);

    /// <summary>Whether zero points are none, or constants that are all the same.</summary>
    private static bool IsSame(Graph graph, ValueId zeros) => zeros.IsNone || (graph.Constant(zeros) is { ElementCount: > 0 } known && !known.Bytes.ContainsAnyExcept(known.Bytes[0]));
}

/// <summary><c>ScaledIntegerMatMul(a, B, s) + b = ScaledIntegerMatMul(a, B, s, b)</c> for constants of one number per column. Results keep their bits.</summary>
public sealed class FuseScaledProductBias : IPass
{
    public string Name => "fuse-scaled-product-bias";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Add) || !Match.TrySplit(node, id => Match.OnlyUse<ScaledIntegerMatMul>(graph, id) is not null, out ValueId real, out ValueId bias)) return null;
        Node product = graph.Producer(real)!;
        if (product.Inputs.Length > ScaledIntegerMatMul.Bias || graph.Constant(bias) is not { DType: DType.Float32, Rank: 1 } b) return null;
        long columns = graph.Constant(product.Inputs[1])!.Dims[1];
        return b.ElementCount == columns && columns > 1 ? Patch.ReplaceNode(graph, node, product.Op, [.. product.Inputs, bias]) : null;
    }
}
