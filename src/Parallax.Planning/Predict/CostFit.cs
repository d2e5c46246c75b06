namespace Parallax.Planning;

/// <summary>Costs of amounts, none below zero, whose sum comes nearest to measured times: least squares of the relative errors, by coordinate descent.</summary>
internal static class CostFit
{
    private const int Sweeps = 500;

    /// <param name="amounts">By sample.</param>
    /// <param name="us">By sample, above zero.</param>
    internal static double[] Fit(IReadOnlyList<double[]> amounts, IReadOnlyList<double> us)
    {
        int count = amounts[0].Length;
        var costs = new double[count];
        var squares = new double[count];
        double[][] relative = [.. amounts.Select((row, s) => row.Select(a => a / us[s]).ToArray())];
        double[] left = [.. us.Select(_ => 1.0)]; // what the costs do not explain yet
        for (int i = 0; i < count; i++) squares[i] = relative.Sum(row => row[i] * row[i]);
        for (int sweep = 0; sweep < Sweeps; sweep++)
            for (int i = 0; i < count; i++)
            {
                if (squares[i] <= 0) continue;
                double gain = 0;
                for (int s = 0; s < left.Length; s++) gain += relative[s][i] * left[s];
                double cost = Math.Max(0, costs[i] + gain / squares[i]), change = cost - costs[i];
                if (change == 0) continue;
                costs[i] = cost;
                for (int s = 0; s < left.Length; s++) left[s] -= change * relative[s][i];
            }
        return costs;
    }
}
