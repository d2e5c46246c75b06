using Parallax.Kernels;
using Parallax.Kernels.Norm;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class NormTests
{
    private const double Epsilon = 1e-3;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 3)]
    [InlineData(3, 33)]
    [InlineData(2, 257)]
    [InlineData(1, 9001)]
    [InlineData(300, 96)]
    public void RowsOfEveryLength(int rows, int count)
    {
        float[] data = Random(rows * count, 1), scale = Random(count, 2), bias = Random(count, 3), residual = Random(rows * count, 4);
        foreach ((bool centered, bool biased, bool added, VecWidth width) in
            from centered in (bool[])[true, false] from biased in (bool[])[true, false] from added in (bool[])[true, false] from width in Widths select (centered, biased, added, width))
        {
            var problem = new RowNormalization(rows, count, centered, Epsilon) { HasBias = biased, HasResidual = added, KeepsMean = true, KeepsDeviation = true };
            Tensor y = Tensor.Allocate(DType.Float32, [rows, count]), mean = Tensor.Allocate(DType.Float32, [rows]), inverse = Tensor.Allocate(DType.Float32, [rows]);
            Tensor?[] inputs = [Tensor.From(data, [rows, count]), Tensor.From(scale, [count]), biased ? Tensor.From(bias, [count]) : null, added ? Tensor.From(residual, [rows, count]) : null];
            KernelRun.Run(NormKernels.Rows(DType.Float32, problem, width), inputs, [y, mean, inverse]);
            for (int r = 0; r < rows; r++)
            {
                (double m, double i) = Statistics(data.AsSpan(r * count, count), centered);
                Close(m, mean.Span<float>()[r], "mean");
                Close(i, inverse.Span<float>()[r], "inverse deviation");
                for (int c = 0; c < count; c++)
                    Close((data[r * count + c] - m) * i * scale[c] + (biased ? bias[c] : 0) + (added ? residual[r * count + c] : 0), y.Span<float>()[r * count + c], $"[{r}, {c}], {width}");
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void RowsInPlaceOfAnOperand(int operand)
    {
        const int rows = 7, count = 83;
        foreach (VecWidth width in Widths)
        {
            Tensor?[] inputs = [Tensor.From(Random(rows * count, 1), [rows, count]), Tensor.From(Random(count, 2), [count]), null, Tensor.From(Random(rows * count, 4), [rows, count])];
            Kernel kernel = NormKernels.Rows(DType.Float32, new RowNormalization(rows, count, Centered: true, Epsilon) { HasResidual = true }, width);
            Assert.True(kernel.CanRunInPlace(operand));
            Tensor expected = KernelRun.Run(kernel, DType.Float32, [rows, count], inputs);
            KernelRun.Run(kernel, inputs, [inputs[operand]]);
            Assert.Equal(expected.Span<float>().ToArray(), inputs[operand]!.Span<float>().ToArray());
        }
    }

    private static VecWidth[] Widths =>
        [.. Enum.GetValues<VecWidth>().Where(w => w switch { VecWidth.V512 => Vec512.IsSupported, VecWidth.V256 => Vec256.IsSupported, VecWidth.V128 => Vec128.IsSupported, _ => true })];

    [Theory]
    [InlineData(2, 6, 3, 5, false)]
    [InlineData(2, 6, 3, 1, false)]
    [InlineData(1, 8, 2, 70, true)]
    [InlineData(3, 4, 4, 9, false)]
    public void GroupsOfChannels(int batch, int channels, int groups, int spatial, bool perGroup)
    {
        int count = channels / groups * spatial;
        float[] data = Random(batch * channels * spatial, 4), scale = Random(channels, 5), bias = Random(channels, 6);
        var problem = new RowNormalization((long)batch * groups, count, Centered: true, Epsilon)
        {
            HasBias = true,
            RowPeriod = groups,
            RowStride = perGroup ? 1 : channels / groups,
            Run = perGroup ? Math.Max(2, count) : spatial,
        };
        long[] dims = [batch, channels, spatial];
        Tensor y = KernelRun.Run(NormKernels.Rows(DType.Float32, problem), DType.Float32, dims, Tensor.From(data, dims), Tensor.From(scale, [channels]), Tensor.From(bias, [channels]));
        for (int i = 0; i < data.Length; i++)
        {
            (double mean, double inverse) = Statistics(data.AsSpan(i / count * count, count), centered: true);
            int channel = i / spatial % channels, affine = perGroup ? channel / (channels / groups) : channel;
            Close((data[i] - mean) * inverse * scale[affine] + bias[affine], y.Span<float>()[i], $"[{i}]");
        }
    }

    [Fact]
    public void PatternsOfScaleAndBias()
    {
        float[] data = Random(2 * 3 * 4, 7), scale = Random(3, 8), bias = Random(2, 9);
        int[] scaleAt = [.. Enumerable.Range(0, 24).Select(i => i / 4 % 3)], biasAt = [.. Enumerable.Range(0, 24).Select(i => i / 12)];
        float[] residual = Random(2 * 3 * 4, 18);
        var problem = new RowNormalization(2, 12, Centered: true, Epsilon) { HasBias = true, HasResidual = true, Pattern = (scaleAt, biasAt, 2) };
        Tensor y = KernelRun.Run(NormKernels.Rows(DType.Float32, problem), DType.Float32, [2, 3, 4],
            Tensor.From(data, [2, 3, 4]), Tensor.From(scale, [3, 1]), Tensor.From(bias, [2, 1, 1]), Tensor.From(residual, [2, 3, 4]));
        for (int i = 0; i < data.Length; i++)
        {
            (double mean, double inverse) = Statistics(data.AsSpan(i / 12 * 12, 12), centered: true);
            Close((data[i] - mean) * inverse * scale[scaleAt[i]] + bias[biasAt[i]] + residual[i], y.Span<float>()[i], $"[{i}]");
        }
    }

    [Theory]
    [InlineData(3, 5, 1, false)]
    [InlineData(2, 3, 35, false)]
    [InlineData(3, 5, 1, true)]
    [InlineData(2, 3, 35, true)]
    public void Batch(int batch, int channels, int spatial, bool training)
    {
        long[] dims = [batch, channels, spatial];
        float[] data = Random(batch * channels * spatial, 10), scale = Random(channels, 11), bias = Random(channels, 12), mean = Random(channels, 13);
        float[] variance = Array.ConvertAll(Random(channels, 14), v => v * v + 0.1f);
        Tensor y = Tensor.Allocate(DType.Float32, dims), runningMean = Tensor.Allocate(DType.Float32, [channels]), runningVariance = Tensor.Allocate(DType.Float32, [channels]);
        Tensor[] inputs = [Tensor.From(data, dims), .. new[] { scale, bias, mean, variance }.Select(v => Tensor.From(v, [channels]))];
        KernelRun.Run(NormKernels.Batch(DType.Float32, batch, channels, spatial, Epsilon, 0.8, training, training, training), inputs, [y, runningMean, runningVariance]);
        for (int c = 0; c < channels; c++)
        {
            double[] own = [.. data.Where((_, i) => i / spatial % channels == c).Select(v => (double)v)];
            double m = training ? own.Average() : mean[c], v = training ? own.Sum(x => (x - m) * (x - m)) / own.Length : variance[c];
            for (int i = 0; i < data.Length; i++)
                if (i / spatial % channels == c) Close((data[i] - m) / Math.Sqrt(v + Epsilon) * scale[c] + bias[c], y.Span<float>()[i], $"[{i}]");
            if (!training) continue;
            Close(mean[c] * 0.8 + m * 0.2, runningMean.Span<float>()[c], "running mean");
            Close(variance[c] * 0.8 + v * 0.2, runningVariance.Span<float>()[c], "running variance");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void LpNormsAndZeros(int p)
    {
        float[] data = Random(3 * 5 * 7, 15);
        for (int i = 0; i < 5; i++) data[i * 7 + 2] = 0;
        Tensor y = KernelRun.Run(NormKernels.Lp(DType.Float32, 3, 5, 7, p), DType.Float32, [3, 5, 7], Tensor.From(data, [3, 5, 7]));
        for (int i = 0; i < data.Length; i++)
        {
            double[] run = [.. data.Where((_, j) => j / 35 == i / 35 && j % 7 == i % 7).Select(v => (double)v)];
            double norm = p == 1 ? run.Sum(Math.Abs) : Math.Sqrt(run.Sum(v => v * v));
            Close(norm == 0 ? 0 : data[i] / norm, y.Span<float>()[i], $"[{i}]");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(5)]
    public void LocalResponse(int size)
    {
        float[] data = Random(2 * 6 * 11, 16);
        Tensor y = KernelRun.Run(NormKernels.LocalResponse(DType.Float32, 2, 6, 11, size, 0.3, 0.75, 1.5), DType.Float32, [2, 6, 11], Tensor.From(data, [2, 6, 11]));
        for (int i = 0; i < data.Length; i++)
        {
            int channel = i / 11 % 6;
            double sum = 0;
            for (int c = Math.Max(0, channel - (size - 1) / 2); c <= Math.Min(5, channel + size / 2); c++)
                sum += Math.Pow(data[i + (c - channel) * 11], 2);
            Close(data[i] / Math.Pow(1.5 + 0.3 / size * sum, 0.75), y.Span<float>()[i], $"[{i}]");
        }
    }

    [Fact]
    public void MeanVariance()
    {
        float[] data = Random(2 * 3 * 4 * 5, 17);
        foreach (int[] axes in (int[][])[[0, 2, 3], [1], [0, 1, 2, 3]])
        {
            long[] dims = [2, 3, 4, 5], strides = Shape.Strides(dims);
            Tensor y = KernelRun.Run(NormKernels.MeanVariance(DType.Float32, dims, axes), DType.Float32, dims, Tensor.From(data, dims));
            for (int i = 0; i < data.Length; i++)
            {
                double[] group = [.. data.Where((_, j) => Enumerable.Range(0, 4).All(a => axes.Contains(a) || i / strides[a] % dims[a] == j / strides[a] % dims[a])).Select(v => (double)v)];
                double mean = group.Average(), deviation = Math.Sqrt(group.Sum(v => (v - mean) * (v - mean)) / group.Length);
                Close((data[i] - mean) / deviation, y.Span<float>()[i], $"[{i}]");
            }
        }
    }

    private static (double Mean, double Inverse) Statistics(ReadOnlySpan<float> row, bool centered)
    {
        double mean = 0, square = 0;
        foreach (float v in row) mean += centered ? v : 0;
        mean /= row.Length;
        foreach (float v in row) square += (v - mean) * (v - mean);
        return (mean, 1 / Math.Sqrt(square / row.Length + Epsilon));
    }

    private static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => 4 * random.NextSingle() - 1)];
    }

    private static void Close(double expected, double actual, string what) =>
        Assert.True(Math.Abs(expected - actual) <= 2e-5 * (1 + Math.Abs(expected)), $"{what}: expected {expected}, got {actual}");
}
