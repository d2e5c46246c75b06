using Parallax.Kernels;

namespace Parallax.Suite;

/// <summary>The activations in double precision, by their formulas.</summary>
public static class ActivationReference
{
    public static double Apply(Activation activation, double x)
    {
        double alpha = activation.Alpha, beta = activation.Beta;
        return activation.Kind switch
        {
            ActivationKind.None => x,
            ActivationKind.Relu => x < 0 ? 0 : x,
            ActivationKind.Clip => Clip(x, alpha, beta),
            ActivationKind.LeakyRelu => x < 0 ? alpha * x : x,
            ActivationKind.Sigmoid => Sigmoid(x),
            ActivationKind.Tanh => Math.Tanh(x),
            ActivationKind.Silu => x * Sigmoid(x),
            ActivationKind.HardSwish => x * Clip(x / 6 + 0.5, 0, 1),
            ActivationKind.HardSigmoid => Clip(alpha * x + beta, 0, 1),
            ActivationKind.GeluErf => 0.5 * x * (1 + Erf(x / Math.Sqrt(2))),
            ActivationKind.GeluTanh => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
            ActivationKind.QuickGelu => x * Sigmoid(alpha * x),
            _ => throw new ArgumentOutOfRangeException(nameof(activation)),
        };
    }

    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>The Taylor series near zero, the continued fraction of erfc in the tails (Abramowitz and Stegun 7.1.6 and 7.1.14).</summary>
    public static double Erf(double x)
    {
        if (double.IsNaN(x))
            return x;
        double t = Math.Abs(x);
        if (t > 6)
            return Math.Sign(x);
        if (t < 2.5)
        {
            double term = x, sum = x;
            for (int n = 1; n < 80; n++)
            {
                term *= 2 * x * x / (2 * n + 1);
                sum += term;
            }
            return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
        }
        double fraction = t;
        for (int n = 120; n > 0; n--)
            fraction = t + n / 2.0 / fraction;
        return Math.Sign(x) * (1 - Math.Exp(-t * t) / (Math.Sqrt(Math.PI) * fraction));
    }

    private static double Clip(double x, double min, double max)
    {
        x = x < min ? min : x;
        return x > max ? max : x;
    }
}
