using Parallax.Kernels;
using Parallax.Kernels.Resize;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels.Resize;

public sealed class ResamplingKernelTests
{
    private const int Seed = 20264;

    [Fact]
    public void SeparableResamplingEqualsTheSumOverAllTaps()
    {
        var random = new Random(Seed);
        for (int trial = 0; trial < 60; trial++)
        {
            int rank = random.Next(1, 5);
            long[] dims = [.. Enumerable.Range(0, rank).Select(_ => random.NextInt64(1, rank < 3 ? 40 : 9))];
            AxisWeights[] axes = [.. dims.Select(dim => random.Next(3) == 0 ? Identity(dim) : RandomAxis(random, dim, hasBias: rank == 1))];
            long[] target = [.. axes.Select(a => a.Length)];
            float[] data = [.. Enumerable.Range(0, (int)Shape.Count(dims)).Select(_ => random.NextSingle() * 2 - 1)];
            double[] expected = Expected(data, dims, axes);
            Kernel kernel = TypeDispatch.ForNumber(DType.Float32, new SeparableFactory("test", dims, axes));
            float[] result = KernelRun.Run(kernel, DType.Float32, target, Tensor.From(data, dims)).Span<float>().ToArray();
            Kernel wide = TypeDispatch.ForNumber(DType.Float64, new SeparableFactory("test", dims, axes));
            double[] wideResult = KernelRun.Run(wide, DType.Float64, target, Tensor.From(Array.ConvertAll(data, v => (double)v), dims)).Span<double>().ToArray();
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.True(Math.Abs(expected[i] - result[i]) <= 1e-4, $"seed {Seed}, trial {trial}, element {i}: expected {expected[i]}, got {result[i]}");
                Assert.Equal(expected[i], wideResult[i], 1e-10);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(33)]
    [InlineData(257)]
    public void LinearEnlargementsByTwoEqualTheReference(int length)
    {
        var random = new Random(Seed);
        foreach (double shift in (double[])[0.5, 0]) // half pixel, asymmetric
        {
            double[] positions = [.. Enumerable.Range(0, 2 * length).Select(x => (x + shift) / 2 - shift)];
            var axis = new AxisWeights(length, 2, [.. positions.SelectMany(p => (int[])[(int)Math.Clamp(Math.Floor(p), 0, length - 1), (int)Math.Clamp(Math.Floor(p) + 1, 0, length - 1)])],
                [.. positions.SelectMany(p => (double[])[1 - (p - Math.Floor(p)), p - Math.Floor(p)])], []);
            float[] data = [.. Enumerable.Range(0, 5 * length).Select(_ => random.NextSingle())];
            double[] expected = Expected(data, [5, length], [Identity(5), axis]);
            Kernel kernel = TypeDispatch.ForNumber(DType.Float32, new SeparableFactory("test", [5, length], [Identity(5), axis]));
            float[] result = KernelRun.Run(kernel, DType.Float32, [5, 2 * length], Tensor.From(data, [5, length])).Span<float>().ToArray();
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], result[i], 1e-6);
        }
    }

    [Fact]
    public void BytesAreRoundedTowardsZeroAndSaturate()
    {
        var axis = new AxisWeights(2, 2, [0, 1, 0, 1, 0, 1], [0.5, 0.5, 2, 0, -1, 0], []);
        Kernel kernel = TypeDispatch.ForNumber(DType.UInt8, new SeparableFactory("test", [2], [axis]));
        Assert.Equal([150, 255, 0], KernelRun.Run(kernel, DType.UInt8, [3], Tensor.From<byte>([200, 101], [2])).Span<byte>().ToArray());
    }

    [Fact]
    public void MaxRoiPoolTakesTheMaximumOfEveryBin()
    {
        float[] image = [.. Enumerable.Range(0, 2 * 6 * 6).Select(i => (float)(i * 37 % 72))];
        float[] boxes = [0, 0, 0, 3, 3, 1, 1, 2, 5, 5, 1, 20, 20, 30, 30];
        var kernel = new MaxRoiPoolKernel<float>(new RegionPooling([2, 1, 6, 6], [3, 1, 2, 2], 1));
        float[] result = KernelRun.Run(kernel, DType.Float32, [3, 1, 2, 2], Tensor.From(image, [2, 1, 6, 6]), Tensor.From(boxes, [3, 5])).Span<float>().ToArray();
        float Max(int n, int y0, int y1, int x0, int x1) => (from y in Enumerable.Range(y0, y1 - y0) from x in Enumerable.Range(x0, x1 - x0) select image[(n * 6 + y) * 6 + x]).Max();
        // The second region is 4 high and 5 wide: bins of 2 rows, and of columns 1 to 3 and 3 to 5.
        Assert.Equal([Max(0, 0, 2, 0, 2), Max(0, 0, 2, 2, 4), Max(0, 2, 4, 0, 2), Max(0, 2, 4, 2, 4), Max(1, 2, 4, 1, 4), Max(1, 2, 4, 3, 6), Max(1, 4, 6, 1, 4), Max(1, 4, 6, 3, 6), 0, 0, 0, 0], result);
    }

    [Fact]
    public void ARegionInAnImageThatIsNotThereIsNamed()
    {
        var pooling = new RegionPooling([2, 1, 6, 6], [1, 1, 2, 2], 1);
        Tensor image = Tensor.From(new float[72], [2, 1, 6, 6]);
        Assert.Contains("image 2 of 2", Assert.Throws<InvalidInputException>(() => KernelRun.Run(new MaxRoiPoolKernel<float>(pooling), DType.Float32, [1, 1, 2, 2], image, Tensor.From([2f, 0, 0, 1, 1], [1, 5]))).Message);
        Assert.Throws<InvalidInputException>(() => KernelRun.Run(new RoiAlignKernel<float>(pooling, 0, false, true), DType.Float32, [1, 1, 2, 2], image, Tensor.From([0f, 0, 1, 1], [1, 4]), Tensor.From([-1L], [1])));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(-1e30f)]
    public void SamplesFarOutsideReadNothingOutside(float position)
    {
        foreach (SampleMode mode in Enum.GetValues<SampleMode>())
            foreach (SampleOutside outside in Enum.GetValues<SampleOutside>())
                foreach (bool align in (bool[])[false, true])
                {
                    using var data = new GuardedBuffer<float>([3, 3, 3, 3]);
                    var kernel = new GridSampleKernel<float>([1, 1, 2, 2], [1, 1, 1, 1], mode, outside, align);
                    float result = KernelRun.Run(kernel, DType.Float32, [1, 1, 1, 1], Tensor.From<float>(data.Span, [1, 1, 2, 2]), Tensor.From([position, position], [1, 1, 1, 2])).Span<float>()[0];
                    Assert.InRange(result, outside == SampleOutside.Zeros ? 0 : 2.999f, 3.001f);
                }
    }

    private static AxisWeights Identity(long length) =>
        new(length, 2, [.. Enumerable.Range(0, (int)length).SelectMany(i => (int[])[i, (int)Math.Min(i + 1, length - 1)])], [.. Enumerable.Range(0, (int)length).SelectMany(i => (double[])[1, 0])], []);

    private static AxisWeights RandomAxis(Random random, long length, bool hasBias)
    {
        int taps = random.Next(1, 5), count = random.Next(1, 30);
        return new AxisWeights(length, taps, [.. Enumerable.Range(0, taps * count).Select(_ => random.Next((int)length))],
            [.. Enumerable.Range(0, taps * count).Select(_ => random.NextDouble() - 0.3)], !hasBias ? [] : [.. Enumerable.Range(0, count).Select(i => i % 3 * 0.5)]);
    }

    private static double[] Expected(float[] data, long[] dims, AxisWeights[] axes)
    {
        double[] current = Array.ConvertAll(data, v => (double)v);
        long[] shape = [.. dims];
        for (int axis = 0; axis < axes.Length; axis++)
        {
            AxisWeights a = axes[axis];
            long inner = Shape.Count(shape.AsSpan(axis + 1)), outer = Shape.Count(shape.AsSpan(0, axis));
            var next = new double[outer * a.Length * inner];
            for (long i = 0; i < next.Length; i++)
            {
                long o = i / inner % a.Length;
                next[i] = a.Bias.Length == 0 ? 0 : a.Bias[o];
                for (int k = 0; k < a.Taps; k++)
                    next[i] += a.Weights[o * a.Taps + k] * current[(i / inner / a.Length * a.InLength + a.Indices[o * a.Taps + k]) * inner + i % inner];
            }
            shape[axis] = a.Length;
            current = next;
        }
        return current;
    }
}
