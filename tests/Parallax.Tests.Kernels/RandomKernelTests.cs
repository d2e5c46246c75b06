using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class RandomKernelTests
{
    /// <summary>What <c>numpy.random.seed(0)</c> is followed by.</summary>
    [Fact]
    public void SeedsGiveNumPysNumbers()
    {
        Assert.Equal([0.5488135039273248, 0.7151893663724195, 0.6027633760716439], Uniform(3, 0).ToArray());
        Span<double> normal = KernelRun.Run(RandomKernels.Normal(DType.Float64, 3, 0, 1, 0), DType.Float64, [3]).Span<double>();
        Assert.Equal([1.764052345967664, 0.4001572083672233, 0.9787379841057392], normal.ToArray());
    }

    [Fact]
    public void SeededRunsRepeatAndOthersDiffer()
    {
        Assert.Equal(Uniform(1000, 7).ToArray(), Uniform(1000, 7).ToArray());
        Assert.NotEqual(Uniform(1000, 7).ToArray(), Uniform(1000, 8).ToArray());
        Assert.NotEqual(Uniform(1000, null).ToArray(), Uniform(1000, null).ToArray());
    }

    [Fact]
    public void BernoulliAndMultinomialFollowTheirProbabilities()
    {
        Tensor p = Tensor.From(Enumerable.Repeat(0.3f, 20_000).ToArray(), [20_000]);
        Tensor draws = KernelRun.Run(RandomKernels.Bernoulli(DType.Float32, DType.Int32, 20_000, 1), DType.Int32, [20_000], p);
        Assert.InRange(draws.Span<int>().ToArray().Average(), 0.28, 0.32);
        Tensor logits = Tensor.From([0f, MathF.Log(3f), float.NegativeInfinity], [1, 3]);
        long[] classes = KernelRun.Run(RandomKernels.Multinomial(DType.Float32, DType.Int64, 1, 3, 20_000, 1), DType.Int64, [1, 20_000], logits).Span<long>().ToArray();
        Assert.InRange(classes.Count(c => c == 1) / 20_000.0, 0.73, 0.77);
        Assert.DoesNotContain(2L, classes);
    }

    [Fact]
    public void LossesAreWeightedAndIgnored()
    {
        float[] scores = [-1f, -2f, -3f, -4f, -5f, -6f]; // [1, 3, 2]
        Tensor x = Tensor.From(scores, [1, 3, 2]), labels = Tensor.From([2L, 1L], [1, 2]), weights = Tensor.From([1f, 2f, 3f], [3]);
        Tensor mean = KernelRun.Run(new NegativeLogLikelihoodKernel<float>(1, 3, 2, false, true, null, true, true), DType.Float32, [], x, labels, weights);
        Assert.Equal((3 * 5f + 2 * 4f) / 5, mean.Span<float>()[0]);
        Tensor all = KernelRun.Run(new NegativeLogLikelihoodKernel<float>(1, 3, 2, false, true, 1, false, false), DType.Float32, [1, 2], x, labels, weights);
        Assert.Equal([15f, 0f], all.Span<float>().ToArray());
        Tensor wrong = Tensor.From([2L, 3L], [1, 2]);
        Assert.Throws<InvalidInputException>(() => KernelRun.Run(new NegativeLogLikelihoodKernel<float>(1, 3, 2, false, true, null, false, false), DType.Float32, [1, 2], x, wrong, weights));
    }

    private static Span<double> Uniform(int count, uint? seed) => KernelRun.Run(RandomKernels.Uniform(DType.Float64, count, 0, 1, seed), DType.Float64, [count]).Span<double>();
}
