namespace Parallax.Planning;

/// <summary>Least squares with a small penalty on the weights of standardized features (ridge regression), by Cholesky's decomposition.</summary>
internal static class LinearFit
{
    private const double Penalty = 1e-3;

    /// <summary>Weights of <c>target = base + sum of weight * (feature - center)</c>; a feature that never changes has none.</summary>
    internal static (double Base, double[] Weights) Fit(IReadOnlyList<float[]> rows, IReadOnlyList<double> targets, IReadOnlyList<float> centers)
    {
        int count = rows.Count, features = centers.Count;
        var means = new double[features];
        var scales = new double[features];
        for (int f = 0; f < features; f++)
        {
            means[f] = rows.Average(r => (double)r[f]);
            scales[f] = Math.Sqrt(rows.Average(r => (r[f] - means[f]) * (r[f] - means[f])));
        }
        int[] used = [.. Enumerable.Range(0, features).Where(f => scales[f] > 1e-6)];
        double mean = targets.Average();
        var normal = new double[used.Length, used.Length];
        var right = new double[used.Length];
        for (int i = 0; i < used.Length; i++)
        {
            for (int j = 0; j <= i; j++) normal[i, j] = rows.Sum(r => Standard(r, used[i]) * Standard(r, used[j])) + (i == j ? Penalty * count : 0);
            right[i] = rows.Select((r, s) => Standard(r, used[i]) * (targets[s] - mean)).Sum();
        }
        double[] solved = Solve(normal, right);
        var weights = new double[features];
        double origin = mean;
        for (int i = 0; i < used.Length; i++)
        {
            weights[used[i]] = solved[i] / scales[used[i]];
            origin += weights[used[i]] * (centers[used[i]] - means[used[i]]);
        }
        return (origin, weights);

        double Standard(float[] row, int f) => (row[f] - means[f]) / scales[f];
    }

    /// <summary>Solves a symmetric positive definite system, of whose matrix the lower half is given and overwritten.</summary>
    private static double[] Solve(double[,] a, double[] b)
    {
        int n = b.Length;
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = a[i, j];
                for (int k = 0; k < j; k++) sum -= a[i, k] * a[j, k];
                a[i, j] = i == j ? Math.Sqrt(sum) : sum / a[j, j];
            }
        }
        var x = (double[])b.Clone();
        for (int i = 0; i < n; i++)
        {
            for (int k = 0; k < i; k++) x[i] -= a[i, k] * x[k];
            x[i] /= a[i, i];
        }
        for (int i = n - 1; i >= 0; i--)
        {
            for (int k = i + 1; k < n; k++) x[i] -= a[k, i] * x[k];
            x[i] /= a[i, i];
        }
        return x;
    }
}
