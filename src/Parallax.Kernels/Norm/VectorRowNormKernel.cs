using System.Runtime.CompilerServices;

namespace Parallax.Kernels.Norm;

/// <summary>
/// Computes a <see cref="RowNormalization"/> of float32 whose rows all have one scale and one bias for each element. Whatever its width, it sums a row in four runs of vectors.
/// </summary>
internal sealed unsafe class VectorRowNormKernel<V> : Kernel where V : struct, IVec<V>
{
    private readonly RowNormalization problem;

    internal VectorRowNormKernel(RowNormalization problem) => this.problem = problem;

    public override string Name => $"{problem.Name}_f32_v{V.Count * 32}";

    public override int BlockCount(int phase) => problem.Blocks;

    public override bool CanRunInPlace(int input) => input is 0 or RowNormalization.ResidualInput;

    public override bool CanRehearse => true;

    // One loop without calls, so that a row is begun while sums of the one before are on their way.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        int count = problem.Count, whole = count - count % V.Count;
        bool centered = problem.Centered;
        float divisor = Math.Max(1, count), epsilon = (float)problem.Epsilon;
        float* scale = args.Input<float>(1), bias = problem.HasBias ? args.Input<float>(2) : null;
        float* means = problem.KeepsMean ? args.Output<float>(1) : null, inverses = problem.KeepsDeviation ? args.Output<float>(2) : null;
        long row = block * problem.RowsPerBlock, end = Math.Min(problem.Rows, row + problem.RowsPerBlock);
        float* x = args.Input<float>(0) + row * count, y = args.Output<float>(0) + row * count;
        float* residual = problem.HasResidual ? args.Input<float>(RowNormalization.ResidualInput) + row * count : null;
        for (; row < end; row++, x += count, y += count)
        {
            float mean = centered ? Sum(x, whole, count) / divisor : 0;
            float inverse = 1 / MathF.Sqrt(SumOfSquaredDifferences(x, whole, count, mean) / divisor + epsilon);
            V centers = V.Create(mean), factors = V.Create(inverse);
            for (int i = 0; i < whole; i += V.Count)
            {
                V value = (V.Load(x + i) - centers) * factors * V.Load(scale + i);
                if (bias != null) value += V.Load(bias + i);
                V.Store(y + i, residual == null ? value : value + V.Load(residual + i));
            }
            for (int i = whole; i < count; i++)
            {
                float value = (x[i] - mean) * inverse * scale[i];
                if (bias != null) value += bias[i];
                y[i] = residual == null ? value : value + residual[i];
            }
            if (residual != null) residual += count;
            if (means != null) means[row] = mean;
            if (inverses != null) inverses[row] = inverse;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum(float* x, int whole, int count)
    {
        V a = default, b = default, c = default, d = default;
        int i = 0;
        for (; i <= whole - 4 * V.Count; i += 4 * V.Count)
        {
            a += V.Load(x + i);
            b += V.Load(x + i + V.Count);
            c += V.Load(x + i + 2 * V.Count);
            d += V.Load(x + i + 3 * V.Count);
        }
        for (; i < whole; i += V.Count) a += V.Load(x + i);
        float sum = V.Sum(a + b + (c + d));
        for (; i < count; i++) sum += x[i];
        return sum;
    }

    /// <summary>Sum of (x - center)².</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumOfSquaredDifferences(float* x, int whole, int count, float center)
    {
        V a = default, b = default, c = default, d = default, centers = V.Create(center);
        int i = 0;
        for (; i <= whole - 4 * V.Count; i += 4 * V.Count)
        {
            a = Add(a, x + i, centers);
            b = Add(b, x + i + V.Count, centers);
            c = Add(c, x + i + 2 * V.Count, centers);
            d = Add(d, x + i + 3 * V.Count, centers);
        }
        for (; i < whole; i += V.Count) a = Add(a, x + i, centers);
        float sum = V.Sum(a + b + (c + d));
        for (; i < count; i++) sum += (x[i] - center) * (x[i] - center);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Add(V sum, float* x, V centers)
    {
        V difference = V.Load(x) - centers;
        return V.MultiplyAdd(difference, difference, sum);
    }
}
