using System.Numerics;

namespace Parallax.Kernels;

/// <summary>
/// Convolution of any element type and any rank, one result at a time: the fallback of the family, and its reference. Contract as
/// <see cref="ConvProblem"/>; an activation or a residual only with float32. Sums of integers wrap.
/// </summary>
internal sealed unsafe class DirectConv<T> : Kernel where T : unmanaged, INumber<T>
{
    private const int MaxRank = 8;

    private readonly ConvProblem problem;
    private readonly Epilogue epilogue;
    private readonly PackedMatrix? weights;
    private readonly int taps, inputStride;

    /// <param name="weights">Constant weights in their own order (float32 only).</param>
    internal DirectConv(ConvProblem problem, PackedMatrix? weights = null)
    {
        bool plain = !problem.HasResidual && problem.Activation.Kind == ActivationKind.None;
        if (problem.Axes.Length > MaxRank || (typeof(T) != typeof(float) && !plain))
            throw new UnsupportedModelException($"Conv over {problem.Axes.Length} axes of {typeof(T).Name}", [$"Conv of {typeof(T).Name}"]);
        this.problem = problem;
        this.weights = weights?.AddReference();
        (taps, inputStride) = (problem.Taps, problem.InputStride);
        epilogue = problem.EpilogueFor(VecWidth.Scalar);
    }

    public override string Name => $"conv_{typeof(T).Name.ToLowerInvariant()}_direct_scalar";

    public override int BlockCount(int phase) => problem.OutputPlane == 0 ? 0 : problem.Batch * problem.OutputChannels;

    /// <summary>One output channel of one image.</summary>
    public override bool CanRehearse => true;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int image, int channel) = Math.DivRem(block, problem.OutputChannels);
        int plane = problem.OutputPlane, group = channel / problem.GroupOutputs;
        T* input = args.Input<T>(0) + problem.InputAt(image, group);
        nint filterElements = (nint)problem.GroupInputs * taps;
        T* filter = weights is null ? args.Input<T>(1) + channel * filterElements : (T*)weights.Left(channel, 0, 0);
        nint result = problem.OutputAt(image, channel);
        T* results = args.Output<T>(0) + result;
        Span<int> place = stackalloc int[MaxRank];
        for (int i = 0; i < plane; i++)
        {
            int rest = i;
            for (int axis = problem.Axes.Length - 1; axis >= 0; axis--)
                (rest, place[axis]) = Math.DivRem(rest, (int)problem.Axes[axis].Output);
            results[i] = Sum(input, filter, place);
        }
        Finish(results, result, channel, args);
    }

    public override void Dispose()
    {
        weights?.Dispose();
        base.Dispose();
    }

    private T Sum(T* input, T* filter, ReadOnlySpan<int> place)
    {
        T sum = T.Zero;
        for (int tap = 0; tap < taps; tap++)
        {
            nint at = Locate(tap, place);
            if (at < 0)
                continue;
            for (int channel = 0; channel < problem.GroupInputs; channel++)
                sum += input[(nint)channel * inputStride + at] * filter[channel * taps + tap];
        }
        return sum;
    }

    /// <summary>The element of a channel that a tap reads; -1 in the padding.</summary>
    private nint Locate(int tap, ReadOnlySpan<int> place)
    {
        nint at = 0, stride = 1;
        for (int i = problem.Axes.Length - 1; i >= 0; i--)
        {
            ref readonly WindowAxis axis = ref problem.Axes[i];
            (tap, int k) = Math.DivRem(tap, (int)axis.Kernel);
            long from = axis.Start(place[i]) + k * axis.Dilation;
            if (from < 0 || from >= axis.Input)
                return -1;
            at += (nint)from * stride;
            stride *= (nint)axis.Input;
        }
        return at;
    }

    private void Finish(T* results, nint result, int channel, in KernelArgs args)
    {
        int plane = problem.OutputPlane;
        if (typeof(T) == typeof(float))
            epilogue.Apply(new EpilogueTile
            {
                Sums = (float*)results,
                C = (float*)results,
                Rows = 1,
                Columns = plane,
                Bias = problem.HasBias ? args.Input<float>(2) + channel : null,
                Residual = problem.HasResidual ? args.Input<float>(3) + result : null,
            });
        else if (problem.HasBias)
            for (int i = 0; i < plane; i++) results[i] += args.Input<T>(2)[channel];
    }
}
