using Parallax.Kernels;
using Parallax.Kernels.Attention;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class SequenceKernelTests
{
    [Theory]
    [InlineData(true, false, 12)]
    [InlineData(false, true, 12)]
    [InlineData(false, false, 8)]
    [InlineData(true, true, 6)]
    public void RotaryRotatesPairs(bool packed, bool interleaved, int rotated)
    {
        const int batch = 2, heads = 3, rows = 5, size = 12, positions = 7;
        float[] data = Random(batch * heads * rows * size, 1), angles = Random(positions * rotated / 2, 2);
        long[] at = [.. Enumerable.Range(0, batch * rows).Select(i => (long)(i * 3 % positions))];
        HeadLayout layout = packed ? HeadLayout.Packed(heads, rows, size) : HeadLayout.Separate(heads, rows, size);
        var problem = new RotaryProblem(batch, heads, rows, size, layout) { Rotated = rotated, Interleaved = interleaved, Positions = positions };
        Tensor[] inputs = [Flat(data), Flat(Array.ConvertAll(angles, MathF.Cos)), Flat(Array.ConvertAll(angles, MathF.Sin)), Tensor.From(at, [at.Length])];
        Tensor actual = KernelRun.Run(RotaryProblem.Create(DType.Float32, problem), DType.Float32, [data.Length], inputs);
        for (int i = 0; i < batch * heads * rows; i++)
        {
            int b = i / (heads * rows), row = i % rows, offset = (int)layout.Offset(b, i / rows % heads, row);
            for (int e = 0; e < size; e++)
            {
                int pair = interleaved ? e / 2 : e % (rotated / 2);
                bool first = interleaved ? e % 2 == 0 : e < rotated / 2;
                int a = interleaved ? 2 * pair : pair, other = interleaved ? 2 * pair + 1 : pair + rotated / 2;
                double angle = e < rotated ? angles[at[b * rows + row] * (rotated / 2) + pair] : 0;
                double expected = e >= rotated ? data[offset + e]
                    : first ? Math.Cos(angle) * data[offset + a] - Math.Sin(angle) * data[offset + other]
                    : Math.Sin(angle) * data[offset + a] + Math.Cos(angle) * data[offset + other];
                Close(expected, actual.Span<float>()[offset + e], $"[{i}, {e}]");
            }
        }
        inputs[3].Span<long>()[2] = positions;
        Assert.Throws<InvalidInputException>(() => KernelRun.Run(RotaryProblem.Create(DType.Float32, problem), DType.Float32, [data.Length], inputs));
    }

    [Theory]
    [InlineData(1, 0, 1, false)]
    [InlineData(2, 1, 1, true)]
    [InlineData(3, 5, 2, true)]
    [InlineData(1, 5, 0, false)]
    public void LinearAttentionKeepsItsState(int group, int decaySize, int betaHeads, bool past)
    {
        const int batch = 2, rows = 4, heads = 2, keySize = 5, valueSize = 19;
        float[] q = Random(batch * rows * heads * group * keySize, 3), k = Random(batch * rows * heads * keySize, 4), v = Random(batch * rows * heads * valueSize, 5);
        float[] state = Random(batch * heads * keySize * valueSize, 6), decay = Array.ConvertAll(Random(batch * rows * heads * Math.Max(1, decaySize), 7), x => -x * x), beta = Random(batch * rows * Math.Max(1, betaHeads), 8);
        var problem = new LinearAttentionProblem(batch, rows, heads * group, heads, keySize, valueSize, decaySize, betaHeads) { Scale = 0.7, HasPast = past, KeepsPresent = true };
        Tensor output = Tensor.Allocate(DType.Float32, [batch * rows * heads * group * valueSize]), present = Tensor.Allocate(DType.Float32, [state.Length]);
        KernelRun.Run(LinearAttentionProblem.Create(DType.Float32, problem), [Flat(q), Flat(k), Flat(v), Flat(state), Flat(decay), Flat(beta)], [output, present]);
        for (int unit = 0; unit < batch * heads; unit++)
        {
            double[,] s = new double[keySize, valueSize];
            for (int d = 0; d < keySize && past; d++)
                for (int m = 0; m < valueSize; m++) s[d, m] = state[(unit * keySize + d) * valueSize + m];
            for (int t = 0; t < rows; t++)
            {
                int row = unit / heads * rows + t, head = row * heads + unit % heads;
                double[] value = [.. Enumerable.Range(0, valueSize).Select(m => (double)v[head * valueSize + m])];
                for (int d = 0; d < keySize && decaySize > 0; d++)
                    for (int m = 0; m < valueSize; m++) s[d, m] *= Math.Exp(decay[head * decaySize + (decaySize == 1 ? 0 : d)]);
                for (int m = 0; m < valueSize && betaHeads > 0; m++)
                    value[m] = beta[row * betaHeads + (betaHeads == 1 ? 0 : unit % heads)] * (value[m] - Enumerable.Range(0, keySize).Sum(d => s[d, m] * k[head * keySize + d]));
                for (int d = 0; d < keySize; d++)
                    for (int m = 0; m < valueSize; m++) s[d, m] += k[head * keySize + d] * value[m];
                for (int g = 0; g < group; g++)
                    for (int m = 0; m < valueSize; m++)
                    {
                        int queryHead = row * heads * group + unit % heads * group + g;
                        Close(0.7 * Enumerable.Range(0, keySize).Sum(d => s[d, m] * q[queryHead * keySize + d]), output.Span<float>()[queryHead * valueSize + m], $"[{unit}, {t}, {g}, {m}]");
                    }
            }
            for (int d = 0; d < keySize; d++)
                for (int m = 0; m < valueSize; m++) Close(s[d, m], present.Span<float>()[(unit * keySize + d) * valueSize + m], $"state {unit} [{d}, {m}]");
        }
    }

    [Theory]
    [InlineData(1, 1, false, false)]
    [InlineData(50, 4, true, true)]
    [InlineData(2, 4, true, false)]
    [InlineData(1, 3, false, true)]
    public void CausalConvSeesOnlyThePast(int length, int taps, bool past, bool silu)
    {
        const int batch = 2, channels = 3;
        float[] data = Random(batch * channels * length, 9), weights = Random(channels * taps, 10), bias = Random(channels, 11), state = Random(batch * channels * (taps - 1), 12);
        var problem = new CausalConvProblem(batch, channels, length, taps) { HasBias = silu, HasPast = past, KeepsPresent = true, Silu = silu };
        Tensor output = Tensor.Allocate(DType.Float32, [data.Length]), present = Tensor.Allocate(DType.Float32, [state.Length]);
        KernelRun.Run(CausalConvProblem.Create(DType.Float32, problem), [Flat(data), Flat(weights), Flat(bias), Flat(state)], [output, present]);
        for (int line = 0; line < batch * channels; line++)
        {
            float[] all = [.. past ? state[(line * (taps - 1))..((line + 1) * (taps - 1))] : new float[taps - 1], .. data[(line * length)..((line + 1) * length)]];
            for (int t = 0; t < length; t++)
            {
                double x = (silu ? bias[line % channels] : 0) + Enumerable.Range(0, taps).Sum(k => (double)weights[line % channels * taps + k] * all[t + k]);
                Close(silu ? x / (1 + Math.Exp(-x)) : x, output.Span<float>()[line * length + t], $"[{line}, {t}]");
            }
            Assert.Equal(all[length..], present.Span<float>().Slice(line * (taps - 1), taps - 1));
        }
    }

    private static Tensor Flat(float[] values) => Tensor.From(values, [values.Length]);

    private static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => 2 * random.NextSingle() - 1)];
    }

    private static void Close(double expected, double actual, string what) =>
        Assert.True(Math.Abs(expected - actual) <= 1e-5 * (1 + Math.Abs(expected)), $"{what}: expected {expected}, got {actual}");
}
