using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed unsafe class DeformConvTests
{
    private const int Height = 7, Width = 9;

    [Theory]
    [InlineData(1, 1, 1, 3, 1, 1, false, false)]
    [InlineData(2, 1, 1, 3, 2, 1, true, false)]
    [InlineData(1, 2, 1, 2, 1, 2, false, true)]
    [InlineData(2, 2, 2, 3, 1, 1, true, true)]
    [InlineData(1, 1, 4, 1, 3, 1, true, true)]
    public void Agrees_with_the_definition(int batch, int groups, int offsetGroups, int taps, int stride, int dilation, bool bias, bool mask)
    {
        (DeformConvProblem problem, Tensor[] inputs) = Problem(batch, groups, offsetGroups, taps, stride, dilation, bias, mask, spread: 3);
        float[] expected = Reference(problem, inputs), actual = Run(problem, inputs);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= 1e-4, $"result {i}: {actual[i]}, expected {expected[i]}");
    }

    [Fact]
    public void Without_offsets_it_is_a_convolution()
    {
        (DeformConvProblem problem, Tensor[] inputs) = Problem(2, 2, 1, 3, 2, 1, bias: false, mask: false, spread: 0);
        using Kernel plain = ConvKernels.Create(new ConvProblem(2, 2, problem.InputChannels, problem.OutputChannels, problem.Axes));
        Tensor expected = KernelRun.Run(plain, DType.Float32, Dims(problem), inputs[0], inputs[1]);
        float[] actual = Run(problem, inputs);
        for (int i = 0; i < actual.Length; i++) Assert.Equal(expected.Span<float>()[i], actual[i], 1e-4f);
    }

    [Fact]
    public void Offsets_that_are_no_numbers_or_far_away_read_nothing()
    {
        (DeformConvProblem problem, Tensor[] inputs) = Problem(1, 1, 1, 3, 1, 1, bias: true, mask: false, spread: 1);
        Span<float> offsets = inputs[2].Span<float>();
        float[] wild = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 1e30f];
        for (int i = 0; i < offsets.Length; i++) offsets[i] = wild[i % wild.Length];
        float[] actual = Run(problem, inputs);
        int plane = actual.Length / problem.OutputChannels;
        for (int i = 0; i < actual.Length; i++) Assert.Equal(inputs[3].Span<float>()[i / plane], actual[i]);
    }

    [Fact]
    public void Other_element_types_are_refused() =>
        Assert.Throws<UnsupportedModelException>(() => DeformConvProblem.Create(DType.Int32, Problem(1, 1, 1, 1, 1, 1, false, false, 0).Problem));

    private static (DeformConvProblem Problem, Tensor[] Inputs) Problem(int batch, int groups, int offsetGroups, int taps, int stride, int dilation, bool bias, bool mask, float spread)
    {
        const int inputs = 4, outputs = 6;
        WindowAxis[] axes = [Axis(Height), Axis(Width)];
        long[] results = [axes[0].Output, axes[1].Output];
        int numbers = offsetGroups * taps * taps;
        Tensor[] tensors =
        [
            Random([batch, inputs, Height, Width], 1),
            Random([outputs, inputs / groups, taps, taps], 2),
            Random([batch, numbers * 2, .. results], 3, spread),
            Random([outputs], 4),
            Random([batch, numbers, .. results], 5),
        ];
        return (new DeformConvProblem(batch, groups, offsetGroups, inputs, outputs, axes) { HasBias = bias, HasMask = mask }, tensors);

        WindowAxis Axis(int input) => new(input, (input + 2 - ((taps - 1) * dilation + 1)) / stride + 1, taps, stride, dilation, 1, 1);
    }

    private static Tensor Random(long[] dims, int seed, float scale = 1) =>
        Tensor.From(Array.ConvertAll(RandomData.Floats((int)Shape.Count(dims), seed), v => v * scale), dims);

    private static long[] Dims(DeformConvProblem problem) => [problem.Batch, problem.OutputChannels, problem.Axes[0].Output, problem.Axes[1].Output];

    private static float[] Run(DeformConvProblem problem, Tensor[] inputs)
    {
        using Kernel kernel = DeformConvProblem.Create(DType.Float32, problem);
        return KernelRun.Run(kernel, DType.Float32, Dims(problem), [.. inputs]).Span<float>().ToArray();
    }

    private static float[] Reference(DeformConvProblem p, Tensor[] inputs)
    {
        int rows = (int)p.Axes[0].Output, columns = (int)p.Axes[1].Output, kernel = (int)p.Axes[0].Kernel, taps = kernel * kernel, perGroup = p.InputChannels / p.Groups;
        var y = new float[p.Batch * p.OutputChannels * rows * columns];
        for (int at = 0; at < y.Length; at++)
        {
            int column = at % columns, row = at / columns % rows, m = at / columns / rows % p.OutputChannels, n = at / columns / rows / p.OutputChannels;
            double sum = p.HasBias ? inputs[3].Span<float>()[m] : 0;
            for (int c = 0; c < perGroup; c++)
                for (int t = 0; t < taps; t++)
                {
                    int channel = m / (p.OutputChannels / p.Groups) * perGroup + c, group = channel / (p.InputChannels / p.OffsetGroups);
                    int place = (n * p.OffsetGroups + group) * taps + t;
                    double h = row * p.Axes[0].Stride - 1 + t / kernel * p.Axes[0].Dilation + Moved(place, 0), w = column * p.Axes[1].Stride - 1 + t % kernel * p.Axes[1].Dilation + Moved(place, 1);
                    double scale = p.HasMask ? inputs[4].Span<float>()[(place * rows + row) * columns + column] : 1;
                    sum += scale * inputs[1].Span<float>()[(m * perGroup + c) * taps + t] * Bilinear(n * p.InputChannels + channel, h, w);
                }
            y[at] = (float)sum;

            double Moved(int place, int axis) => inputs[2].Span<float>()[((place * 2 + axis) * rows + row) * columns + column];
        }
        return y;

        double Bilinear(int image, double h, double w)
        {
            double sum = 0;
            for (int i = 0; i < Height; i++)
                for (int j = 0; j < Width; j++)
                    sum += Math.Max(0, 1 - Math.Abs(h - i)) * Math.Max(0, 1 - Math.Abs(w - j)) * inputs[0].Span<float>()[(image * Height + i) * Width + j];
            return sum;
        }
    }
}
