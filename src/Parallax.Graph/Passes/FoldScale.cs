using System.Numerics.Tensors;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>MatMul(a, b, alpha) * s = MatMul(a, b, alpha s)</c> for a constant number s, a constant bias scaled along; and the same for <c>/ s</c> and for Gemm.
/// </summary>
public sealed class FoldScale : IPass
{
    public string Name => "fold-scale";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.TryScaling(graph, node, out ValueId product, out double scale) || !Match.IsFloat32(graph, product)) return null;
        if (graph.Producer(product) is not { Op: MatMul or Gemm } producer || !graph.HasSingleUse(product) || !Match.SameShape(graph, product, node.Outputs[0])) return null;
        if (((IFusible)producer.Op).Activation.Kind != ActivationKind.None || producer.Inputs.Length > IFusible.ResidualInput) return null;
        if (producer.Op is Gemm gemm)
            return Patch.ReplaceNode(graph, node, gemm with { Alpha = (float)(gemm.Alpha * scale), Beta = (float)(gemm.Beta * scale) }, producer.Inputs.AsSpan());
        var matMul = (MatMul)producer.Op;
        MatMul scaled = matMul with { Alpha = (float)(matMul.Alpha * scale) };
        if (producer.Inputs.Length < 3 || producer.Inputs[2].IsNone) return Patch.ReplaceNode(graph, node, scaled, producer.Inputs.AsSpan());
        if (graph.Constant(producer.Inputs[2]) is not { DType: DType.Float32 } bias) return null;
        Tensor newBias = bias.Clone();
        TensorPrimitives.Multiply(newBias.Span<float>(), (float)scale, newBias.Span<float>());
        var patch = new Patch(graph);
        ValueId constant = patch.Constant($"{producer.Name}/bias", newBias);
        return patch.Replace(node.Outputs[0], patch.Add(producer.Name, scaled, producer.Inputs[0], producer.Inputs[1], constant));
    }
}
