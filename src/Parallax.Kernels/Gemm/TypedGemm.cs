using System.Numerics;

namespace Parallax.Kernels;

/// <summary>
/// The products of a <see cref="GemmProblem"/> for element types other than float32: exact for integers (wrapping), plain summation in order of k for the rest.
/// Alpha and Beta are converted to the element type. Activations and residuals are not supported.
/// </summary>
public sealed unsafe class TypedGemm<T> : Kernel where T : unmanaged, INumber<T>
{
    private const int RowsPerBlock = 8;

    private readonly GemmProblem problem;
    private readonly T alpha, beta;

    public TypedGemm(GemmProblem problem)
    {
        if (problem.HasResidual || problem.Activation.Kind != ActivationKind.None)
            throw new ArgumentException($"{typeof(T).Name} products have no fused residual or activation", nameof(problem));
        this.problem = problem;
        alpha = T.CreateTruncating(problem.Alpha);
        beta = T.CreateTruncating(problem.Beta);
    }

    public override string Name => $"gemm_{typeof(T).Name.ToLowerInvariant()}_rows";

    public override int BlockCount(int phase) => problem.BatchCount * RowBlocks;

    private int RowBlocks => (problem.M + RowsPerBlock - 1) / RowsPerBlock;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        int batch = block / RowBlocks, first = block % RowBlocks * RowsPerBlock;
        T* a = args.Input<T>(0) + (problem.ABatch?[batch] ?? 0), b = args.Input<T>(1) + (problem.BBatch?[batch] ?? 0);
        T* c = args.Output<T>(0) + (problem.CBatch?[batch] ?? 0);
        for (int row = first; row < Math.Min(problem.M, first + RowsPerBlock); row++)
        {
            var result = new Span<T>(c + row * problem.CRowStride, problem.N);
            AddProducts(a + row * problem.A.RowStride, b, result);
            if (alpha != T.One)
                foreach (ref T value in result) value *= alpha;
            if (problem.Bias is { } bias) AddBias(args.Input<T>(2) + (problem.BiasBatch?[batch] ?? 0) + row * bias.RowStride, bias.ColumnStride, result);
        }
    }

    private void AddProducts(T* a, T* b, Span<T> result)
    {
        result.Clear();
        for (int k = 0; k < problem.K; k++)
        {
            T factor = a[k * problem.A.ColumnStride];
            T* row = b + k * problem.B.RowStride;
            if (problem.B.ColumnStride == 1) System.Numerics.Tensors.TensorPrimitives.MultiplyAdd(new ReadOnlySpan<T>(row, result.Length), factor, result, result);
            else
                for (int j = 0; j < result.Length; j++) result[j] += factor * row[j * problem.B.ColumnStride];
        }
    }

    private void AddBias(T* bias, long stride, Span<T> result)
    {
        for (int j = 0; j < result.Length; j++) result[j] += beta * bias[j * stride];
    }
}
