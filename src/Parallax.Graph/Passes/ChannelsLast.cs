using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>IntegerConv(x) = ToFirst(IntegerConvLast(ToLast(x)))</c> for convolutions that read from or are read by another of the kind, with functions of 8-bit elements between them or not, where ToLast moves
/// the channels of [N, C, spatial...] behind the spatial axes and ToFirst moves them back: between two of them the transposes meet and cancel. Each place's channels lie together then, so that
/// integer dot products read them where they are.
/// </summary>
public sealed class ConvolveChannelsLast : IPass
{
    // More axes than these no kernel takes.
    private const int MaxRank = 5;

    /// <summary>Taps of a filter of one channel whose sums of products of 8-bit numbers float32 holds exactly: others have no kernel.</summary>
    private const long MaxTaps = (1 << 24) / (255 * 255);

    /// <summary>Operators that may lie between two convolutions.</summary>
    private const int MaxSteps = 4;

    public string Name => "convolve-channels-last";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!CanTurn(graph, node) || !(IsLast(graph, node.Inputs[0], MaxSteps, except: node) || GoesToTurned(graph, node.Outputs[0], MaxSteps))) return null;
        int rank = graph.TensorFact(node.Inputs[0])!.Rank!.Value;
        var patch = new Patch(graph);
        ValueId last = patch.Add($"{node.Name}/last", new Transpose(ChannelsLast.Order(rank)), node.Inputs[0]);
        ValueId result = patch.Add(node.Name, (IntegerConv)node.Op with { ChannelsLast = true }, node.Inputs.SetItem(0, last).AsSpan());
        return patch.Replace(node.Outputs[0], patch.Add($"{node.Name}/first", new Transpose(ChannelsLast.InverseOrder(rank)), result));
    }

    /// <summary>Whether a convolution can be computed with channels last: all but its data are constant, the weights' zero points lie in the middle of their type, and each result channel sees all channels, or one its own.</summary>
    private static bool CanTurn(Graph graph, Node node)
    {
        if (node.Op is not IntegerConv { Requantizes: true, ChannelsLast: false } conv || graph.TensorFact(node.Inputs[0])?.Rank is not (>= 3 and <= MaxRank)) return false;
        for (int i = 1; i < node.Inputs.Length; i++)
            if (!node.Inputs[i].IsNone && graph.Constant(node.Inputs[i]) is null) return false;
        Tensor weights = graph.Constant(node.Inputs[conv.B])!;
        if (conv.Groups != 1 && (conv.Groups != weights.Dims[0] || weights.Dims[1] != 1 || weights.ElementCount > MaxTaps * weights.Dims[0])) return false;
        return IntegerProduct.AreCentered(weights, graph.Constant(node.Inputs[conv.B + 2]));
    }

    /// <summary>Whether a value is there with channels last, or will be: as the result of such a convolution, as the data of another than one node, or because all that it is computed from is.</summary>
    private static bool IsLast(Graph graph, ValueId value, int steps, Node? except = null)
    {
        if (graph.Constant(value) is not null) return true;
        foreach (NodeId id in graph.Consumers(value))
            if (id != except?.Id && graph[id] is { Op: IntegerConv } reader && reader.Inputs[0] == value && IsTurned(graph, reader)) return true;
        if (graph.Producer(value) is not { } producer) return false;
        if (IsTurned(graph, producer)) return true;
        if (producer.Op is Transpose turned && graph.TensorFact(value)?.Rank is { } rank && turned.For(rank).SequenceEqual(ChannelsLast.InverseOrder(rank))) return true;
        int[] data = QuantizedElements.DataInputs(producer);
        return steps > 0 && data.Length > 0 && Array.TrueForAll(data, input => IsLast(graph, producer.Inputs[input], steps - 1));
    }

    private static bool GoesToTurned(Graph graph, ValueId value, int steps)
    {
        foreach (NodeId id in graph.Consumers(value))
        {
            Node consumer = graph[id];
            if (IsTurned(graph, consumer)) return true;
            int[] data = QuantizedElements.DataInputs(consumer);
            if (steps > 0 && data.Length > 0 && Array.TrueForAll(data, input => consumer.Inputs[input] == value || IsLast(graph, consumer.Inputs[input], steps - 1))
                && GoesToTurned(graph, consumer.Outputs[0], steps - 1)) return true;
        }
        return false;
    }

    /// <summary>Whether a node is such a convolution, or can become one.</summary>
    private static bool IsTurned(Graph graph, Node node) => node.Op is IntegerConv { ChannelsLast: true } || CanTurn(graph, node);
}

/// <summary>
/// <c>f(Transpose(x, p), Transpose(y, p)) = Transpose(f(x, y), p)</c> for functions of 8-bit elements and for Concat, so that the transposes meet others behind. An operand may be a constant, which is
/// transposed back, or be there as it is before a transpose because another node reads it so.
/// </summary>
public sealed class TransposeAfterQuantizedElements : IPass
{
    public string Name => "transpose-after-quantized-elements";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        int[] data = QuantizedElements.DataInputs(node);
        if (graph.TensorFact(node.Outputs[0])?.Rank is not { } rank || FindOrder(graph, node, data, rank) is not { } order) return null;
        ImmutableArray<int> back = [.. Enumerable.Range(0, rank).OrderBy(axis => order[axis])];
        var patch = new Patch(graph);
        ValueId[] inputs = [.. node.Inputs];
        foreach (int i in data)
        {
            if (Before(graph, patch, node.Inputs[i], rank, order, back) is not { } before) return null;
            inputs[i] = before;
        }
        Op op = node.Op is Concat concat ? new Concat(order[ShapeRules.Axis(concat.Axis, rank)]) : node.Op;
        return patch.Replace(node.Outputs[0], patch.Add($"{node.Name}/first", new Transpose(order), patch.Add(node.Name, op, inputs)));
    }

    /// <summary>How the first transposed operand is.</summary>
    private static ImmutableArray<int>? FindOrder(Graph graph, Node node, int[] data, int rank)
    {
        foreach (int i in data)
            if (graph.Producer<Transpose>(node.Inputs[i]) is { } moved && graph.TensorFact(moved.Inputs[0]) is { Type: DType.UInt8 or DType.Int8 } fact && fact.Rank == rank) return ((Transpose)moved.Op).For(rank);
        return null;
    }

    /// <summary>What an operand is before a transpose; null where that is not there.</summary>
    private static ValueId? Before(Graph graph, Patch patch, ValueId value, int rank, ImmutableArray<int> order, ImmutableArray<int> back)
    {
        if (graph.Producer<Transpose>(value) is { } moved && graph.TensorFact(moved.Inputs[0])?.Rank == rank && ((Transpose)moved.Op).For(rank).SequenceEqual(order)) return moved.Inputs[0];
        if (graph.Constant(value) is { } constant)
            return constant.ElementCount == 1 && constant.Rank <= rank ? value : constant.Rank == rank ? patch.Add($"{graph[value].Name}/last", new Transpose(back), value) : null;
        if (graph.TensorFact(value)?.Rank != rank) return null;
        foreach (NodeId id in graph.Consumers(value))
            if (graph[id].Op is Transpose turned && turned.For(rank).SequenceEqual(back)) return graph[id].Outputs[0];
        return null;
    }
}

/// <summary>Functions of 8-bit elements, each of its own place.</summary>
internal static class QuantizedElements
{
    /// <summary>The inputs whose elements a function takes; none: another operator.</summary>
    internal static int[] DataInputs(Node node) => node.Op switch
    {
        TableLookup => [0],
        QuantizedBinary => [0, 3],
        Concat => [.. Enumerable.Range(0, node.Inputs.Length)],
        _ => [],
    };
}
