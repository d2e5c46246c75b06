using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class FloatMathTests
{
    private static readonly float[] Points = MakePoints();

    [Fact]
    public void ExpIsAccurate() => Check<ExpOp>(Math.Exp, 2);

    [Fact]
    public void LogIsAccurate() => Check<LogOfMagnitudeOp>(x => Math.Log(Math.Abs(x)), 2);

    [Fact]
    public void TanhIsAccurate() => Check<TanhOp>(Math.Tanh, 3);

    [Fact]
    public void SigmoidIsAccurate() => Check<SigmoidOp>(x => x < 0 ? Math.Exp(x) / (1 + Math.Exp(x)) : 1 / (1 + Math.Exp(-x)), 3);

    [Fact]
    public void ErfIsAccurate() => Check<ErfOp>(ActivationReference.Erf, 3);

    [Fact]
    public void SpecialValuesPropagate()
    {
        Assert.Equal(0f, Eval<ExpOp>(float.NegativeInfinity));
        Assert.Equal(float.PositiveInfinity, Eval<ExpOp>(float.PositiveInfinity));
        Assert.Equal(float.PositiveInfinity, Eval<ExpOp>(88.8f));
        Assert.Equal(float.Epsilon, Eval<ExpOp>(-103.2f));
        Assert.Equal(float.NegativeInfinity, Eval<LogOp>(0f));
        Assert.Equal(float.NegativeInfinity, Eval<LogOp>(-0f));
        Assert.Equal(float.PositiveInfinity, Eval<LogOp>(float.PositiveInfinity));
        Assert.Equal(-103.278929f, Eval<LogOp>(float.Epsilon));
        Assert.Equal(0f, Eval<LogOp>(1f));
        Assert.True(float.IsNaN(Eval<LogOp>(-1e-40f)));
        Assert.True(float.IsNaN(Eval<LogOp>(float.NegativeInfinity)));
        Assert.True(float.IsNaN(Eval<LogOp>(float.NaN)));
        Assert.Equal(1f, Eval<TanhOp>(float.PositiveInfinity));
        Assert.Equal(-1f, Eval<TanhOp>(float.NegativeInfinity));
        Assert.Equal(0f, Eval<SigmoidOp>(float.NegativeInfinity));
        Assert.Equal(1f, Eval<SigmoidOp>(float.PositiveInfinity));
        Assert.Equal(1f, Eval<ErfOp>(float.PositiveInfinity));
        Assert.Equal(-1f, Eval<ErfOp>(float.NegativeInfinity));
        Assert.Equal(float.PositiveInfinity, Eval<GeluErfOp>(float.PositiveInfinity));
        Assert.Equal(0f, Eval<GeluErfOp>(float.NegativeInfinity), 1e-30f);
        Assert.True(float.IsNegative(Eval<TanhOp>(-0f)));
        Assert.True(float.IsNaN(Eval<ExpOp>(float.NaN)));
        Assert.True(float.IsNaN(Eval<TanhOp>(float.NaN)));
        Assert.True(float.IsNaN(Eval<SigmoidOp>(float.NaN)));
        Assert.True(float.IsNaN(Eval<ErfOp>(float.NaN)));
        Assert.True(float.IsNaN(Eval<ReluOp>(float.NaN)));
        Assert.True(float.IsNaN(Eval<GeluErfOp>(float.NaN)));
        Assert.True(float.IsNaN(Eval<HardSwishOp>(float.NaN)));
    }

    [Fact]
    public void EveryActivationFollowsItsFormula()
    {
        CheckActivation<IdentityOp>(Activation.None);
        CheckActivation<ReluOp>(Activation.Relu);
        CheckActivation<ClipOp>(Activation.Clip(-1.5f, 6f));
        CheckActivation<LeakyReluOp>(Activation.LeakyRelu(0.1f));
        CheckActivation<SigmoidOp>(Activation.Sigmoid);
        CheckActivation<TanhOp>(Activation.Tanh);
        CheckActivation<SiluOp>(Activation.Silu);
        CheckActivation<HardSwishOp>(Activation.HardSwish);
        CheckActivation<HardSigmoidOp>(Activation.HardSigmoid());
        CheckActivation<GeluErfOp>(Activation.GeluErf);
        CheckActivation<GeluTanhOp>(Activation.GeluTanh);
        CheckActivation<QuickGeluOp>(Activation.QuickGelu());
    }

    [Fact]
    public void GeluErrsByATenMillionthOfItsArgument()
    {
        foreach ((string width, float[] results) in EveryWidth(default(GeluErfOp)))
            for (int i = 0; i < Points.Length; i++)
            {
                double error = Math.Abs(results[i] - ActivationReference.Apply(Activation.GeluErf, Points[i]));
                Assert.True(error <= 1e-7 * Math.Abs(Points[i]) + float.Epsilon, $"{width}: f({Points[i]:R}) = {results[i]:R}, {error} from it");
            }
    }

    private readonly struct LogOfMagnitudeOp : IFloatOp
    {
        public V Apply<V>(V x) where V : struct, IVec<V> => FloatMath.Log(Vec.Abs(x));
    }

    private static float[] MakePoints()
    {
        var random = new Random(1);
        var points = new List<float> { 0f, -0f, 1f, -1f, float.Epsilon, 0.625f, 0.927734375f, 87.3f, -87.4f, -100f };
        for (int i = 0; i < 60_000; i++)
        {
            points.Add((float)(random.NextDouble() * 4 - 2));
            points.Add((float)(random.NextDouble() * 180 - 100));
            points.Add((random.Next(2) * 2 - 1) * MathF.Pow(2, (float)(random.NextDouble() * 60 - 55)));
        }
        while (points.Count % 16 != 0)
            points.Add(0.5f);
        return [.. points];
    }

    private static void Check<TOp>(Func<double, double> reference, double limitUlp) where TOp : struct, IFloatOp
    {
        foreach ((string width, float[] results) in EveryWidth(default(TOp)))
        {
            for (int i = 0; i < Points.Length; i++)
            {
                double expected = reference(Points[i]);
                double ulp = Math.Max(Math.Abs((double)MathF.BitIncrement((float)Math.Abs(expected)) - Math.Abs((double)(float)expected)), float.Epsilon);
                double error = float.IsInfinity((float)expected) && (float)expected == results[i] ? 0 : Math.Abs(results[i] - expected) / ulp;
                Assert.True(error <= limitUlp, $"{typeof(TOp).Name} {width}: f({Points[i]:R}) = {results[i]:R}, expected {expected:R}, {error} ulp");
            }
        }
    }

    private static void CheckActivation<TOp>(Activation activation) where TOp : struct, IActivationOp<TOp>
    {
        foreach ((string width, float[] results) in EveryWidth(TOp.Create(activation)))
        {
            for (int i = 0; i < Points.Length; i++)
            {
                double expected = ActivationReference.Apply(activation, Points[i]);
                double tolerance = 1e-6 * Math.Max(Math.Abs(expected), Math.Min(1, Math.Abs(Points[i]))) + float.Epsilon;
                Assert.True(
                    Math.Abs(results[i] - expected) <= tolerance,
                    $"{activation} {width}: f({Points[i]:R}) = {results[i]:R}, expected {expected:R}");
            }
        }
    }

    private static List<(string Width, float[] Results)> EveryWidth<TOp>(TOp op) where TOp : struct, IFloatOp
    {
        var all = new List<(string, float[])>();
        if (Vec512.IsSupported) all.Add(("512", Run<Vec512, TOp>(op, Points)));
        if (Vec256.IsSupported) all.Add(("256", Run<Vec256, TOp>(op, Points)));
        if (Vec128.IsSupported) all.Add(("128", Run<Vec128, TOp>(op, Points)));
        all.Add(("1", Run<Vec1, TOp>(op, Points)));
        return all;
    }

    private static float Eval<TOp>(float x) where TOp : struct, IFloatOp
    {
        float[] points = new float[16];
        Array.Fill(points, x);
        float one = Run<Vec1, TOp>(default, points)[0];
        if (Vec256.IsSupported)
            Assert.Equal(one, Run<Vec256, TOp>(default, points)[7]);
        if (Vec128.IsSupported)
            Assert.Equal(one, Run<Vec128, TOp>(default, points)[3]);
        if (Vec512.IsSupported)
            Assert.Equal(one, Run<Vec512, TOp>(default, points)[15]);
        return one;
    }

    private static unsafe float[] Run<V, TOp>(TOp op, float[] points) where V : struct, IVec<V> where TOp : struct, IFloatOp
    {
        var results = new float[points.Length];
        fixed (float* x = points, y = results)
        {
            for (int i = 0; i < points.Length; i += V.Count)
                V.Store(y + i, op.Apply(V.Load(x + i)));
        }
        return results;
    }
}
