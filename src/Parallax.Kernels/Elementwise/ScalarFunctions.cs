using System.Numerics;

namespace Parallax.Kernels;

/// <summary>The activations one element at a time, for float types that have no vector code.</summary>
internal static class ScalarFunctions
{
    internal static Func<T, T> Of<T>(UnaryFunction function, float alpha, float beta) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T a = T.CreateTruncating(alpha), b = T.CreateTruncating(beta), half = T.CreateTruncating(0.5), two = T.CreateTruncating(2);
        return function switch
        {
            UnaryFunction.Erf => static x => T.CreateTruncating(Erf(double.CreateTruncating(x))),
            UnaryFunction.Relu => static x => x < T.Zero ? T.Zero : x,
            UnaryFunction.LeakyRelu => x => x < T.Zero ? a * x : x,
            UnaryFunction.Elu => x => x < T.Zero ? a * T.ExpM1(x) : x,
            UnaryFunction.Selu => x => b * (x < T.Zero ? a * T.ExpM1(x) : x),
            UnaryFunction.Celu => x => x < T.Zero ? a * T.ExpM1(x / a) : x,
            UnaryFunction.Sigmoid => Sigmoid,
            UnaryFunction.HardSigmoid => x => T.Clamp(a * x + b, T.Zero, T.One),
            UnaryFunction.HardSwish => static x => x * T.Clamp(x / T.CreateTruncating(6) + T.CreateTruncating(0.5), T.Zero, T.One),
            UnaryFunction.Softplus => static x => T.Max(x, T.Zero) + T.LogP1(T.Exp(-T.Abs(x))),
            UnaryFunction.Softsign => static x => x / (T.One + T.Abs(x)),
            UnaryFunction.ThresholdedRelu => x => x > a ? x : T.Zero,
            UnaryFunction.Shrink => x => x < -a ? x + b : x > a ? x - b : T.Zero,
            UnaryFunction.Mish => static x => x * T.Tanh(T.Max(x, T.Zero) + T.LogP1(T.Exp(-T.Abs(x)))),
            UnaryFunction.Gelu => x => half * x * (T.One + T.CreateTruncating(Erf(double.CreateTruncating(x) / Math.Sqrt(2)))),
            UnaryFunction.GeluTanh => x =>
                half * x * (T.One + T.Tanh(T.Sqrt(two / T.Pi) * (x + T.CreateTruncating(0.044715) * x * x * x))),
            UnaryFunction.Swish => x => x * Sigmoid(a * x),
            _ => throw new UnsupportedModelException($"{function} is not defined on {typeof(T).Name}", [$"{function} on {typeof(T).Name}"]),
        };
    }

    /// <summary>The error function in double precision: its series near zero (Abramowitz and Stegun 7.1.6), the continued fraction of its complement
    /// in the tails (7.1.14).</summary>
    internal static double Erf(double x)
    {
        double t = Math.Abs(x);
        if (double.IsNaN(x) || t > 6) return double.IsNaN(x) ? x : Math.Sign(x);
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
        for (int n = 120; n > 0; n--) fraction = t + n / 2.0 / fraction;
        return Math.Sign(x) * (1 - Math.Exp(-t * t) / (Math.Sqrt(Math.PI) * fraction));
    }

    private static T Sigmoid<T>(T x) where T : IFloatingPointIeee754<T>
    {
        T e = T.Exp(-T.Abs(x));
        return (x < T.Zero ? e : T.One) / (T.One + e);
    }
}
