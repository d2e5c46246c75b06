namespace Parallax.Kernels.MachineLearning;

/// <summary>Transforms of one row of scores, in place.</summary>
public static class Scores
{
    public static void Softmax(Span<float> row)
    {
        float max = Max(row);
        double sum = 0;
        for (int i = 0; i < row.Length; i++) sum += row[i] = (float)Math.Exp(row[i] - max);
        for (int i = 0; i < row.Length; i++) row[i] = (float)(row[i] / sum);
    }

    /// <summary>As <see cref="Softmax"/>, but a score of zero is multiplied by the scale instead of taken to the exponential.</summary>
    public static void SoftmaxZero(Span<float> row)
    {
        const float zero = 1e-7f;
        float max = Max(row);
        double sum = 0, scale = Math.Exp(-max);
        for (int i = 0; i < row.Length; i++) sum += row[i] = (float)(Math.Abs(row[i]) > zero ? Math.Exp(row[i] - max) : row[i] * scale);
        for (int i = 0; i < row.Length; i++) row[i] = sum == 0 ? 0.5f : (float)(row[i] / sum);
    }

    public static void Logistic(Span<float> row)
    {
        for (int i = 0; i < row.Length; i++)
        {
            double p = 1 / (1 + Math.Exp(-Math.Abs(row[i])));
            row[i] = (float)(row[i] < 0 ? 1 - p : p);
        }
    }

    /// <summary>The inverse of the normal distribution function, by Winitzki's approximation of the inverse error function with a = 0.147.</summary>
    public static void Probit(Span<float> row)
    {
        for (int i = 0; i < row.Length; i++) row[i] = (float)(Math.Sqrt(2) * InverseErf(2.0 * row[i] - 1));
    }

    private static double InverseErf(double x)
    {
        double rest = (1 - x) * (1 + x);
        if (rest == 0) return 0;
        double log = Math.Log(rest), v = 2 / (Math.PI * 0.147) + 0.5 * log;
        return Math.CopySign(Math.Sqrt(Math.Sqrt(v * v - log / 0.147) - v), x);
    }

    private static float Max(ReadOnlySpan<float> row)
    {
        float max = float.NegativeInfinity;
        foreach (float score in row) max = Math.Max(max, score);
        return max;
    }
}
