using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed unsafe class ConvTransposeTests
{
    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void TwoDimensional(string width)
    {
        int seed = 1;
        foreach (int stride in (int[])[1, 2, 3])
            foreach (int kernel in (int[])[1, 2, 3, 4])
                foreach (int dilation in (int[])[1, 2])
                    foreach (int pad in (int[])[0, 1])
                        Check(Problem(2, 1, 3, 5, [6, 7], kernel, stride, dilation, pad, extra: seed % 2) with { HasBias = seed % 3 == 0 }, width, seed++);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void OtherRanksAndGroups(string width)
    {
        Check(Problem(2, 1, 4, 6, [40], 5, 2, 1, 2, 1), width, 1);
        Check(Problem(1, 2, 4, 6, [5, 4, 3], 3, 2, 1, 1, 1) with { HasBias = true, Activation = Activation.Relu }, width, 2);
        Check(Problem(2, 4, 4, 4, [9, 8], 4, 2, 1, 1, 0) with { HasBias = true }, width, 3);
        Check(Problem(1, 1, 70, 33, [9, 40], 2, 2, 1, 0, 0) with { HasBias = true, Activation = Activation.Silu }, width, 4);
        ConvTransposeProblem signal = Problem(1, 1, 6, 9, [40], 4, 2, 1, 1, 0);
        Check(signal with { Axes = [.. signal.Axes, TransposeAxis.Trivial] }, width, 5); // stored as an image one element wide
    }

    [Fact]
    public void TooManyAxesAreRefused() =>
        Assert.Throws<UnsupportedModelException>(() => ConvKernels.CreateTranspose(Problem(1, 1, 1, 1, [2, 2, 2, 2], 2, 1, 1, 0, 0)));

    private static ConvTransposeProblem Problem(int batch, int groups, int inputs, int outputs, int[] size, int kernel, int stride, int dilation, int pad, int extra) =>
        new(batch, groups, inputs, outputs, [.. size.Select(input => new TransposeAxis(
            input, Math.Max(0, (input - 1) * stride - 2 * pad + (kernel - 1) * dilation + 1 + extra), kernel, stride, dilation, pad))]);

    private static void Check(ConvTransposeProblem problem, string width, int seed)
    {
        float[] x = RandomData.Floats(problem.Batch * problem.InputChannels * problem.InputPlane, seed);
        float[] w = RandomData.Floats(problem.InputChannels * problem.GroupOutputs * problem.Taps, seed + 1);
        float[] bias = RandomData.Floats(problem.OutputChannels, seed + 2);
        double[] expected = Reference(problem, x, w, bias);
        GemmMicroKernel entry = GemmEntries.Named(width);
        foreach (bool constant in (bool[])[false, true])
        {
            using var px = new GuardedBuffer<float>(x);
            using var pw = new GuardedBuffer<float>(w);
            using var pb = new GuardedBuffer<float>(bias);
            using var py = new GuardedBuffer<float>(expected.Length);
            py.Span.Fill(float.NaN);
            using Kernel kernel = ConvKernels.CreateTranspose(problem, constant ? pw.Pointer : null, entry);
            KernelRunner.Run(kernel, [(nint)px.Pointer, constant ? 0 : (nint)pw.Pointer, (nint)pb.Pointer], [(nint)py.Pointer]);
            for (int i = 0; i < expected.Length; i++)
                if (!(Math.Abs(py.Span[i] - expected[i]) <= 2e-6 * (4 + problem.GroupInputs * problem.Taps)))
                    Assert.Fail($"{width} seed {seed} constant {constant} {string.Join(' ', problem.Axes)} {problem}: Y[{i}] = {py.Span[i]}, expected {expected[i]}");
        }
    }

    private static double[] Reference(ConvTransposeProblem problem, float[] x, float[] w, float[] bias)
    {
        var y = new double[problem.Batch * problem.OutputChannels * problem.OutputPlane];
        for (int i = 0; i < x.Length; i++)
        {
            int channel = i / problem.InputPlane % problem.InputChannels, image = i / problem.InputPlane / problem.InputChannels;
            for (int j = 0; j < problem.GroupOutputs * problem.Taps; j++)
            {
                int output = channel / problem.GroupInputs * problem.GroupOutputs + j / problem.Taps;
                int place = Place(problem, i % problem.InputPlane, j % problem.Taps);
                if (place >= 0)
                    y[(image * problem.OutputChannels + output) * problem.OutputPlane + place] += (double)x[i] * w[channel * problem.GroupOutputs * problem.Taps + j];
            }
        }
        for (int i = 0; i < y.Length; i++)
            y[i] = ActivationReference.Apply(problem.Activation, y[i] + (problem.HasBias ? bias[i / problem.OutputPlane % problem.OutputChannels] : 0));
        return y;
    }

    private static int Place(ConvTransposeProblem problem, int input, int tap)
    {
        long place = 0, stride = 1;
        foreach (TransposeAxis axis in problem.Axes.Reverse())
        {
            long at = input % axis.Input * axis.Stride - axis.PadBegin + tap % axis.Kernel * axis.Dilation;
            (input, tap) = ((int)(input / axis.Input), (int)(tap / axis.Kernel));
            if (at < 0 || at >= axis.Output)
                return -1;
            place += at * stride;
            stride *= axis.Output;
        }
        return (int)place;
    }
}
