namespace Parallax.Planning;

/// <summary>Grows one regression tree: the leaf whose best split removes the most squared error is split, until none is worth it.</summary>
internal static class TreeGrower
{
    private sealed record Split(int Feature, int Bin, double Gain);

    private sealed record OpenLeaf(int Node, int[] Samples, Split? Best);

    /// <param name="samples">Those that the tree is fitted to.</param>
    /// <param name="nodes">Gets the tree's nodes, the root first.</param>
    internal static void Grow(FeatureBins bins, double[] targets, int[] samples, TreeOptions options, List<TreeNode> nodes)
    {
        var open = new List<OpenLeaf>();
        AddLeaf(samples);
        for (int leaves = 1; leaves < options.MaxLeaves; leaves++)
        {
            OpenLeaf? leaf = open.Where(l => l.Best is not null).MaxBy(l => l.Best!.Gain);
            if (leaf?.Best is not { } split) return;
            open.Remove(leaf);
            byte[] column = bins.Column(split.Feature).ToArray();
            nodes[leaf.Node] = new TreeNode(split.Feature, bins.UpperLimit(split.Feature, split.Bin), nodes.Count);
            AddLeaf([.. leaf.Samples.Where(s => column[s] <= split.Bin)]);
            AddLeaf([.. leaf.Samples.Where(s => column[s] > split.Bin)]);
        }

        void AddLeaf(int[] members)
        {
            open.Add(new OpenLeaf(nodes.Count, members, FindSplit(bins, targets, members, options)));
            nodes.Add(new TreeNode(TreeNode.Leaf, (float)(options.Shrinkage * members.Sum(s => targets[s]) / (members.Length + options.Regularization)), 0));
        }
    }

    private static Split? FindSplit(FeatureBins bins, double[] targets, int[] samples, TreeOptions options)
    {
        if (samples.Length < 2 * options.MinLeafSamples) return null;
        Span<double> sums = stackalloc double[FeatureBins.MaxBins];
        Span<int> counts = stackalloc int[FeatureBins.MaxBins];
        double all = samples.Sum(s => targets[s]), whole = Score(all, samples.Length, options);
        Split? best = null;
        for (int feature = 0; feature < bins.FeatureCount; feature++)
        {
            int binCount = bins.BinCount(feature);
            if (binCount < 2) continue;
            sums.Clear();
            counts.Clear();
            ReadOnlySpan<byte> column = bins.Column(feature);
            foreach (int sample in samples)
            {
                sums[column[sample]] += targets[sample];
                counts[column[sample]]++;
            }
            double low = 0;
            for (int bin = 0, below = 0; bin + 1 < binCount; bin++)
            {
                low += sums[bin];
                below += counts[bin];
                if (below < options.MinLeafSamples || samples.Length - below < options.MinLeafSamples) continue;
                double gain = Score(low, below, options) + Score(all - low, samples.Length - below, options) - whole;
                if (gain > 1e-12 && gain > (best?.Gain ?? 0)) best = new Split(feature, bin, gain);
            }
        }
        return best;
    }

    private static double Score(double sum, int count, TreeOptions options) => sum * sum / (count + options.Regularization);
}
