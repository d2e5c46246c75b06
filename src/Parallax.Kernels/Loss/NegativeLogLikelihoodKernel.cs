using System.Numerics;

namespace Parallax.Kernels;

/// <summary>
/// Inputs: log probabilities [outer, classes, inner], class indices [outer, inner], weights [classes] (optional). Output: the losses of all positions,
/// or their sum or weighted mean, which are added up in double precision, block by block.
/// </summary>
public sealed unsafe class NegativeLogLikelihoodKernel<T>(long outer, long classes, long inner, bool narrowIndices, bool weighted, long? ignore, bool reduces, bool mean) : Kernel
    where T : unmanaged, INumber<T>
{
    private const int BlockElements = 8192;

    private readonly long positions = outer * inner;

    public override string Name => "negative_log_likelihood";

    public override int PhaseCount => reduces ? 2 : 1;

    public override int BlockCount(int phase) => phase == 1 ? 1 : Blocks;

    public override long ScratchBytes => reduces ? Blocks * 2L * sizeof(double) : 0;

    private int Blocks => checked((int)((positions + BlockElements - 1) / BlockElements));

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        double* sums = (double*)args.Scratch;
        if (phase == 1)
        {
            Finish(sums, args.Output<T>(0));
            return;
        }
        long start = (long)block * BlockElements, end = Math.Min(start + BlockElements, positions);
        double loss = 0, weight = 0;
        for (long i = start; i < end; i++)
        {
            (double part, double share) = Position(i, args);
            loss += part;
            weight += share;
            if (!reduces) args.Output<T>(0)[i] = T.CreateTruncating(part);
        }
        if (!reduces) return;
        sums[2 * block] = loss;
        sums[2 * block + 1] = weight;
    }

    private (double Loss, double Weight) Position(long i, in KernelArgs args)
    {
        long label = narrowIndices ? args.Input<int>(1)[i] : args.Input<long>(1)[i];
        if (label == ignore) return (0, 0);
        if ((ulong)label >= (ulong)classes) throw new InvalidInputException($"class {label} is out of range for {classes} classes");
        double weight = weighted ? double.CreateTruncating(args.Input<T>(2)[label]) : 1;
        (long row, long column) = Math.DivRem(i, inner);
        return (-weight * double.CreateTruncating(args.Input<T>(0)[(row * classes + label) * inner + column]), weight);
    }

    private void Finish(double* sums, T* result)
    {
        double loss = 0, weight = 0;
        for (int block = 0; block < Blocks; block++)
        {
            loss += sums[2 * block];
            weight += sums[2 * block + 1];
        }
        *result = T.CreateTruncating(mean ? loss / weight : loss);
    }
}

/// <summary>Makes <see cref="NegativeLogLikelihoodKernel{T}"/>.</summary>
public readonly record struct NegativeLogLikelihoodFactory(long Outer, long Classes, long Inner, bool NarrowIndices, bool Weighted, long? Ignore, bool Reduces, bool Mean)
    : INumberKernelFactory
{
    public Kernel Create<T>() where T : unmanaged, INumber<T> => new NegativeLogLikelihoodKernel<T>(Outer, Classes, Inner, NarrowIndices, Weighted, Ignore, Reduces, Mean);
}
