using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Parallax.Planning;

/// <summary>A node of a regression tree.</summary>
/// <param name="Feature">The feature that decides; -1 for a leaf.</param>
/// <param name="Value">A leaf's result; else the threshold: features up to it go to the first child, others to the second.</param>
/// <param name="Next">The position of the first child, the second lies behind it; 0 for a leaf.</param>
public readonly record struct TreeNode(int Feature, float Value, int Next)
{
    internal const int Leaf = -1;
}

/// <summary>The sum of regression trees. All trees lie in one array, children behind their parents. Immutable, thread-safe; evaluating allocates nothing.</summary>
/// <param name="Roots">Positions of the trees' roots in <paramref name="Nodes"/>.</param>
public sealed record BoostedTrees(
    [property: JsonConverter(typeof(IntsOnOneLine))] ImmutableArray<int> Roots,
    [property: JsonConverter(typeof(NodesOnOneLine))] ImmutableArray<TreeNode> Nodes)
{
    /// <param name="features">By number; none may be NaN.</param>
    public double Evaluate(ReadOnlySpan<float> features)
    {
        ReadOnlySpan<TreeNode> nodes = Nodes.AsSpan();
        double sum = 0;
        foreach (int root in Roots)
        {
            TreeNode node = nodes[root];
            while (node.Feature >= 0) node = nodes[features[node.Feature] <= node.Value ? node.Next : node.Next + 1];
            sum += node.Value;
        }
        return sum;
    }

    /// <summary>Whether every path ends in a leaf and reads features below <paramref name="featureCount"/> only.</summary>
    internal bool IsSound(int featureCount)
    {
        if (Roots.IsDefault || Nodes.IsDefault || Roots.Any(r => r < 0 || r >= Nodes.Length)) return false;
        for (int i = 0; i < Nodes.Length; i++)
        {
            TreeNode node = Nodes[i];
            if (!float.IsFinite(node.Value)) return false;
            if (node.Feature == TreeNode.Leaf) continue;
            if (node.Feature < 0 || node.Feature >= featureCount || node.Next <= i || node.Next >= Nodes.Length - 1) return false;
        }
        return true;
    }
}
