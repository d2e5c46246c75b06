using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using Parallax.Kernels.Reduce;

namespace Parallax.Kernels.Norm;

/// <summary>Computes any <see cref="RowNormalization"/>.</summary>
internal sealed unsafe class RowNormKernel<T> : Kernel where T : unmanaged, IFloatingPointIeee754<T>
{
    private const int Stretch = 4096;

    private readonly RowNormalization problem;

    internal RowNormKernel(RowNormalization problem) => this.problem = problem;

    public override string Name => $"{problem.Name}_{typeof(T).Name.ToLowerInvariant()}";

    public override int BlockCount(int phase) => problem.Blocks;

    public override bool CanRunInPlace(int input) => input == 0;

    public override bool CanRehearse => true;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long start = block * problem.RowsPerBlock, end = Math.Min(problem.Rows, start + problem.RowsPerBlock);
        for (long row = start; row < end; row++)
        {
            T* x = args.Input<T>(0) + row * problem.Count, y = args.Output<T>(0) + row * problem.Count;
            (T mean, T inverse) = Statistics(new ReadOnlySpan<T>(x, problem.Count));
            Normalize(x, y, problem.Count, problem.Centered, mean, inverse);
            Affine(y, row, args.Input<T>(1), problem.HasBias ? args.Input<T>(2) : null);
            if (problem.HasResidual)
            {
                Span<T> result = new(y, problem.Count);
                TensorPrimitives.Add(result, new ReadOnlySpan<T>(args.Input<T>(RowNormalization.ResidualInput) + row * problem.Count, problem.Count), result);
            }
            Stash(args, row, mean, inverse);
        }
    }

    private (T Mean, T Inverse) Statistics(ReadOnlySpan<T> x)
    {
        T count = T.CreateChecked(Math.Max(1, x.Length)), mean = T.Zero, square = T.Zero;
        if (problem.Centered)
        {
            for (int i = 0; i < x.Length; i += Stretch) mean += VectorFold.Sum(x.Slice(i, Math.Min(Stretch, x.Length - i)));
            mean /= count;
        }
        for (int i = 0; i < x.Length; i += Stretch) square += VectorFold.SumOfSquaredDifferences(x.Slice(i, Math.Min(Stretch, x.Length - i)), mean);
        return (mean, T.One / T.Sqrt(square / count + T.CreateChecked(problem.Epsilon)));
    }

    private void Affine(T* y, long row, T* scale, T* bias)
    {
        int count = problem.Count;
        if (problem.Pattern is { } pattern)
        {
            int start = (int)(row % pattern.Rows) * count;
            for (int i = 0; i < count; i++) y[i] = y[i] * scale[pattern.Scale[start + i]] + (bias == null ? T.Zero : bias[pattern.Bias[start + i]]);
            return;
        }
        long first = row % problem.RowPeriod * problem.RowStride;
        if (problem.Run == 1)
        {
            Affine(y, count, scale + first, bias == null ? null : bias + first);
            return;
        }
        for (int i = 0, k = 0; i < count; i += problem.Run, k++)
        {
            Span<T> run = new(y + i, Math.Min(problem.Run, count - i));
            TensorPrimitives.Multiply(run, scale[first + k], run);
            if (bias != null) TensorPrimitives.Add(run, bias[first + k], run);
        }
    }

    // Compiled once, at its best: a row is short, and code that waits to be found hot slows the first runs.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Normalize(T* x, T* y, int count, bool centered, T mean, T inverse)
    {
        int i = 0;
        if (Vector<T>.IsSupported)
        {
            Vector<T> means = new(mean), inverses = new(inverse);
            for (; i <= count - Vector<T>.Count; i += Vector<T>.Count)
            {
                Vector<T> value = Vector.Load(x + i);
                Vector.Store((centered ? value - means : value) * inverses, y + i);
            }
        }
        for (; i < count; i++) y[i] = (centered ? x[i] - mean : x[i]) * inverse;
    }

    /// <summary>y = y scale + bias, rounded twice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Affine(T* y, int count, T* scale, T* bias)
    {
        int i = 0;
        if (Vector<T>.IsSupported)
            for (; i <= count - Vector<T>.Count; i += Vector<T>.Count)
            {
                Vector<T> value = Vector.Load(y + i) * Vector.Load(scale + i);
                Vector.Store(bias == null ? value : value + Vector.Load(bias + i), y + i);
            }
        for (; i < count; i++)
        {
            T value = y[i] * scale[i];
            y[i] = bias == null ? value : value + bias[i];
        }
    }

    private void Stash(in KernelArgs args, long row, T mean, T inverse)
    {
        if (problem.KeepsMean) Keep(args, 1, row, mean);
        if (problem.KeepsDeviation) Keep(args, 2, row, inverse);
    }

    private void Keep(in KernelArgs args, int output, long row, T value)
    {
        if (problem.FloatStatistics) args.Output<float>(output)[row] = float.CreateTruncating(value);
        else args.Output<T>(output)[row] = value;
    }
}
