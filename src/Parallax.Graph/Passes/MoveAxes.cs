using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>Transpose(Transpose(x, p), q) = Transpose(x, p[q])</c>, and nothing where the axes come back to where they were. A transpose that products will
/// absorb is left to them.
/// </summary>
public sealed class MergeTransposes : IPass
{
    public string Name => "merge-transposes";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not Transpose outer || graph.Producer<Transpose>(node.Inputs[0]) is not { } inner) return null;
        if (graph.TensorFact(inner.Inputs[0])?.Rank is not { } rank) return null;
        ImmutableArray<int> first = ((Transpose)inner.Op).For(rank), merged = [.. outer.For(rank).Select(axis => first[axis])];
        if (merged.SequenceEqual(Enumerable.Range(0, rank))) return Patch.ReplaceValue(graph, node.Outputs[0], inner.Inputs[0]);
        if (AbsorbTranspose.SwapsLastTwo(outer.Permutation, rank) && !graph.IsOutput(node.Outputs[0]) && graph.Consumers(node.Outputs[0]).All(c => graph[c].Op is MatMul)) return null;
        return Patch.ReplaceNode(graph, node, new Transpose(merged), inner.Inputs[0]);
    }
}

/// <summary><c>Transpose(x) = Reshape(x)</c> where only axes of one element change places: the elements stay in their order.</summary>
public sealed class TransposeToReshape : IPass
{
    public string Name => "transpose-to-reshape";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not Transpose transpose || graph.TensorFact(node.Inputs[0])?.Shape is not { } shape) return null;
        ImmutableArray<int> permutation = transpose.For(shape.Rank);
        int[] moved = [.. permutation.Where(axis => shape[axis] != 1)];
        if (!moved.SequenceEqual(moved.Order()) || Target(shape, permutation) is not { } target) return null;
        var patch = new Patch(graph);
        return patch.Replace(node.Outputs[0], patch.Reshape(node.Name, node.Inputs[0], target));
    }

    /// <summary>What to tell a Reshape: numbers, 0 for a dim that stays where it is, -1 for one that is not known.</summary>
    private static long[]? Target(Shape shape, ImmutableArray<int> permutation)
    {
        var target = new long[permutation.Length];
        for (int i = 0; i < target.Length; i++)
        {
            Dim dim = shape[permutation[i]];
            if (dim.TryGetValue(out long value)) target[i] = value;
            else if (permutation[i] != i) target[i] = -1;
            if (dim == 0 || (target[i] == -1 && target.AsSpan(0, i).Contains(-1))) return null;
        }
        return target;
    }
}

/// <summary>
/// <c>Reshape(view(x), dims) = Reshape(x, dims)</c> where the dims do not refer to those of the view, and <c>x</c> where they are its own.
/// </summary>
public sealed class MergeReshapes : IPass
{
    public string Name => "merge-reshapes";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not Reshape reshape || graph.Producer(node.Inputs[0]) is not { Op: Reshape or Flatten or Squeeze or Unsqueeze } inner) return null;
        if (Match.SameShape(graph, inner.Inputs[0], node.Outputs[0])) return Patch.ReplaceValue(graph, node.Outputs[0], inner.Inputs[0]);
        if (graph.TensorFact(node.Inputs[1]) is not { } target || !target.TryGetInts(out long[] dims) || (!reshape.AllowZero && Array.Exists(dims, d => d == 0))) return null;
        return Patch.ReplaceNode(graph, node, reshape, inner.Inputs[0], node.Inputs[1]);
    }
}
