using Parallax.Kernels;

namespace Parallax.Suite;

/// <summary>Runs of <see cref="ConvProblem"/>: inputs of the right sizes, and the result by its definition in double precision.</summary>
public static unsafe class ConvReference
{
    public sealed record Inputs(float[] X, float[] W, float[] Bias, float[] Residual);

    /// <summary>A problem from the attributes that ONNX gives, the same on all axes except the sizes.</summary>
    public static ConvProblem Problem(
        int batch, int groups, int inputs, int outputs, int[] size, int[] kernel, int stride = 1, int padBegin = 0, int padEnd = 0, int dilation = 1) =>
        new(batch, groups, inputs, outputs, [.. size.Zip(kernel, (input, taps) => Axis(input, taps, stride, padBegin, padEnd, dilation))]);

    public static WindowAxis Axis(int input, int taps, int stride, int padBegin, int padEnd, int dilation) =>
        new(input, Math.Max(0, (input + padBegin + padEnd - (taps - 1) * dilation - 1) / stride + 1), taps, stride, dilation, padBegin, padEnd);

    public static Inputs Draw(ConvProblem problem, int seed) => new(
        RandomData.Floats(problem.Batch * problem.InputChannels * problem.InputPlane, seed),
        RandomData.Floats(problem.OutputChannels * problem.GroupInputs * problem.Taps, seed + 1),
        RandomData.Floats(problem.HasBias ? problem.OutputChannels : 0, seed + 2),
        RandomData.Floats(problem.HasResidual ? ResultElements(problem) : 0, seed + 3));

    public static int ResultElements(ConvProblem problem) => problem.Batch * problem.OutputChannels * problem.OutputPlane;

    public static double[] Compute(ConvProblem problem, Inputs inputs)
    {
        var result = new double[ResultElements(problem)];
        int plane = problem.OutputPlane;
        for (int i = 0; i < result.Length; i++)
        {
            int channel = i / plane % problem.OutputChannels, image = i / plane / problem.OutputChannels;
            double sum = Sum(problem, inputs, image, channel, i % plane) + (problem.HasBias ? inputs.Bias[channel] : 0);
            double residual = problem.HasResidual ? inputs.Residual[i] : 0;
            result[i] = problem.ResidualAfterActivation
                ? ActivationReference.Apply(problem.Activation, sum) + residual
                : ActivationReference.Apply(problem.Activation, sum + residual);
        }
        return result;
    }

    public static float[] Run(ConvProblem problem, Inputs inputs, bool constantWeights, ConvAlgorithm? algorithm, GemmMicroKernel? entry, bool guardBefore)
    {
        using var x = new GuardedBuffer<float>(inputs.X, guardBefore);
        using var w = new GuardedBuffer<float>(inputs.W, guardBefore);
        using var bias = new GuardedBuffer<float>(inputs.Bias, guardBefore);
        using var residual = new GuardedBuffer<float>(inputs.Residual, guardBefore);
        using var y = new GuardedBuffer<float>(ResultElements(problem), guardBefore);
        y.Span.Fill(float.NaN);
        using Kernel kernel = ConvKernels.Create(problem, constantWeights ? w.Pointer : null, algorithm, entry);
        KernelRunner.Run(kernel, [(nint)x.Pointer, constantWeights ? 0 : (nint)w.Pointer, (nint)bias.Pointer, (nint)residual.Pointer], [(nint)y.Pointer]);
        return y.Span.ToArray();
    }

    private static double Sum(ConvProblem problem, Inputs inputs, int image, int channel, int place)
    {
        double sum = 0;
        int group = channel / problem.GroupOutputs;
        for (int tap = 0; tap < problem.Taps; tap++)
        {
            int at = 0, stride = 1, restTap = tap, restPlace = place;
            bool inside = true;
            for (int i = problem.Axes.Length - 1; i >= 0; i--)
            {
                WindowAxis axis = problem.Axes[i];
                int k = restTap % (int)axis.Kernel, o = restPlace % (int)axis.Output;
                restTap /= (int)axis.Kernel;
                restPlace /= (int)axis.Output;
                int from = (int)(o * axis.Stride - axis.PadBegin + k * axis.Dilation);
                inside &= from >= 0 && from < axis.Input;
                at += from * stride;
                stride *= (int)axis.Input;
            }
            for (int c = 0; inside && c < problem.GroupInputs; c++)
                sum += (double)inputs.X[(image * problem.InputChannels + group * problem.GroupInputs + c) * problem.InputPlane + at]
                    * inputs.W[(channel * problem.GroupInputs + c) * problem.Taps + tap];
        }
        return sum;
    }
}
