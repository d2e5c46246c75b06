using System.Numerics;
using System.Numerics.Tensors;

namespace Parallax.Kernels.Attention;

/// <summary>
/// A causal convolution of each channel: result t is the sum over taps k of tap[k] * x[t + k - (taps - 1)], where elements before the first
/// come from the past state (input 3) or are zero. Inputs: data [batch, channels, length], taps, 2 bias, 3 past; outputs: result, 1 present.
/// </summary>
public sealed record CausalConvProblem(long Batch, long Channels, int Length, int Taps)
{
    public bool HasBias { get; init; }

    public bool HasPast { get; init; }

    public bool KeepsPresent { get; init; }

    /// <summary>Whether x * sigmoid(x) follows.</summary>
    public bool Silu { get; init; }

    public static Kernel Create(DType type, CausalConvProblem problem) => type switch
    {
        DType.Float32 => new CausalConvKernel<float>(problem),
        DType.Float64 => new CausalConvKernel<double>(problem),
        _ => throw new UnsupportedModelException($"causal convolution of {type}", [$"causal convolution of {type}"]),
    };
}

internal sealed unsafe class CausalConvKernel<T>(CausalConvProblem problem) : Kernel where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly int length = problem.Length, taps = problem.Taps, padded = problem.Length + problem.Taps - 1;
    private readonly long channelsPerBlock = Math.Max(1, 8192 / Math.Max(1L, problem.Length * problem.Taps));

    public override string Name => $"causalconv_{typeof(T).Name.ToLowerInvariant()}";

    public override int BlockCount(int phase) => (int)((problem.Batch * problem.Channels + channelsPerBlock - 1) / channelsPerBlock);

    public override long WorkerScratchBytes => ((long)padded + length) * sizeof(T);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        Span<T> line = new(args.WorkerScratch, padded), gate = new((T*)args.WorkerScratch + padded, length);
        long end = Math.Min(problem.Batch * problem.Channels, (block + 1) * channelsPerBlock);
        for (long i = block * channelsPerBlock; i < end; i++)
        {
            long channel = i % problem.Channels;
            if (problem.HasPast) new ReadOnlySpan<T>(args.Input<T>(3) + i * (taps - 1), taps - 1).CopyTo(line);
            else line[..(taps - 1)].Clear();
            new ReadOnlySpan<T>(args.Input<T>(0) + i * length, length).CopyTo(line[(taps - 1)..]);
            Span<T> result = new(args.Output<T>(0) + i * length, length);
            result.Fill(problem.HasBias ? args.Input<T>(2)[channel] : T.Zero);
            for (int k = 0; k < taps; k++) TensorPrimitives.MultiplyAdd(line.Slice(k, length), args.Input<T>(1)[channel * taps + k], result, result);
            if (problem.Silu)
            {
                TensorPrimitives.Sigmoid<T>(result, gate);
                TensorPrimitives.Multiply<T>(result, gate, result);
            }
            if (problem.KeepsPresent) line[length..].CopyTo(new Span<T>(args.Output<T>(1) + i * (taps - 1), taps - 1));
        }
    }
}
