using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>View(Conv(x)) + c = View(Conv(x) + c)</c> for one constant per channel and a view that keeps batch and channels, and <c>f(View(Conv(x))) = View(f(Conv(x)))</c> for a function of elements,
/// so that the convolution can take both; likewise for products, whose channels are columns. Exporters of signals as images one element wide squeeze in between.
/// </summary>
public sealed class ViewsLast : IPass
{
    public string Name => "views-last";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        bool isSum = Match.IsBinary(node, BinaryFunction.Add);
        if (!isSum && node.Op is not (Unary or Clip)) return null;
        ValueId input = node.Inputs[0], bias = ValueId.None;
        if (isSum && !Match.TrySplit(node, id => graph.Constant(id) is not null, out bias, out input)) return null;
        if (ViewOfProduct(graph, input) is not { } view || !Match.IsFloat32(graph, node.Outputs[0]) || !Match.SameShape(graph, input, node.Outputs[0])) return null;
        var patch = new Patch(graph);
        ValueId[] inputs = [.. node.Inputs];
        inputs[inputs.IndexOf(input)] = view.Inputs[0];
        if (isSum)
        {
            if (BiasFor(graph, view, graph.Constant(bias)!) is not { } turned) return null;
            inputs[inputs.IndexOf(bias)] = patch.Constant($"{node.Name}/bias", turned);
        }
        ValueId applied = patch.Add(node.Name, node.Op, inputs);
        return patch.Replace(node.Outputs[0], patch.Add(view.Name, view.Op, [applied, .. view.Inputs[1..]]));
    }

    /// <summary>The node, a view of what a convolution or a product computes for it alone and nobody else reads.</summary>
    private static Node? ViewOfProduct(Graph graph, ValueId id) =>
        graph.Producer(id) is { Op: ViewOp } view && graph.HasSingleUse(id) && graph.Producer(view.Inputs[0]) is { Op: Conv or MatMul } && graph.HasSingleUse(view.Inputs[0]) ? view : null;

    /// <summary>The constant as it is added before the view; null where it is not one per channel, or the view does not keep the channels.</summary>
    private static Tensor? BiasFor(Graph graph, Node view, Tensor bias)
    {
        if (graph.TensorFact(view.Inputs[0])?.Shape is not { Rank: >= 2 } before || graph.TensorFact(view.Outputs[0])?.Shape is not { Rank: >= 2 } after) return null;
        Node producer = graph.Producer(view.Inputs[0])!;
        int axis = FuseBias.ChannelAxis(producer, after), axisBefore = FuseBias.ChannelAxis(producer, before);
        if (before[axisBefore] != after[axis] || (producer.Op is Conv && before[0] != after[0]) || !FuseBias.IsPerChannel(bias.Dims, after, axis)) return null;
        return bias.Reshape([bias.ElementCount, .. Enumerable.Repeat(1L, before.Rank - axisBefore - 1)]);
    }
}
