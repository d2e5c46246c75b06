using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>
/// The paper's schedule: level by level with a barrier between, made of control edges. Branches of a level are bundled by predicted time, so that one
/// outlier does not make a whole level sequential; the bundles of a level run side by side where their times differ by no more than beta and their peaks
/// fit the budget together.
/// </summary>
internal static class Layering
{
    /// <returns>The barriers and the order within bundles, and how many levels run side by side.</returns>
    internal static (List<(int From, int To)> Edges, int ParallelLayers) Edges(
        IEnumerable<IReadOnlyList<int>> layers, BranchTimes times, Func<int, long> peakBytes, int workers, double beta, long budgetBytes)
    {
        var edges = new List<(int, int)>();
        List<int> before = [];
        int parallel = 0;
        foreach (IReadOnlyList<int> layer in layers)
        {
            List<List<int>> bundles = Bundles(layer, times, peakBytes, workers, beta, budgetBytes);
            if (bundles.Count > 1) parallel++;
            foreach (List<int> bundle in bundles)
            {
                foreach (int last in before) edges.Add((last, bundle[0]));
                for (int i = 1; i < bundle.Count; i++) edges.Add((bundle[i - 1], bundle[i]));
            }
            before = [.. bundles.Select(b => b[^1])];
        }
        return (edges, parallel);
    }

    /// <summary>As many bundles as workers where that is balanced and fits, fewer else; at last one.</summary>
    private static List<List<int>> Bundles(IReadOnlyList<int> layer, BranchTimes times, Func<int, long> peakBytes, int workers, double beta, long budgetBytes)
    {
        for (int count = Math.Min(workers, layer.Count); count > 1; count--)
        {
            List<List<int>> bundles = Pack(layer, times, count);
            double[] us = [.. bundles.Select(b => b.Sum(i => times.Us(i, 1)))];
            if (us.Max() <= beta * us.Min() && bundles.Sum(b => b.Max(peakBytes)) <= budgetBytes) return bundles;
        }
        return [[.. layer]];
    }

    /// <summary>Longest first, each to the bundle that is the shortest so far.</summary>
    private static List<List<int>> Pack(IReadOnlyList<int> layer, BranchTimes times, int count)
    {
        List<List<int>> bundles = [.. Enumerable.Range(0, count).Select(_ => new List<int>())];
        var us = new double[count];
        foreach (int branch in layer.OrderByDescending(b => times.Us(b, 1)).ThenBy(b => b))
        {
            int shortest = Enumerable.Range(0, count).MinBy(i => (us[i], bundles[i].Count, i));
            bundles[shortest].Add(branch);
            us[shortest] += times.Us(branch, 1);
        }
        return bundles;
    }
}
