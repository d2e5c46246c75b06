using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>How trees are grown.</summary>
/// <param name="MaxTrees">Fewer where the validation part has stopped improving.</param>
/// <param name="MaxLeaves">Of one tree.</param>
/// <param name="Shrinkage">The part of what a tree would correct that it does correct.</param>
/// <param name="MinLeafSamples">A split leaves no fewer on either side.</param>
/// <param name="Regularization">Added to the number of samples where a leaf averages them.</param>
/// <param name="RowFraction">The part of the samples, drawn anew, that each tree sees.</param>
/// <param name="Patience">So many trees without an improvement end the training.</param>
public sealed record TreeOptions(
    int MaxTrees = 120, int MaxLeaves = 12, double Shrinkage = 0.12, int MinLeafSamples = 4, double Regularization = 1, double RowFraction = 0.8, int Patience = 25, int Seed = 1);

/// <summary>
/// Gradient boosting for squared errors: each tree is fitted to what the trees before it leave, leaf by leaf where that helps most, over histograms.
/// After Friedman, "Greedy function approximation" (2001), and Ke et al., "LightGBM" (2017). The same samples and seed give the same trees.
/// </summary>
public static class TreeTrainer
{
    /// <param name="rows">A row of features per sample; no NaN.</param>
    /// <param name="targets">Per sample.</param>
    /// <param name="validation">Positions of samples that no tree sees: the number of trees is the one that fits these best. Empty: all trees are kept.</param>
    public static BoostedTrees Train(IReadOnlyList<float[]> rows, IReadOnlyList<double> targets, IReadOnlyCollection<int> validation, TreeOptions options)
    {
        int count = rows.Count, features = count == 0 ? 0 : rows[0].Length;
        var held = new HashSet<int>(validation);
        int[] training = [.. Enumerable.Range(0, count).Where(i => !held.Contains(i))];
        var bins = new FeatureBins([.. training.Select(i => rows[i])], features);
        double[] left = [.. targets];
        double[] leftInTraining = [.. training.Select(i => left[i])];
        var random = new Random(options.Seed);
        var roots = new List<int>();
        var nodes = new List<TreeNode>();
        double best = MeanSquare(left, held);
        int bestTrees = 0, bestNodes = 0;
        for (int tree = 0; tree < options.MaxTrees && training.Length > 0; tree++)
        {
            int root = nodes.Count;
            TreeGrower.Grow(bins, leftInTraining, Draw(training.Length, options.RowFraction, random), options, nodes);
            if (nodes[root].Feature == TreeNode.Leaf && nodes[root].Value == 0) break;
            roots.Add(root);
            var added = new BoostedTrees([root], [.. nodes]);
            for (int i = 0; i < count; i++) left[i] -= added.Evaluate(rows[i]);
            for (int i = 0; i < training.Length; i++) leftInTraining[i] = left[training[i]];
            double error = MeanSquare(left, held);
            if (held.Count == 0 || error < best) (best, bestTrees, bestNodes) = (error, roots.Count, nodes.Count);
            else if (roots.Count - bestTrees >= options.Patience) break;
        }
        return new BoostedTrees([.. roots.Take(bestTrees)], [.. nodes.Take(bestNodes)]);
    }

    private static double MeanSquare(double[] left, HashSet<int> held) => held.Count == 0 ? 0 : held.Order().Average(i => left[i] * left[i]);

    private static int[] Draw(int count, double fraction, Random random)
    {
        int[] all = [.. Enumerable.Range(0, count)];
        if (fraction >= 1) return all;
        random.Shuffle(all);
        int[] drawn = all[..Math.Max(1, (int)(count * fraction))];
        Array.Sort(drawn);
        return drawn;
    }
}
