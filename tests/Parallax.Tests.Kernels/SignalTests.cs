using System.Numerics;
using Parallax.Kernels;
using Parallax.Kernels.Signal;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

/// <summary>Fourier transforms against the definition, in double precision.</summary>
public sealed class SignalTests
{
    private const int Seed = 20;

    // Powers of two, small primes and their products, large primes (which go through a chirp), and 1.
    public static TheoryData<int> Lengths => [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 26, 31, 37, 64, 97, 100, 128, 169, 210, 251, 400, 512];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void ForwardFollowsTheDefinition(int length)
    {
        // 3 x length x 7 complex signals: two full blocks of side-by-side signals and one that is not.
        Complex[] signal = Draw(3 * length * 7);
        foreach (bool oneSided in new[] { false, true })
        {
            int bins = oneSided ? length / 2 + 1 : length;
            using Kernel kernel = SignalKernels.Dft(DType.Float32, [3, length, 7, 2], 1, length, inverse: false, oneSided);
            float[] actual = KernelRun.Run(kernel, DType.Float32, [3, bins, 7, 2], Interleave(signal, [3, length, 7])).Span<float>().ToArray();
            for (int o = 0; o < 3; o++)
                for (int i = 0; i < 7; i++)
                {
                    Complex[] expected = Transform([.. Enumerable.Range(0, length).Select(t => signal[(o * length + t) * 7 + i])], -1);
                    for (int k = 0; k < bins; k++) Close(expected[k], actual, ((o * bins + k) * 7 + i) * 2, length);
                }
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void InverseUndoesForward(int length)
    {
        Complex[] signal = Draw(length * 2);
        using Kernel forward = SignalKernels.Dft(DType.Float64, [2, length, 2], 1, length, inverse: false, oneSided: false);
        using Kernel inverse = SignalKernels.Dft(DType.Float64, [2, length, 2], 1, length, inverse: true, oneSided: false);
        double[] data = [.. signal.SelectMany(c => new[] { c.Real, c.Imaginary })];
        Tensor bins = KernelRun.Run(forward, DType.Float64, [2, length, 2], Tensor.From(data, [2, length, 2]));
        Tensor back = KernelRun.Run(inverse, DType.Float64, [2, length, 2], bins);
        for (int i = 0; i < data.Length; i++) Assert.Equal(data[i], back.Span<double>()[i], 1e-11 * length);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(34)]
    public void OneSidedInverseGivesTheRealSignal(int length)
    {
        float[] signal = [.. Draw(length * 3).Select(c => (float)c.Real)];
        using Kernel forward = SignalKernels.Dft(DType.Float32, [length, 3, 1], 0, length, inverse: false, oneSided: true);
        using Kernel inverse = SignalKernels.Dft(DType.Float32, [length / 2 + 1, 3, 2], 0, length, inverse: true, oneSided: true);
        Tensor bins = KernelRun.Run(forward, DType.Float32, [length / 2 + 1, 3, 2], Tensor.From(signal, [length, 3, 1]));
        Span<float> back = KernelRun.Run(inverse, DType.Float32, [length, 3, 1], bins).Span<float>();
        for (int i = 0; i < signal.Length; i++) Assert.Equal(signal[i], back[i], 1e-5f);
    }

    [Theory]
    [InlineData(5, 8)] // padded with zeros
    [InlineData(9, 4)] // cut
    public void TheLengthMayDifferFromTheAxis(int available, int length)
    {
        Complex[] signal = Draw(available);
        using Kernel kernel = SignalKernels.Dft(DType.Float32, [available, 2], 0, length, inverse: false, oneSided: false);
        float[] actual = KernelRun.Run(kernel, DType.Float32, [length, 2], Interleave(signal, [available])).Span<float>().ToArray();
        Complex[] expected = Transform([.. Enumerable.Range(0, length).Select(t => t < available ? signal[t] : 0)], -1);
        for (int k = 0; k < length; k++) Close(expected[k], actual, 2 * k, length);
    }

    [Theory]
    [InlineData(50, 16, 8, true, 1)]
    [InlineData(400, 25, 10, true, 2)]
    [InlineData(33, 33, 1, false, 1)]
    public void FramesAreWeightedAndTransformed(int signalLength, int length, int step, bool oneSided, int parts)
    {
        int frames = 1 + (signalLength - length) / step, bins = oneSided ? length / 2 + 1 : length;
        Complex[] signal = [.. Draw(2 * signalLength).Select(c => parts == 1 ? c.Real : c)];
        float[] window = [.. SignalKernels.CosineWindow(length, periodic: true, 0.5, 0.5, 0).Select(v => (float)v)];
        float[] data = [.. signal.SelectMany(c => parts == 1 ? new[] { (float)c.Real } : [(float)c.Real, (float)c.Imaginary])];
        using Kernel kernel = SignalKernels.Stft(DType.Float32, [2, signalLength, parts], length, frames, step, oneSided);
        float[] actual = KernelRun.Run(kernel, DType.Float32, [2, frames, bins, 2], Tensor.From(data, [2, signalLength, parts]), null, Tensor.From(window, [length])).Span<float>().ToArray();
        for (int b = 0; b < 2; b++)
            for (int f = 0; f < frames; f++)
            {
                Complex[] expected = Transform([.. Enumerable.Range(0, length).Select(t => signal[b * signalLength + f * step + t] * window[t])], -1);
                for (int k = 0; k < bins; k++) Close(expected[k], actual, ((b * frames + f) * bins + k) * 2, length);
            }
    }

    private static void Close(Complex expected, float[] actual, int at, int length)
    {
        double tolerance = 2e-6 * Math.Sqrt(length) * Math.Log2(length + 1) + 1e-6;
        Assert.True(Math.Abs(expected.Real - actual[at]) < tolerance && Math.Abs(expected.Imaginary - actual[at + 1]) < tolerance,
            $"length {length}, element {at}, seed {Seed}: expected {expected}, got ({actual[at]}, {actual[at + 1]})");
    }

    private static Complex[] Draw(int count)
    {
        var random = new Random(Seed);
        return [.. Enumerable.Range(0, count).Select(_ => new Complex((float)(2 * random.NextDouble() - 1), (float)(2 * random.NextDouble() - 1)))];
    }

    private static Tensor Interleave(Complex[] signal, long[] dims) =>
        Tensor.From(signal.SelectMany(c => new[] { (float)c.Real, (float)c.Imaginary }).ToArray(), [.. dims, 2]);

    private static Complex[] Transform(Complex[] signal, int sign)
    {
        var bins = new Complex[signal.Length];
        for (int k = 0; k < bins.Length; k++)
            for (int t = 0; t < signal.Length; t++) bins[k] += signal[t] * Complex.FromPolarCoordinates(1, sign * 2 * Math.PI * ((long)k * t % signal.Length) / signal.Length);
        return bins;
    }
}
