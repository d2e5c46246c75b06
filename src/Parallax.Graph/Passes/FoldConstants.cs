using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>Computes an operator on constants; how is the business of whoever runs graphs.</summary>
public interface IConstantEvaluator
{
    /// <summary>The outputs (null for those not wanted), or null where the operator cannot be computed ahead of time.</summary>
    Tensor?[]? Evaluate(Node node, ImmutableArray<Tensor?> inputs);
}

/// <summary>
/// <c>op(constants) = constant</c>, for deterministic operators whose result is not much larger than what it is computed from. Not for transposes that products absorb: of embeddings that
/// are also the weights of the last product there would be two.
/// </summary>
/// <param name="keepsQuantized">Whether DequantizeLinear is left as it is, so that passes see which constants are quantized.</param>
public sealed class FoldConstants(IConstantEvaluator evaluator, bool keepsQuantized = false) : IPass
{
    /// <summary>A larger result is folded only where it is no larger than its inputs, so that a model does not swell.</summary>
    private const long FreeBytes = 1L << 30;

    public string Name => "fold-constants";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!node.Op.IsDeterministic || node.Op.IsControlFlow || (keepsQuantized && node.Op is DequantizeLinear) || AbsorbTranspose.IsForProducts(graph, node)) return null;
        var inputs = ImmutableArray.CreateBuilder<Tensor?>(node.Inputs.Length);
        foreach (ValueId input in node.Inputs)
        {
            Tensor? constant = graph.Constant(input) ?? KnownContents.ToTensor(graph.TensorFact(input));
            if (constant is null && !input.IsNone) return null;
            inputs.Add(constant);
        }
        foreach (ValueId output in node.Outputs)
            if (!output.IsNone && (graph.TensorFact(output) is not { } fact || (fact.IsStatic && fact.Type.ByteCount(fact.Shape!.Value.Elements.Value) > FreeBytes))) return null;
        if (evaluator.Evaluate(node, inputs.MoveToImmutable()) is not { } results) return null;
        var patch = new Patch(graph);
        for (int i = 0; i < node.Outputs.Length; i++)
            if (!node.Outputs[i].IsNone) patch.Replace(node.Outputs[i], patch.Constant(graph[node.Outputs[i]].Name, results[i]!));
        return patch;
    }
}

/// <summary>A value whose integer contents follow from shape arithmetic is a constant: <c>Shape(x[2x3]) = {2, 3}</c>.</summary>
public sealed class FoldKnownContents : IPass
{
    public string Name => "fold-shape-arithmetic";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!node.Op.IsDeterministic) return null;
        var patch = new Patch(graph);
        bool any = false;
        foreach (ValueId output in node.Outputs)
        {
            if (output.IsNone || (graph.Consumers(output).Count == 0 && !graph.IsOutput(output)) || KnownContents.ToTensor(graph.TensorFact(output)) is not { } contents) continue;
            patch.Replace(output, patch.Constant(graph[output].Name, contents));
            any = true;
        }
        return any ? patch : null;
    }
}

internal static class KnownContents
{
    /// <summary>The tensor that a fact's known contents are, where all of them are numbers.</summary>
    internal static Tensor? ToTensor(TensorFact? fact)
    {
        if (fact is not { Constant: null, IsStatic: true } || fact.Known.IsDefault || !fact.TryGetInts(out long[] values)) return null;
        long[] dims = fact.Shape!.Value.ToArray();
        if (Shape.Count(dims) != values.Length) return null;
        return fact.Type switch
        {
            DType.Int64 => Tensor.From(values, dims),
            DType.Int32 => Tensor.From(Array.ConvertAll(values, v => checked((int)v)), dims),
            DType.Bool => Tensor.From(Array.ConvertAll(values, v => v != 0), dims),
            _ => null,
        };
    }
}
