namespace Parallax.Kernels.MachineLearning;

/// <summary>How a support vector machine compares a row with a support vector.</summary>
public enum SvmKernel
{
    Linear,

    /// <summary>(gamma x.v + coef0) ^ degree.</summary>
    Polynomial,

    /// <summary>exp(-gamma |x - v|^2).</summary>
    Radial,

    /// <summary>tanh(gamma x.v + coef0).</summary>
    Sigmoid,
}

/// <summary>A support vector machine's arithmetic on one row, in double precision.</summary>
public static class SvmScores
{
    public static double Compare(SvmKernel kernel, ReadOnlySpan<float> row, ReadOnlySpan<float> vector, double gamma, double coef0, double degree)
    {
        double dot = 0, distance = 0;
        for (int i = 0; i < row.Length; i++)
        {
            dot += (double)row[i] * vector[i];
            distance += ((double)row[i] - vector[i]) * ((double)row[i] - vector[i]);
        }
        return kernel switch
        {
            SvmKernel.Linear => dot,
            SvmKernel.Polynomial => Math.Pow(gamma * dot + coef0, degree),
            SvmKernel.Radial => Math.Exp(-gamma * distance),
            _ => Math.Tanh(gamma * dot + coef0),
        };
    }

    /// <summary>
    /// The decision values of every pair of classes (first against second, first against third, ...) and a vote for the winner of each.
    /// </summary>
    /// <param name="compared">The row against every support vector, class after class.</param>
    /// <param name="coefficients">[classes - 1 x support vectors], as libsvm has them.</param>
    /// <param name="vectorsPerClass">How many support vectors each class has.</param>
    public static void Decide(ReadOnlySpan<double> compared, ReadOnlySpan<float> coefficients, ReadOnlySpan<int> vectorsPerClass, ReadOnlySpan<float> rho, Span<double> decisions, Span<int> votes)
    {
        votes.Clear();
        int pair = 0;
        for (int i = 0, startI = 0; i < vectorsPerClass.Length; startI += vectorsPerClass[i++])
            for (int j = i + 1, startJ = startI + vectorsPerClass[i]; j < vectorsPerClass.Length; startJ += vectorsPerClass[j++], pair++)
            {
                double sum = rho[pair];
                for (int v = startI; v < startI + vectorsPerClass[i]; v++) sum += coefficients[(j - 1) * compared.Length + v] * compared[v];
                for (int v = startJ; v < startJ + vectorsPerClass[j]; v++) sum += coefficients[i * compared.Length + v] * compared[v];
                decisions[pair] = sum;
                votes[sum > 0 ? i : j]++;
            }
    }

    /// <summary>Class probabilities that agree best with those of all pairs (Wu, Lin and Weng, 2004, second approach).</summary>
    public static double[] Couple(ReadOnlySpan<double> decisions, ReadOnlySpan<float> probA, ReadOnlySpan<float> probB, int classes)
    {
        var r = new double[classes, classes];
        for (int i = 0, pair = 0; i < classes; i++)
            for (int j = i + 1; j < classes; j++, pair++)
            {
                r[i, j] = Math.Clamp(1 - 1 / (1 + Math.Exp(-(decisions[pair] * probA[pair] + probB[pair]))), 1e-7, 1 - 1e-7);
                r[j, i] = 1 - r[i, j];
            }
        var q = new double[classes, classes];
        for (int t = 0; t < classes; t++)
            for (int j = 0; j < classes; j++)
            {
                if (j == t) continue;
                q[t, t] += r[j, t] * r[j, t];
                q[t, j] = -r[j, t] * r[t, j];
            }
        return Minimize(q, classes);
    }

    private static double[] Minimize(double[,] q, int classes)
    {
        var p = new double[classes];
        Array.Fill(p, 1.0 / classes);
        var qp = new double[classes];
        for (int iteration = 0; iteration < Math.Max(100, classes); iteration++)
        {
            double pqp = 0, error = 0;
            for (int t = 0; t < classes; t++)
            {
                qp[t] = 0;
                for (int j = 0; j < classes; j++) qp[t] += q[t, j] * p[j];
                pqp += p[t] * qp[t];
            }
            foreach (double value in qp) error = Math.Max(error, Math.Abs(value - pqp));
            if (error < 0.005 / classes) break;
            for (int t = 0; t < classes; t++)
            {
                double step = (pqp - qp[t]) / q[t, t];
                p[t] += step;
                pqp = (pqp + step * (step * q[t, t] + 2 * qp[t])) / ((1 + step) * (1 + step));
                for (int j = 0; j < classes; j++)
                {
                    qp[j] = (qp[j] + step * q[t, j]) / (1 + step);
                    p[j] /= 1 + step;
                }
            }
        }
        return p;
    }
}
