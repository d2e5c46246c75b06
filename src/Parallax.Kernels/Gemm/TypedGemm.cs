using System.Numerics;
using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// Matrix products of any number type: contract as <see cref="GemmProblem"/>, without residual and activation. Alpha and Beta are
/// converted to the type. Sums of integers wrap. Each element is summed in the order of depth.
/// </summary>
public sealed unsafe class TypedGemm<T> : Kernel where T : unmanaged, INumber<T>
{
    private const int DepthPerSlab = 128, ColumnsPerBlock = 128, RowsPerBlock = 64;

    private readonly GemmProblem problem;
    private readonly int mBlocks, nBlocks;

    public TypedGemm(GemmProblem problem)
    {
        if (problem.HasResidual || problem.Activation.Kind != ActivationKind.None)
            throw new ArgumentException($"a product of {typeof(T).Name} has neither residual nor activation");
        this.problem = problem;
        mBlocks = (problem.M + RowsPerBlock - 1) / RowsPerBlock;
        nBlocks = (problem.N + ColumnsPerBlock - 1) / ColumnsPerBlock;
    }

    public override string Name => $"gemm_{typeof(T).Name.ToLowerInvariant()}_rows";

    public override long WorkerScratchBytes => (long)DepthPerSlab * ColumnsPerBlock * sizeof(T);

    public override int BlockCount(int phase) => problem.BatchCount * mBlocks * nBlocks;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int product, int part) = Math.DivRem(block, mBlocks * nBlocks);
        int row = part / nBlocks * RowsPerBlock, column = part % nBlocks * ColumnsPerBlock;
        int rows = Math.Min(RowsPerBlock, problem.M - row), columns = Math.Min(ColumnsPerBlock, problem.N - column);
        T* a = args.Input<T>(0) + (problem.ABatch?[product] ?? 0) + row * problem.A.RowStride;
        T* b = args.Input<T>(1) + (problem.BBatch?[product] ?? 0) + column * problem.B.ColumnStride;
        T* c = args.Output<T>(0) + (problem.CBatch?[product] ?? 0) + row * problem.CRowStride + column;
        T* slab = (T*)args.WorkerScratch;
        for (int i = 0; i < rows; i++)
            new Span<T>(c + i * problem.CRowStride, columns).Clear();
        for (int start = 0; start < problem.K; start += DepthPerSlab)
        {
            int depth = Math.Min(DepthPerSlab, problem.K - start);
            Copy(b + start * problem.B.RowStride, slab, depth, columns);
            for (int i = 0; i < rows; i++)
                AddRow(a + i * problem.A.RowStride + start * problem.A.ColumnStride, slab, c + i * problem.CRowStride, depth, columns);
        }
        if (problem.Bias is { } bias)
            Finish(c, rows, columns, args.Input<T>(2) + (problem.BiasBatch?[product] ?? 0) + row * bias.RowStride + column * bias.ColumnStride, bias);
        else if (problem.Alpha != 1f)
            Finish(c, rows, columns, null, default);
    }

    private void Copy(T* source, T* slab, int depth, int columns)
    {
        for (int k = 0; k < depth; k++, source += problem.B.RowStride, slab += columns)
        {
            if (problem.B.ColumnStride == 1)
                new ReadOnlySpan<T>(source, columns).CopyTo(new Span<T>(slab, columns));
            else
                for (int j = 0; j < columns; j++) slab[j] = source[j * problem.B.ColumnStride];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddRow(T* a, T* slab, T* c, int depth, int columns)
    {
        for (int k = 0; k < depth; k++, a += problem.A.ColumnStride, slab += columns)
        {
            T x = *a;
            int j = 0;
            if (Vector<T>.IsSupported)
            {
                var xs = new Vector<T>(x);
                for (; j <= columns - Vector<T>.Count; j += Vector<T>.Count)
                    Vector.Store(Vector.Load(c + j) + xs * Vector.Load(slab + j), c + j);
            }
            for (; j < columns; j++)
                c[j] += x * slab[j];
        }
    }

    private void Finish(T* c, int rows, int columns, T* bias, MatrixLayout layout)
    {
        T alpha = T.CreateTruncating(problem.Alpha), beta = T.CreateTruncating(problem.Beta);
        for (int i = 0; i < rows; i++, c += problem.CRowStride)
            for (int j = 0; j < columns; j++)
                c[j] = alpha * c[j] + (bias == null ? T.Zero : beta * bias[i * layout.RowStride + j * layout.ColumnStride]);
    }
}
