using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>Transpose(Reshape(Conv(x, w, b)))</c> of [batch, outputs, places] to [batch, places, outputs], for windows that lie side by side,
/// <c>= MatMul(patches of x as rows, wᵀ, b)</c>: the rows are copied in the first place, and nothing is transposed behind it.
/// </summary>
public sealed class PatchesAsRows : IPass
{
    public string Name => "patches-as-rows";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not Transpose transpose || !transpose.Permutation.AsSpan().SequenceEqual([0, 2, 1]) || !Match.IsFloat32(graph, node.Outputs[0])) return null;
        if (Match.OnlyUse<Reshape>(graph, node.Inputs[0]) is not { } flat || Match.OnlyUse<Conv>(graph, flat.Inputs[0], IsPlain) is not { } conv || conv.Inputs.Length > IFusible.ResidualInput) return null;
        if (graph.TensorFact(flat.Outputs[0])?.Shape is not { Rank: 3 } result || graph.TensorFact(flat.Inputs[0])!.Shape is not { } planes) return null;
        if (result[0] != planes[0] || result[1] != planes[1] || graph.TensorFact(conv.Inputs[0])?.Shape is not { } x || graph.Constant(conv.Inputs[1]) is not { } weights) return null;
        SpatialWindow window = ((Conv)conv.Op).WindowOver(weights.Shape);
        long taps = Shape.Count(window.Kernel.AsSpan()), channels = weights.Dims[1], places = 1;
        if (taps == 1) return null; // a transpose of x in place of one of the result
        int axes = window.Kernel.Length;
        var cut = new long[2 + 2 * axes];
        cut[1] = channels;
        for (int i = 0; i < axes; i++)
        {
            long kernel = window.Kernel[i];
            if (window.Stride(i) != kernel || window.Dilation(i) != 1 || !x[i + 2].TryGetValue(out long length) || length % kernel != 0) return null;
            (cut[2 + 2 * i], cut[3 + 2 * i]) = (length / kernel, kernel);
            places *= length / kernel;
        }
        var patch = new Patch(graph);
        ValueId parts = patch.Reshape($"{conv.Name}/parts", conv.Inputs[0], cut);
        ValueId turned = patch.Add($"{conv.Name}/patches", new Transpose([0, .. Enumerable.Range(0, axes).Select(i => 2 + 2 * i), 1, .. Enumerable.Range(0, axes).Select(i => 3 + 2 * i)]), parts);
        ValueId rows = patch.Reshape($"{conv.Name}/rows", turned, 0, places, channels * taps);
        ValueId columns = patch.Constant($"{conv.Name}/weights", weights.Reshape([weights.Dims[0], channels * taps]));
        return patch.Replace(node.Outputs[0], patch.Add(conv.Name, new MatMul(TransposeB: true), [rows, columns, .. conv.Inputs.Skip(2)]));
    }

    private static bool IsPlain(Conv op) => op is { Groups: 1, Activation.Kind: ActivationKind.None, Window.AutoPad: AutoPad.NotSet or AutoPad.Valid } && op.Window.Pads.All(p => p == 0);
}
