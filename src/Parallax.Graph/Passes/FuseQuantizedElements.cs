using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary><c>Quantize(Dequantize(x)) = x</c> where both have the same scale and zero point.</summary>
public sealed class CancelQuantization : IPass
{
    public string Name => "cancel-quantization";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (Quantization.OfQuantizer(graph, node) is not { } result) return null;
        if (Quantization.OfUniform(graph, node.Inputs[0], out ValueId data) is not { } source || !source.Equals(graph, result)) return null;
        return Patch.ReplaceValue(graph, node.Outputs[0], data);
    }
}

/// <summary><c>Quantize(activation(Dequantize(a) + Dequantize(b))) = QuantizedBinary(a, b)</c>, and likewise for - and *; activations are those that only limit the result.</summary>
public sealed class FuseQuantizedBinary : IPass
{
    public string Name => "fuse-quantized-binary";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (Quantization.OfQuantizer(graph, node) is not { } result) return null;
        ValueId real = node.Inputs[0];
        CodeRange range = result.Limits(graph, ref real);
        if (Match.OnlyUse<Binary>(graph, real, b => b.Function is BinaryFunction.Add or BinaryFunction.Sub or BinaryFunction.Mul) is not { } binary) return null;
        if (Quantization.OfUniform(graph, binary.Inputs[0], out ValueId a) is not { } left) return null;
        if (Quantization.OfUniform(graph, binary.Inputs[1], out ValueId b) is not { } right) return null;
        var patch = new Patch(graph);
        return patch.Replace(node.Outputs[0], patch.Add(binary.Name, new QuantizedBinary(((Binary)binary.Op).Function) { Range = range },
            a, left.Scale, left.ZeroIn(patch), b, right.Scale, right.ZeroIn(patch), result.Scale, result.ZeroIn(patch)));
    }
}

/// <summary><c>Quantize(Mean(Dequantize(x))) = QuantizedMean(x)</c> for means over all axes from one on.</summary>
public sealed class FuseQuantizedMean : IPass
{
    // Sums of so many differences of 8-bit integers fit int32.
    private const long MaxElements = int.MaxValue / 255;

    public string Name => "fuse-quantized-mean";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (Quantization.OfQuantizer(graph, node) is not { } result || !graph.HasSingleUse(node.Inputs[0])) return null;
        if (graph.Producer(node.Inputs[0]) is not { } mean || Quantization.OfUniform(graph, mean.Inputs[0], out ValueId data) is not { } source) return null;
        if (graph.TensorFact(data)!.Shape is not { } shape || FirstAxis(graph, mean, shape.Rank) is not { } first) return null;
        if (!new Shape(shape.Dims[first..]).Elements.TryGetValue(out long elements) || elements is 0 or > MaxElements) return null;
        bool keepsDims = mean.Op is not Reduce { KeepDims: false };
        var patch = new Patch(graph);
        return patch.Replace(node.Outputs[0], patch.Add(mean.Name, new QuantizedMean(first, keepsDims),
            data, source.Scale, source.ZeroIn(patch), result.Scale, result.ZeroIn(patch)));
    }

    private static int? FirstAxis(Graph graph, Node node, int rank)
    {
        if (node.Op is GlobalPool { Kind: PoolKind.Average }) return 2;
        if (node.Op is not Reduce { Kind: ReduceKind.Mean } reduce) return null;
        long[] given = [];
        if (node.Inputs.Length > 1 && !node.Inputs[1].IsNone && graph.TensorFact(node.Inputs[1])?.TryGetInts(out given) != true) return null;
        int[] axes = [.. reduce.Axes(given, rank).Order()];
        return axes.Length > 0 && axes[^1] == rank - 1 && axes[^1] - axes[0] == axes.Length - 1 ? axes[0] : null;
    }
}

/// <summary>
/// <c>Quantize(f(Dequantize(x))) = table[x]</c> for every f that computes each element of its result from one element of x and constants: there are 256 cases,
/// which the operators themselves compute. No f at all, between different scales or zero points, is one too.
/// </summary>
public sealed class TabulateQuantizedFunctions(IConstantEvaluator evaluator) : IPass
{
    private const int MaxNodes = 16;

    public string Name => "tabulate-quantized-functions";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (Quantization.OfQuantizer(graph, node) is null) return null;
        var nodes = new List<Node>();
        Node? source = null;
        if (!TryCollect(graph, node.Inputs[0], nodes, ref source) || source is null) return null;
        if (graph.Constant(source.Inputs[0]) is not null || !Match.SameShape(graph, source.Outputs[0], node.Inputs[0])) return null;
        nodes.Add(node);
        if (Tabulate(graph, source, nodes) is not { } table) return null;
        var patch = new Patch(graph);
        return patch.Replace(node.Outputs[0], patch.Add(node.Name, new TableLookup(), source.Inputs[0], patch.Constant($"{node.Name}/table", table)));
    }

    /// <summary>Collects the nodes between one DequantizeLinear and a value, producers first; whether there is nothing else between them.</summary>
    private static bool TryCollect(Graph graph, ValueId value, List<Node> nodes, ref Node? source)
    {
        if (graph.Constant(value) is { } constant) return constant.ElementCount == 1;
        if (graph.Producer(value) is not { } node || nodes.Count == MaxNodes) return false;
        if (nodes.Contains(node)) return true;
        if (Quantization.OfUniform(graph, value, out _) is not null)
        {
            source ??= node;
            return source == node;
        }
        if (node.Op is not (Unary or Binary or Clip) || node.Outputs.Length != 1 || !Match.IsFloat32(graph, value)) return false;
        foreach (ValueId input in node.Inputs)
            if (!input.IsNone && !TryCollect(graph, input, nodes, ref source)) return false;
        nodes.Add(node);
        return true;
    }

    private Tensor? Tabulate(Graph graph, Node source, List<Node> nodes)
    {
        byte[] codes = [.. Enumerable.Range(0, TableLookup.Entries).Select(i => (byte)i)];
        Tensor all = graph.TensorFact(source.Inputs[0])!.Type == DType.Int8
            ? Tensor.From(Array.ConvertAll(codes, c => (sbyte)c), [TableLookup.Entries])
            : Tensor.From(codes, [TableLookup.Entries]);
        var computed = new Dictionary<ValueId, Tensor> { [source.Inputs[0]] = all };
        foreach (Node node in nodes.Prepend(source))
        {
            ImmutableArray<Tensor?> inputs = [.. node.Inputs.Select(i => i.IsNone ? null : computed.GetValueOrDefault(i) ?? Flat(graph.Constant(i)!))];
            if (evaluator.Evaluate(node, inputs) is not [{ } result]) return null;
            computed[node.Outputs[0]] = result;
        }
        return computed[nodes[^1].Outputs[0]];
    }

    private static Tensor Flat(Tensor constant) => constant.Rank == 0 ? constant : constant.Reshape([]);
}

/// <summary>
/// <c>Quantize(move(x)) = move(Quantize(x))</c> for operators that give elements as they are, or the largest of some, where x is a DequantizeLinear or moved from one:
/// QuantizeLinear travels up to it, so that bytes are moved.
/// </summary>
public sealed class QuantizeBeforeMoving : IPass
{
    private const int MaxSteps = 16;

    public string Name => "quantize-before-moving";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (Quantization.OfQuantizer(graph, node) is not { } result || !graph.HasSingleUse(node.Inputs[0])) return null;
        if (graph.Producer(node.Inputs[0]) is not { } move || DataInputs(move) is not (> 0 and var count)) return null;
        for (int i = 0; i < count; i++)
            if (!ComesFromQuantized(graph, move.Inputs[i], MaxSteps)) return null;
        var patch = new Patch(graph);
        ValueId[] inputs = [.. move.Inputs];
        for (int i = 0; i < count; i++) inputs[i] = patch.Add(node.Name, node.Op, node.Inputs.SetItem(0, inputs[i]).AsSpan());
        return patch.Replace(node.Outputs[0], patch.Add(move.Name, move.Op, inputs));
    }

    private static bool ComesFromQuantized(Graph graph, ValueId value, int steps)
    {
        if (Quantization.OfUniform(graph, value, out _) is not null) return true;
        if (steps == 0 || !graph.HasSingleUse(value) || graph.Producer(value) is not { } move || DataInputs(move) is not (> 0 and var count)) return false;
        for (int i = 0; i < count; i++)
            if (!ComesFromQuantized(graph, move.Inputs[i], steps - 1)) return false;
        return true;
    }

    /// <summary>How many of the first inputs of an operator its result's elements are taken from; 0: other operators.</summary>
    private static int DataInputs(Node node) => node.Op switch
    {
        Concat => node.Inputs.Length,
        { IsView: true } or Transpose or Slice or Gather or Tile or Expand or DepthToSpace or SpaceToDepth => 1,
        Pad { Mode: not PadMode.Constant } => 1,
        Pool { Kind: PoolKind.Max } => node.Outputs.Length == 1 || node.Outputs[1].IsNone ? 1 : 0,
        GlobalPool { Kind: PoolKind.Max } => 1,
        _ => 0,
    };
}

/// <summary>
/// <c>Transpose(Dequantize(x)) = Dequantize(Transpose(x))</c> for constants and <c>Split(Dequantize(x)) = Dequantize(Split(x))</c>, so that those who read the result
/// see that it is quantized.
/// </summary>
public sealed class DequantizeAfterMoving : IPass
{
    public string Name => "dequantize-after-moving";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not (Transpose or Split) || !graph.HasSingleUse(node.Inputs[0])) return null;
        if (Quantization.OfDequantized(graph, node.Inputs[0], out ValueId data) is not { } source) return null;
        Node dequantize = graph.Producer(node.Inputs[0])!;
        var op = (DequantizeLinear)dequantize.Op;
        if (node.Op is Transpose transpose)
        {
            if (graph.Constant(data) is not { } constant) return null;
            if (source.Axis is { } axis) op = op with { Axis = transpose.For(constant.Rank).IndexOf(axis) };
        }
        else if (source.Axis is not null) return null;
        var patch = new Patch(graph);
        ImmutableArray<ValueId> moved = patch.Add(node.Name, node.Op, node.Inputs.SetItem(0, data), [.. node.Outputs.Select(o => o.IsNone ? null : graph[o].Name)]);
        for (int i = 0; i < moved.Length; i++)
            if (!moved[i].IsNone) patch.Replace(node.Outputs[i], patch.Add(dequantize.Name, op, dequantize.Inputs.SetItem(0, moved[i]).AsSpan()));
        return patch;
    }
}
