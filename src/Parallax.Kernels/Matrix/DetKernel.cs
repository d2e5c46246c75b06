using System.Numerics;

namespace Parallax.Kernels.Matrix;

/// <summary>Determinants of [.. x n x n] matrices by elimination with row exchanges, in double precision.</summary>
public static class DetKernels
{
    public static Kernel Create(DType type, ReadOnlySpan<long> dims)
    {
        int size = checked((int)dims[^1]);
        long count = Shape.Count(dims[..^2]);
        return type switch
        {
            DType.Float32 => new DetKernel<float>(size, count),
            DType.Float64 => new DetKernel<double>(size, count),
            _ => throw new UnsupportedModelException($"determinants of {type} are not computed", [$"Det of {type}"]),
        };
    }
}

internal sealed unsafe class DetKernel<T>(int size, long count) : Kernel where T : unmanaged, INumber<T>
{
    private readonly long perBlock = Math.Max(1, 20_000 / Math.Max(1, (long)size * size * size));

    public override string Name => $"det_f{8 * sizeof(T)}_{size}";

    public override long WorkerScratchBytes => (long)size * size * sizeof(double);

    public override int BlockCount(int phase) => checked((int)((count + perBlock - 1) / perBlock));

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        double* matrix = (double*)args.WorkerScratch;
        for (long at = block * perBlock; at < Math.Min(count, (block + 1) * perBlock); at++)
        {
            T* source = args.Input<T>(0) + at * size * size;
            for (long i = 0; i < (long)size * size; i++) matrix[i] = double.CreateTruncating(source[i]);
            args.Output<T>(0)[at] = T.CreateTruncating(Eliminate(matrix));
        }
    }

    private double Eliminate(double* matrix)
    {
        double determinant = 1;
        for (int column = 0; column < size; column++)
        {
            int pivot = column;
            for (int row = column + 1; row < size; row++)
                if (Math.Abs(matrix[(long)row * size + column]) > Math.Abs(matrix[(long)pivot * size + column])) pivot = row;
            double* top = matrix + (long)column * size, found = matrix + (long)pivot * size;
            if (found[column] == 0) return 0;
            if (pivot != column)
            {
                for (int i = column; i < size; i++) (top[i], found[i]) = (found[i], top[i]);
                determinant = -determinant;
            }
            determinant *= top[column];
            for (int row = column + 1; row < size; row++)
            {
                double* line = matrix + (long)row * size;
                double factor = line[column] / top[column];
                for (int i = column + 1; i < size; i++) line[i] -= factor * top[i];
            }
        }
        return determinant;
    }
}
