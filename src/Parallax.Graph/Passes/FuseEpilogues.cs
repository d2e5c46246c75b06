using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary><c>Conv(x, w) + c = Conv(x, w, c)</c> for one constant per channel; <c>MatMul(a, b) + c = MatMul(a, b, c)</c> for one constant per column.</summary>
public sealed class FuseBias : IPass
{
    public string Name => "fuse-bias";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Add)) return null;
        if (!Match.TrySplit(node, id => CanTakeBias(graph, id), out ValueId sum, out ValueId addend)) return null;
        if (graph.Constant(addend) is not { DType: DType.Float32 } bias || !Match.SameShape(graph, sum, node.Outputs[0])) return null;
        Node producer = graph.Producer(sum)!;
        if (graph.TensorFact(sum)!.Shape is not { } shape) return null;
        int axis = ChannelAxis(producer, shape);
        if (!IsPerChannel(bias.Dims, shape, axis)) return null;
        var patch = new Patch(graph);
        ValueId flat = patch.Constant($"{producer.Name}/bias", bias.Reshape([bias.ElementCount]));
        return patch.Replace(node.Outputs[0], patch.Add(producer.Name, producer.Op, producer.Inputs[0], producer.Inputs[1], flat));
    }

    private static bool CanTakeBias(Graph graph, ValueId id) =>
        graph.Producer(id) is { Op: Conv or MatMul } node && node.Inputs.Length == 2 && graph.HasSingleUse(id) && Match.IsFloat32(graph, id)
        && ((IFusible)node.Op).Activation.Kind == ActivationKind.None
        && (node.Op is Conv || graph.TensorFact(node.Inputs[1])?.Rank >= 2);

    /// <summary>The axis of the channels in the result of a convolution or a product, or in a view of it that keeps them.</summary>
    internal static int ChannelAxis(Node producer, Shape shape) => producer.Op is Conv ? 1 : shape.Rank - 1;

    /// <summary>Whether the constant has as many elements as the axis, all of them along it.</summary>
    internal static bool IsPerChannel(ReadOnlySpan<long> dims, Shape shape, int axis)
    {
        int fromEnd = shape.Rank - axis;
        if (dims.Length < fromEnd || !shape[axis].TryGetValue(out long channels)) return false;
        for (int i = 0; i < dims.Length; i++)
            if (dims[i] != (dims.Length - i == fromEnd ? channels : 1)) return false;
        return true;
    }
}

/// <summary><c>Conv(...) + r = Conv(..., residual: r)</c> for r of the result's shape, and likewise for products; behind the activation where there is one.</summary>
public sealed class FuseResidual : IPass
{
    public string Name => "fuse-residual";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Add)) return null;
        if (!Match.TrySplit(node, id => CanTakeResidual(graph, id, Other(node, id)), out ValueId sum, out ValueId residual)) return null;
        Node producer = graph.Producer(sum)!;
        var fusible = (IFusible)producer.Op;
        bool after = fusible.Activation.Kind != ActivationKind.None;
        Op fused = producer.Op switch
        {
            Conv conv => conv with { ResidualAfterActivation = after },
            MatMul product => product with { ResidualAfterActivation = after },
            Gemm gemm => gemm with { ResidualAfterActivation = after },
            _ => throw new InvalidOperationException($"{producer} takes no residual"),
        };
        var inputs = producer.Inputs.ToBuilder();
        while (inputs.Count < IFusible.ResidualInput) inputs.Add(ValueId.None);
        inputs.Add(residual);
        return Patch.ReplaceNode(graph, node, fused, inputs.ToArray());
    }

    private static ValueId Other(Node node, ValueId id) => node.Inputs[0] == id ? node.Inputs[1] : node.Inputs[0];

    private static bool CanTakeResidual(Graph graph, ValueId id, ValueId residual) =>
        graph.Producer(id) is { Op: IFusible } node && node.Inputs.Length <= IFusible.ResidualInput && graph.HasSingleUse(id) && id != residual
        && Match.IsFloat32(graph, id) && Match.SameShape(graph, id, residual);
}

/// <summary><c>activation(Conv(...)) = Conv(..., activation)</c>, and likewise for products.</summary>
public sealed class FuseActivation : IPass
{
    public string Name => "fuse-activation";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Inputs.Length == 0 || ActivationOf(graph, node) is not { } activation) return null;
        ValueId sum = node.Inputs[0];
        if (graph.Producer(sum) is not { Op: IFusible fusible } producer || !graph.HasSingleUse(sum) || !Match.IsFloat32(graph, sum)) return null;
        if (fusible.Activation.Kind != ActivationKind.None) return null;
        Op fused = producer.Op switch
        {
            Conv conv => conv with { Activation = activation },
            MatMul product => product with { Activation = activation },
            Gemm gemm => gemm with { Activation = activation },
            _ => throw new InvalidOperationException($"{producer} takes no activation"),
        };
        return Patch.ReplaceNode(graph, node, fused, producer.Inputs.ToArray());
    }

    private static Activation? ActivationOf(Graph graph, Node node) => node.Op switch
    {
        Unary { Function: UnaryFunction.Relu } => Activation.Relu,
        Unary { Function: UnaryFunction.LeakyRelu } leaky => Activation.LeakyRelu(leaky.Alpha),
        Unary { Function: UnaryFunction.Sigmoid } => Activation.Sigmoid,
        Unary { Function: UnaryFunction.Tanh } => Activation.Tanh,
        Unary { Function: UnaryFunction.HardSwish } => Activation.HardSwish,
        Unary { Function: UnaryFunction.HardSigmoid } hard => Activation.HardSigmoid(hard.Alpha, hard.Beta),
        Unary { Function: UnaryFunction.Gelu } => Activation.GeluErf,
        Unary { Function: UnaryFunction.GeluTanh } => Activation.GeluTanh,
        Unary { Function: UnaryFunction.Swish, Alpha: 1f } => Activation.Silu,
        Unary { Function: UnaryFunction.Swish } swish => Activation.QuickGelu(swish.Alpha),
        Clip => ClipOf(graph, node),
        _ => null,
    };

    private static Activation? ClipOf(Graph graph, Node node)
    {
        double min = double.NegativeInfinity, max = double.PositiveInfinity;
        if (node.Inputs.Length > 1 && !node.Inputs[1].IsNone && !Match.TryScalar(graph, node.Inputs[1], out min)) return null;
        if (node.Inputs.Length > 2 && !node.Inputs[2].IsNone && !Match.TryScalar(graph, node.Inputs[2], out max)) return null;
        return min <= max ? Activation.Clip((float)min, (float)max) : null;
    }
}

/// <summary><c>MatMul(a, Transpose(b)) = MatMul(a, b, transposeB)</c> for a transpose of the last two axes, and likewise for a.</summary>
public sealed class AbsorbTranspose : IPass
{
    public string Name => "absorb-transpose";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not MatMul product || !Match.IsFloat32(graph, node.Inputs[0])) return null;
        for (int side = 0; side < 2; side++)
        {
            if (graph.Producer<Transpose>(node.Inputs[side]) is not { } transpose || !SwapsLastTwo(((Transpose)transpose.Op).Permutation, graph.TensorFact(transpose.Inputs[0])?.Rank)) continue;
            MatMul absorbed = side == 0 ? product with { TransposeA = !product.TransposeA } : product with { TransposeB = !product.TransposeB };
            return Patch.ReplaceNode(graph, node, absorbed, node.Inputs.SetItem(side, transpose.Inputs[0]).AsSpan());
        }
        return null;
    }

    /// <summary>Whether a node is a transpose that none but products read, all of which absorb it.</summary>
    internal static bool IsForProducts(Graph graph, Node node)
    {
        if (node.Op is not Transpose transpose || graph.IsOutput(node.Outputs[0]) || !SwapsLastTwo(transpose.Permutation, graph.TensorFact(node.Inputs[0])?.Rank)) return false;
        IReadOnlyList<NodeId> readers = graph.Consumers(node.Outputs[0]);
        return readers.Count > 0 && readers.All(id => graph[id] is { Op: MatMul } reader && Match.IsFloat32(graph, reader.Inputs[0]) && !reader.Inputs.Skip(2).Contains(node.Outputs[0]));
    }

    /// <summary>Whether a transpose swaps the last two axes and moves no other.</summary>
    internal static bool SwapsLastTwo(ImmutableArray<int> permutation, int? inputRank)
    {
        if (permutation.IsDefaultOrEmpty) return inputRank == 2; // without a permutation all axes are reversed
        int rank = permutation.Length;
        if (rank < 2 || permutation[rank - 1] != rank - 2 || permutation[rank - 2] != rank - 1) return false;
        for (int i = 0; i < rank - 2; i++)
            if (permutation[i] != i) return false;
        return true;
    }
}
