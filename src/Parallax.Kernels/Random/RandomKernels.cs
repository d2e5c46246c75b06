using System.Numerics;

namespace Parallax.Kernels;

/// <summary>
/// A kernel that draws numbers one after another, hence in one block. With a seed every run draws the same numbers; without one each run takes a
/// seed from <see cref="Random.Shared"/>.
/// </summary>
public abstract unsafe class RandomKernel(uint? seed) : Kernel
{
    public sealed override int BlockCount(int phase) => 1;

    public sealed override long WorkerScratchBytes => MersenneTwister.StateBytes;

    public sealed override void RunBlock(int phase, int block, in KernelArgs args)
    {
        var random = new MersenneTwister(args.WorkerScratch, seed ?? (uint)Random.Shared.NextInt64());
        Draw(ref random, args);
    }

    private protected abstract void Draw(ref MersenneTwister random, in KernelArgs args);
}

/// <summary>Output 0: uniform in [first, second), or normal with mean first and deviation second.</summary>
internal sealed unsafe class DistributionKernel<T>(long count, bool normal, double first, double second, uint? seed) : RandomKernel(seed) where T : unmanaged, INumber<T>
{
    public override string Name => normal ? "random_normal" : "random_uniform";

    private protected override void Draw(ref MersenneTwister random, in KernelArgs args)
    {
        T* y = args.Output<T>(0);
        for (long i = 0; i < count; i++)
            y[i] = T.CreateTruncating(normal ? first + second * random.NextNormal() : first + (second - first) * random.NextDouble());
    }
}

/// <summary>Output 0: 1 with the probability that input 0 gives, else 0.</summary>
internal sealed unsafe class BernoulliKernel<TX, TY>(long count, uint? seed) : RandomKernel(seed) where TX : unmanaged, INumber<TX> where TY : unmanaged, INumber<TY>
{
    public override string Name => "bernoulli";

    private protected override void Draw(ref MersenneTwister random, in KernelArgs args)
    {
        TX* p = args.Input<TX>(0);
        TY* y = args.Output<TY>(0);
        for (long i = 0; i < count; i++) y[i] = random.NextDouble() < double.CreateTruncating(p[i]) ? TY.One : TY.Zero;
    }
}

/// <summary>Input 0 [batch, classes]: logarithms of unnormalized probabilities. Output 0 [batch, samples]: classes drawn, int32 or int64.</summary>
internal sealed unsafe class MultinomialKernel<TX, TY>(long batch, long classes, long samples, uint? seed) : RandomKernel(seed)
    where TX : unmanaged, INumber<TX> where TY : unmanaged, INumber<TY>
{
    public override string Name => "multinomial";

    private protected override void Draw(ref MersenneTwister random, in KernelArgs args)
    {
        for (long row = 0; row < batch; row++)
        {
            TX* x = args.Input<TX>(0) + row * classes;
            double max = double.NegativeInfinity, sum = 0;
            for (long c = 0; c < classes; c++) max = Math.Max(max, double.CreateTruncating(x[c]));
            for (long c = 0; c < classes; c++) sum += Math.Exp(double.CreateTruncating(x[c]) - max);
            for (long sample = 0; sample < samples; sample++)
            {
                double left = random.NextDouble() * sum;
                long chosen = 0;
                for (; chosen < classes - 1; chosen++)
                {
                    left -= Math.Exp(double.CreateTruncating(x[chosen]) - max);
                    if (left < 0) break;
                }
                args.Output<TY>(0)[row * samples + sample] = TY.CreateTruncating(chosen);
            }
        }
    }
}

/// <summary>
/// Inputs: data, ratio (scalar, default 1/2), training mode (bool scalar, default false). Outputs: data, where training with elements dropped and the
/// others scaled by 1 / (1 - ratio); the mask of what was kept (bool).
/// </summary>
public sealed unsafe class DropoutKernel<T>(long count, DType? ratio, bool hasMode, bool hasMask, uint? seed) : RandomKernel(seed) where T : unmanaged, INumber<T>
{
    public override string Name => "dropout";

    private protected override void Draw(ref MersenneTwister random, in KernelArgs args)
    {
        T* x = args.Input<T>(0), y = args.Output<T>(0);
        double drop = Ratio(args);
        bool drops = hasMode && *args.Input<byte>(2) != 0 && drop != 0;
        T scale = T.CreateTruncating(drops ? 1 / (1 - drop) : 1);
        for (long i = 0; i < count; i++)
        {
            bool keeps = !drops || random.NextDouble() >= drop;
            y[i] = keeps ? x[i] * scale : T.Zero;
            if (hasMask) args.Output<bool>(1)[i] = keeps;
        }
    }

    private double Ratio(in KernelArgs args) => ratio switch
    {
        null => 0.5,
        DType.Float32 => *args.Input<float>(1),
        DType.Float64 => *args.Input<double>(1),
        _ => (double)*args.Input<Half>(1),
    };
}

/// <summary>Makes the kernels of random operators.</summary>
public static class RandomKernels
{
    public static Kernel Uniform(DType type, long count, double low, double high, uint? seed) => TypeDispatch.ForNumber(type, new DistributionFactory(count, false, low, high, seed));

    public static Kernel Normal(DType type, long count, double mean, double deviation, uint? seed) => TypeDispatch.ForNumber(type, new DistributionFactory(count, true, mean, deviation, seed));

    public static Kernel Bernoulli(DType from, DType to, long count, uint? seed) => TypeDispatch.ForNumber(from, new BernoulliFrom(to, count, seed));

    public static Kernel Multinomial(DType from, DType to, long batch, long classes, long samples, uint? seed) =>
        TypeDispatch.ForNumber(from, new MultinomialFrom(to, batch, classes, samples, seed));

    /// <param name="ratio">Type of input 1, null where absent.</param>
    public static Kernel Dropout(DType type, long count, DType? ratio, bool hasMode, bool hasMask, uint? seed) =>
        TypeDispatch.ForNumber(type, new DropoutFactory(count, ratio, hasMode, hasMask, seed));

    private readonly record struct DistributionFactory(long Count, bool Normal, double First, double Second, uint? Seed) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => new DistributionKernel<T>(Count, Normal, First, Second, Seed);
    }

    private readonly record struct BernoulliFrom(DType To, long Count, uint? Seed) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => TypeDispatch.ForNumber(To, new BernoulliTo<T>(Count, Seed));
    }

    private readonly record struct BernoulliTo<TX>(long Count, uint? Seed) : INumberKernelFactory where TX : unmanaged, INumber<TX>
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => new BernoulliKernel<TX, T>(Count, Seed);
    }

    private readonly record struct MultinomialFrom(DType To, long Batch, long Classes, long Samples, uint? Seed) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => To == DType.Int64
            ? new MultinomialKernel<T, long>(Batch, Classes, Samples, Seed)
            : new MultinomialKernel<T, int>(Batch, Classes, Samples, Seed);
    }

    private readonly record struct DropoutFactory(long Count, DType? Ratio, bool HasMode, bool HasMask, uint? Seed) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => new DropoutKernel<T>(Count, Ratio, HasMode, HasMask, Seed);
    }
}
