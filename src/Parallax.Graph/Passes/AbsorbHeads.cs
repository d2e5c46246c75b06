using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>Attention(q, Transpose(k), v) = Attention(q, k, v, key heads)</c> for a k of [batch, keys, heads, size] that becomes [batch, keys, heads * size],
/// likewise for v, and for q where the result has its heads merged.
/// </summary>
public sealed class AbsorbHeadSplit : IPass
{
    public string Name => "absorb-head-split";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not Attention op) return null;
        for (int i = op.MergesHeads ? 0 : 1; i < 3; i++)
        {
            if (Match.Transposed(graph, node.Inputs[i], [0, 2, 1, 3]) is not { } rows || graph.TensorFact(rows)?.Shape is not { } shape) continue;
            if (!shape[2].TryGetValue(out long heads) || !shape[3].TryGetValue(out long size) || heads == 0 || size == 0) continue;
            var patch = new Patch(graph);
            ValueId packed = patch.Reshape($"{node.Name}/rows", rows, 0, 0, heads * size);
            Attention absorbed = i == 0 ? op with { QueryHeads = heads, MergesHeads = false } : op with { KeyHeads = heads };
            return patch.Replace(node.Outputs[0], patch.Add(node.Name, absorbed, node.Inputs.SetItem(i, packed).AsSpan()));
        }
        return null;
    }
}

/// <summary><c>Reshape(Transpose(Attention(q, k, v))) = Attention(q, k, v, merged heads)</c> for a result of [batch, heads, queries, size] that becomes [batch, queries, heads * size].</summary>
public sealed class AbsorbHeadMerge : IPass
{
    private static readonly ImmutableArray<int> HeadsBehind = [0, 2, 1, 3];

    public string Name => "absorb-head-merge";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not Reshape || Match.OnlyUse<Transpose>(graph, node.Inputs[0], t => t.Permutation.AsSpan().SequenceEqual(HeadsBehind.AsSpan())) is not { } transpose) return null;
        if (Match.OnlyUse<Attention>(graph, transpose.Inputs[0]) is not { Outputs.Length: 1 } attention || graph.TensorFact(attention.Outputs[0])?.Shape is not { Rank: 4 } heads) return null;
        if (graph.TensorFact(node.Outputs[0])?.Shape is not { Rank: 3 } merged || merged[0] != heads[0] || merged[1] != heads[2]) return null;
        return Patch.ReplaceNode(graph, node, (Attention)attention.Op with { MergesHeads = true }, attention.Inputs.AsSpan());
    }
}
